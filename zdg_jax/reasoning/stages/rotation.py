"""Which imagined hand rotation is natural (paper III-C): candidates of eq. 2, filter of eq. 3, question."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from PIL import Image

from prompts.schemas import RotationAnswer
from zdg_jax.hands import kinematics
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import SurfaceSamples
from zdg_jax.pose import unit
from zdg_jax.reasoning import pictures
from zdg_jax.reasoning.evidence import observed_region
from zdg_jax.reasoning.protocol import Question, RegionObservations, Vec3, vec3
from zdg_jax.reasoning.query import Query, Stage
from zdg_jax.reasoning.rules.scoring import held_region, score, terms_of
from zdg_jax.reasoning.rules.task_plan import Plan, after_refusals, intro, planned
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.status import Status

PICTURE, CLOSED = "06_rotation.png", "07_closed.png"
_OVERLAP = 2.0


class RotationObservations(RegionObservations):
    """K imagined hand rotations around D_palm that passed eq. 3."""

    direction: str
    direction_vector: Vec3
    grasp_type: str
    finger_directions: dict[int, Vec3]  # D_finger of each candidate still offered
    thumb_directions: dict[int, Vec3]  # from palm centre towards the thumb side
    func_center: Vec3
    overlap: dict[int, float]  # share of hand skin inside the object


class Rotation(Stage[RotationAnswer]):
    """Candidate "n" is rotation index k = n - 1; those that eq. 3 filtered are not offered."""

    name, noun, answer, observations = "rotation", "rotation", RotationAnswer, RotationObservations
    needs = ("p_obj_palm", "R_candidates", "kept_rotations", "grasp_type")
    gives = ("rotation_index",)

    def build_query(self, state: ReasonState) -> Query[RotationAnswer]:
        T, R, kept = state.p_obj_palm, state.R_candidates, state.kept_rotations
        assert T is not None
        assert R is not None
        points = state.p_obj_points
        marked = None if points is None else points.tobytes()
        key = (state.view, state.hand_parts, T.tobytes(), R.tobytes(), kept)
        skins = state.once(("skins", *key), lambda: {k: imagined_skin(state.hand, T, R[k]) for k in kept})
        numbered = {k + 1: skin for k, skin in skins.items()}

        d_palm, fingers = R[kept[0]][:, 2], {k + 1: R[k][:, 0] for k in kept}

        def draw() -> Image.Image:
            return state.once(
                ("imagination", state.func_parts, marked, *key),
                lambda: pictures.imagination(state, numbered, d_palm, fingers),
            )

        def draw_closed() -> Image.Image:
            posture = state.hand.grasp_types[state.grasp_type].joints
            return state.once(
                ("closed", state.func_parts, marked, state.grasp_type, *key),
                lambda: pictures.closing(
                    state,
                    numbered,
                    {k + 1: imagined_skin(state.hand, T, R[k], posture) for k in kept},
                    d_palm,
                    fingers,
                ),
            )

        state.show(PICTURE, draw)
        if state.looked_at(self.name):
            state.show(CLOSED, draw_closed)
        chosen = {"direction": state.direction, "grasp_type": state.grasp_type}
        serving = tuple(k + 1 for k in serving_points(state))

        def verify(answer: RotationAnswer) -> str | None:
            if points is None or not serving or answer.rotation in serving:
                return None
            panels = ", ".join(map(str, serving))
            return (
                f"In panel {answer.rotation} the closed thumb and index finger are much nearer to each "
                f"other's points than to their own, T and I. Panels where they are not: {panels}."
            )

        return self.query(
            state,
            candidates=tuple(str(k + 1) for k in kept),
            pictures=(PICTURE, CLOSED) if state.looked_at(self.name) else (PICTURE,),
            values={**state.chosen_parts(), **chosen, "pointed": points is not None},
            verify=verify,
            failed_as=Status.POINTS_UNVERIFIED,
            observed=lambda of: {
                **state.chosen_parts(),
                **observed_region(of),
                **chosen,
                "direction_vector": vec3(-R[kept[0]][:, 2]),
                "finger_directions": {k + 1: vec3(R[k][:, 0]) for k in kept},
                "thumb_directions": {k + 1: vec3(thumb_side(state.hand, skins[k], T, R[k])) for k in kept},
                "func_center": vec3(of.func_center),
                "overlap": {k + 1: of.overlap(skins[k]) for k in kept},
            },
        )

    def take(self, state: ReasonState, answer: RotationAnswer) -> None:
        state.rotation_index = answer.rotation - 1

    def answer_by_rules(self, question: Question[Any]) -> RotationAnswer:
        """The imagined hand whose fingers cross the region as the rule asks, thumb on the side it asks."""
        observed, plan = planned(question, RotationObservations)
        scores = rotation_scores(observed, plan)
        offered = [int(c) for c in question.candidates if int(c) in scores]
        ranking = sorted(offered, key=lambda k: (-round(scores[k], 9), k))
        best = after_refusals(ranking, question.feedback, question.stage)
        along = abs(float(np.dot(observed.finger_directions[best], observed.region_axis)))
        thumb_up = observed.thumb_directions[best][1]
        text = (
            f"{intro(plan)} In picture {best} the fingers have cosine {along:.2f} "
            f"to the held region's long axis, the thumb side has cosine {thumb_up:.2f} to up, and "
            f"{100 * observed.overlap.get(best, 0.0):.0f} % of the imagined hand is inside the object; "
            f"its score is {scores[best]:.2f}."
        )
        return RotationAnswer(reasoning=text, rotation=best)


def serving_points(state: ReasonState) -> tuple[int, ...]:
    """The offered rotations k whose closed thumb and index are not at each other's key points; none without
    points, all of a hand that lacks one of the pads."""
    points, T, R = state.p_obj_points, state.p_obj_palm, state.R_candidates
    if points is None or T is None or R is None:
        return ()
    thumb, index = state.hand.functional_pads
    if thumb is None or index is None:
        return state.kept_rotations
    joints = state.hand.grasp_types[state.grasp_type].joints
    pads = kinematics.posed_in_palm(state.hand, joints, "pad")[[thumb, index]]
    serve = at_own_points(T + np.einsum("kij,nj->kni", R, pads), points)
    return tuple(k for k in state.kept_rotations if serve[k])


def at_own_points(
    pads: Float[np.ndarray, "k 2 3"], points: Float[np.ndarray, "2 3"]
) -> Bool[np.ndarray, " k"]:
    """False where thumb and index pads t, i are rather at each other's points P_t, P_i:
    |t - P_t| + |i - P_i| - |t - P_i| - |i - P_t| > |P_t - P_i|, half of what it can be at most.

    Args:
      pads: (thumb, index) of each candidate, metres.
      points: (thumb, index), metres.
    """
    own, other = (np.linalg.norm(pads - p, axis=2).sum(axis=1) for p in (points, points[::-1]))
    return np.asarray(own - other <= np.linalg.norm(points[0] - points[1]))


def fitting_rotations(state: ReasonState) -> Bool[np.ndarray, " k"]:
    """Eq. 3 for a task whose palm position and candidates are set: True where a candidate stays."""
    region, samples, mask = state.region, state.obj.samples, state.known_hand_mask
    assert state.p_obj_palm is not None
    assert state.R_candidates is not None
    triangles = np.asarray(state.obj.mesh.triangles)
    p_star = nearest_contact_point(region.center, state.p_obj_palm, triangles, samples, mask)
    near = neighbourhood(p_star, float(region.extents[1]), samples, mask, state.config.hand_reach)
    return rotations_that_fit(state.R_candidates[:, :, 0], samples.normals[near], state.config.tau_n)


def reference_finger_direction(
    region_axis: Float[np.ndarray, "3"], direction: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
    """D_finger of candidate k = 0: the region's long axis laid into the plane of the palm.

    The paper leaves the phase of its K rotations open. With this one, k = 0 and K/2 lie along a
    handle and, for K = 4, k = 1 and 3 lie exactly across it, from whichever side the hand comes. Where
    the axis points at the palm (within 15 degrees), any handle is seen end-on and the world's up takes
    its place; where that also points at the palm, z does.

    Args:
      region_axis: principal axis of the hand region, unit.
      direction: D*, unit.
    Returns:
      unit vector square to `direction`.
    """
    for axis in (region_axis, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])):
        flat = axis - (axis @ direction) * direction
        if np.linalg.norm(flat) > np.sin(np.deg2rad(15.0)):
            return flat / np.linalg.norm(flat)
    raise AssertionError("y and z can't both be parallel to one direction")


def palm_rotations(
    region_axis: Float[np.ndarray, "3"], direction: Float[np.ndarray, "3"], count: int
) -> Float[np.ndarray, "k 3 3"]:
    """R_k, the palm frame in the object frame, for K turns about D_palm (paper III-C).

    D_palm* = -D* (eq. 2); x_k = Rot(D_palm*, 2 pi k / K) x_0; R_k = [x_k, D_palm* x x_k, D_palm*].

    Args:
      region_axis: principal axis of the hand region, unit; it sets x_0.
      direction: D*, unit.
      count: K.
    Returns:
      proper rotations; columns are D_finger, y and D_palm.
    """
    palm = -direction / np.linalg.norm(direction)
    first = reference_finger_direction(region_axis, -palm)
    second = np.cross(palm, first)
    angles = 2 * np.pi * np.arange(count)[:, None] / count
    x = np.cos(angles) * first + np.sin(angles) * second
    z = np.broadcast_to(palm, x.shape)
    return np.stack([x, np.cross(z, x), z], axis=-1)


def nearest_contact_point(
    center: Float[np.ndarray, "3"],
    p_obj_palm: Float[np.ndarray, "3"],
    triangles: Float[np.ndarray, "faces 3 3"],
    samples: SurfaceSamples,
    hand_mask: Bool[np.ndarray, " samples"],
) -> Float[np.ndarray, "3"]:
    """p* of paper III-D: the point of the contact region nearest to the hand on ray(C, D*).

    The ray can leave the object several times, and through other parts. Of all its hits between C and
    the palm, the one nearest the palm whose closest sample is in the contact region is taken; if there
    is none (C lies in the open, as in a loop), the region's sample that is closest to the ray.

    Args:
      center: C, metres.
      p_obj_palm: T' of eq. 1, metres.
      triangles: the object's faces, metres.
      samples: the object's surface samples.
      hand_mask: M_hand^3d, not empty.
    Returns:
      p*, metres.
    """
    reach = float(np.linalg.norm(p_obj_palm - center))
    direction = (p_obj_palm - center) / reach
    distances, _ = ray_hits(center, direction, triangles)
    for t in distances[distances <= reach][::-1]:
        point = center + t * direction
        if hand_mask[np.linalg.norm(samples.points - point, axis=1).argmin()]:
            return point
    region = samples.points[hand_mask]
    along = np.clip((region - center) @ direction, 0.0, reach)
    return region[np.linalg.norm(region - center - along[:, None] * direction, axis=1).argmin()]


def neighbourhood(
    p_star: Float[np.ndarray, "3"],
    region_width: float,
    samples: SurfaceSamples,
    hand_mask: Bool[np.ndarray, " samples"],
    hand_reach: float,
) -> Bool[np.ndarray, " samples"]:
    """The samples around p* whose normals eq. 3 looks at; the paper leaves their choice open.

    Those of the contact region within min(3/4 w, hand_reach) of p*, w the region's width. The flanks of
    a bar or box of width w lie within w / sqrt(2) of the middle of its face, so fingers across it find
    their normals; its ends, which would let fingers along it pass, lie farther off.

    Args:
      p_star: p*, metres.
      region_width: second principal extent of the region, metres.
      samples: the object's surface samples.
      hand_mask: M_hand^3d.
      hand_reach: how far from the palm's axis bent fingers touch, metres.
    """
    radius = min(0.75 * region_width, hand_reach)
    return hand_mask & (np.linalg.norm(samples.points - p_star, axis=1) <= radius)


def rotations_that_fit(
    finger_directions: Float[np.ndarray, "k 3"], normals: Float[np.ndarray, "n 3"], tau_n: float
) -> Bool[np.ndarray, " k"]:
    """Eq. 3: which candidates find a normal that their finger direction lies along.

    Candidate k is filtered if |n_i . D_finger,k| / (|n_i| |D_finger,k|) < tau_n for all i.

    Args:
      finger_directions: D_finger of each candidate.
      normals: n_i of the samples around p*.
      tau_n: 0.85 in the paper.
    Returns:
      True where the candidate stays.
    """
    if len(normals) == 0:
        return np.zeros(len(finger_directions), bool)
    cosine = np.abs(unit(finger_directions) @ unit(normals).T)
    return np.asarray((cosine >= tau_n).any(axis=1))


def ray_hits(
    origin: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    triangles: Float[np.ndarray, "faces 3 3"],
) -> tuple[Float[np.ndarray, " hits"], Int[np.ndarray, " hits"]]:
    """Distances and faces that a ray meets, nearest first (Moller and Trumbore).

    Solves origin + t * direction = (1 - u - v) a + u b + v c for t > 0, u >= 0, v >= 0, u + v <= 1.

    Args:
      origin: metres.
      direction: unit vector.
      triangles: corner points of each face, metres.
    Returns:
      (distances in metres, face indices).
    """
    a = triangles[:, 0]
    ab, ac = triangles[:, 1] - a, triangles[:, 2] - a
    p = np.cross(direction[None], ac)
    det = (ab * p).sum(axis=1)
    safe = np.where(np.abs(det) > 1e-18, det, np.inf)  # parallel faces give u = v = t = 0, cut by t > 0
    s = origin - a
    u = (s * p).sum(axis=1) / safe
    q = np.cross(s, ab)
    v = (q @ direction) / safe
    t = (ac * q).sum(axis=1) / safe
    slack = 1e-9
    face = np.flatnonzero((t > 0) & (u >= -slack) & (v >= -slack) & (u + v <= 1 + slack))
    face = face[np.argsort(t[face], kind="stable")]
    return t[face], face


def imagined_skin(
    hand: HandModel,
    p_obj_palm: Float[np.ndarray, "3"],
    R_obj_palm: Float[np.ndarray, "3 3"],
    joints: Float[np.ndarray, " active"] | None = None,
) -> Float[np.ndarray, "vertices 3"]:
    """Skin vertices of a hand with its palm frame at (T', R_k), metres, object frame; open without joints."""
    base = kinematics.base_from_palm(hand, p_obj_palm, R_obj_palm)
    posture = hand.open_joints if joints is None else joints
    return np.asarray(kinematics.posed_skin(hand, base, posture), dtype=np.float64)


def thumb_side(
    hand: HandModel,
    skin: Float[np.ndarray, "vertices 3"],
    p_obj_palm: Float[np.ndarray, "3"],
    R_obj_palm: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "3"]:
    """Unit vector across the palm, from its centre towards the side on which the thumb is.

    It is +y or -y of the palm frame, by the sign of the mean thumb vertex along y.

    Args:
      hand: the model.
      skin: from `imagined_skin`, metres.
      p_obj_palm, R_obj_palm: the same pose.
    """
    side = (skin[hand.skin_finger == hand.thumb].mean(axis=0) - p_obj_palm) @ R_obj_palm[:, 1]
    return R_obj_palm[:, 1] * (1.0 if side >= 0 else -1.0)


def rotation_scores(observed: RotationObservations, plan: Plan) -> dict[int, float]:
    """fingers-terms of D_finger + thumb-terms of the thumb side - 2 overlap, per candidate."""
    region = held_region(observed, plan.parts_of(plan.rule.toward))
    terms = terms_of(region)
    return {
        k: score(plan.rule.fingers, terms, np.array(finger))
        + score(plan.rule.thumb, terms, np.array(observed.thumb_directions[k]))
        - _OVERLAP * observed.overlap.get(k, 0.0)
        for k, finger in observed.finger_directions.items()
    }
