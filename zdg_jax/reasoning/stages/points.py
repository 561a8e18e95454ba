"""Which contour points thumb and index press (paper III-A, point level; eqs. 4-5)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from prompts.schemas import PointsAnswer
from zdg_jax.objects.model import SurfaceSamples
from zdg_jax.reasoning import lifting, pictures
from zdg_jax.reasoning.evidence import Evidence
from zdg_jax.reasoning.protocol import ChosenPartsObservations, Question, Vec3, vec3
from zdg_jax.reasoning.query import Dialogue, Query, Stage, outside
from zdg_jax.reasoning.rules.roles import plateau
from zdg_jax.reasoning.rules.scoring import centroid, region_of, unit
from zdg_jax.reasoning.rules.task_plan import Plan, after_refusals, intro, planned
from zdg_jax.reasoning.stages.hand_part import PLAIN, lift_parts
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.status import Status

MARKED = "04_points.png"
SPAN = 0.08
"""How far apart thumb and index press with ease, metres."""
_OWN_PART = 10.0  # more than all else that a pair can be worth
_INSET = 2  # pixels; on the very outline, depth and normal are those of a grazing ray


class PointObservations(ChosenPartsObservations):
    """Numbered contour points for thumb and index."""

    points: dict[int, Vec3]
    normals: dict[int, Vec3]
    opposed: tuple[tuple[int, int], ...] = ()  # pairs that can press against each other (eqs. 4-5)
    able: tuple[tuple[int, int], ...] = ()  # of them (thumb, index), each on a part of its own finger


class Points(Stage[PointsAnswer]):
    """Candidate "n" is the n-th contour point, numbered clockwise from the top.

    Where no two points pass eq. 5, thumb and index get their whole part(s), unasked.
    """

    name, noun, answer, observations = "points", "point", PointsAnswer, PointObservations
    needs, gives = ("hand_mask", "func_parts"), ("func_mask", "p_obj_points")

    def needed(self, state: ReasonState) -> bool:
        return state.points_needed

    def build_query(self, state: ReasonState) -> Query[PointsAnswer]:
        offered = offer(state)
        state.show(MARKED, lambda: pictures.marked_points(state, offered.uv))
        candidates = tuple(str(i + 1) for i in range(len(offered.uv)))

        def check(answer: PointsAnswer) -> str | None:
            if answer.thumb == answer.index:
                return "Thumb and index can't share one point. Choose two."
            return outside([str(answer.thumb), str(answer.index)], candidates, self.noun)

        def verify(answer: PointsAnswer) -> str | None:
            refused = disagreement(state, offered.chosen(answer), state.obj.samples)
            if refused is None and (answer.thumb, answer.index) not in offered.able:
                thumb, index = (", ".join(map(str, own)) for own in state.finger_parts)
                refused = f"The thumb shall touch part(s) {thumb}, the index part(s) {index}."
            able = ", ".join(f"{a} and {b}" for a, b in offered.able)
            return refused and f"{refused} Pairs (thumb and index) that can: {able}."

        def observed(of: Evidence) -> dict[str, object]:
            whole = of.samples is state.obj.samples
            pairs = offered if whole else _offer(state, of.samples)
            return {
                **state.chosen_parts(),
                "points": {i + 1: vec3(point) for i, point in enumerate(offered.points)},
                "normals": {i + 1: vec3(normal) for i, normal in enumerate(offered.normals)},
                "opposed": pairs.opposed,
                "able": pairs.able,
            }

        return self.query(
            state,
            candidates=candidates,
            pictures=(PLAIN, MARKED),
            values={
                **state.chosen_parts(),
                **dict(zip(("thumb_parts", "index_parts"), state.finger_parts, strict=True)),
            },
            observed=observed,
            check=check,
            verify=verify,
            failed_as=Status.POINTS_UNVERIFIED,
        )

    def take(self, state: ReasonState, answer: PointsAnswer) -> None:
        state.p_obj_points = offer(state).chosen(answer)
        balls = lifting.lift_points(state.p_obj_points, state.obj.samples, state.config.point_radius)
        state.func_mask = np.any(balls, axis=0)

    async def run(self, state: ReasonState, dialogue: Dialogue) -> None:
        if offer(state).opposed:
            await super().run(state, dialogue)
            return
        state.warnings.append("no two contour points pass eq. 5; thumb and index got their whole part(s)")
        state.func_mask = lift_parts(state, state.func_parts, state.region.center)

    def answer_by_rules(self, question: Question[Any]) -> PointsAnswer:
        """The pair with opposed normals (eq. 5), 1-6 cm apart, whose index point lies on the trigger.

        Pairs of which each point lies on its finger's own part come before all others.
        """
        observed, plan = planned(question, PointObservations)
        numbers = sorted(set(observed.points) & {int(c) for c in question.candidates})
        ranked: list[tuple[float, int, int]] = []
        pressing, own = frozenset(observed.opposed), frozenset(observed.able)
        for thumb, index in permutations(numbers, 2):
            opposed = min(force_cosines(observed, thumb, index))
            if plan.ends and (min(thumb, index), max(thumb, index)) in pressing:
                opposed = 1.0  # its ends face along it, which a view from the side does not show
            reach = plateau(_span(observed, thumb, index), 0.003, 0.012, 0.06, 0.10)
            value = 1.5 * min(opposed, 0.85) + reach + _semantic(observed, plan, thumb, index)
            ranked.append((value + _OWN_PART * ((thumb, index) in own), thumb, index))
        ranked.sort(key=lambda r: (-r[0], r[1], r[2]))
        _, thumb, index = after_refusals(ranked, question.feedback, question.stage)
        cos_thumb, cos_index = force_cosines(observed, thumb, index)
        span = _span(observed, thumb, index)
        text = (
            f"{intro(plan)} Thumb on {thumb} and index on {index} lie {100 * span:.1f} cm apart and press "
            f"against each other: the cosines to the outward normals are {cos_thumb:.2f} and {cos_index:.2f}."
        )
        return PointsAnswer(reasoning=text, thumb=thumb, index=index)


@dataclass(frozen=True)
class Offer:
    """The candidates of the point stage; candidate "n" is row n - 1.

    Attributes:
      uv: contour points of M_func^2d, pixels.
      points, normals: the object's surface there, metres and unit outward.
      opposed: the numbers of all pairs that pass eqs. 4-5, lower first; (b, a) passes as (a, b) does.
      able: of them, as (thumb, index), those whose points lie on the parts that the two fingers shall touch;
        all where no such two are within `SPAN`.
    """

    uv: Int[np.ndarray, "n 2"]
    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    opposed: tuple[tuple[int, int], ...]
    able: tuple[tuple[int, int], ...]

    def chosen(self, answer: PointsAnswer) -> Float[np.ndarray, "2 3"]:
        """P_func^2.5d = (P_thumb, P_index), metres."""
        return self.points[[answer.thumb - 1, answer.index - 1]]


def offer(state: ReasonState) -> Offer:
    """Contour points of the functional fingers' part(s) in the chosen view."""
    key = ("offer", state.view, state.func_parts, state.finger_parts)
    return state.once(key, lambda: _offer(state, state.obj.samples))


def _offer(state: ReasonState, samples: SurfaceSamples) -> Offer:
    uv = contour_points(state.mask_2d(state.func_parts), state.config.num_points)
    points = state.camera.back_project(uv + 0.5, state.frame.depth[uv[:, 1], uv[:, 0]])
    pairs = combinations(range(len(points)), 2)
    opposed = tuple((a + 1, b + 1) for a, b in pairs if disagreement(state, points[[a, b]], samples) is None)
    either = tuple(pair for a, b in opposed for pair in ((a, b), (b, a)))
    thumb, index = (_on(state, uv, own) for own in state.finger_parts)
    own = tuple((t, i) for t, i in either if thumb[t - 1] and index[i - 1])
    near = any(np.linalg.norm(points[t - 1] - points[i - 1]) <= SPAN for t, i in own)
    able = own if near else either
    return Offer(uv, points, state.frame.normal[uv[:, 1], uv[:, 0]], opposed, able)


def _on(state: ReasonState, uv: Int[np.ndarray, "n 2"], parts: tuple[int, ...]) -> Bool[np.ndarray, " n"]:
    """Which pixels lie on these parts of the chosen view, or on none of those to touch: a completed mask."""
    found = state.part_map[uv[:, 1], uv[:, 0]]
    return np.isin(found, parts) | ~np.isin(found, state.func_parts)


def disagreement(
    state: ReasonState, p_obj_points: Float[np.ndarray, "2 3"], samples: SurfaceSamples
) -> str | None:
    """Eqs. 4-5 on (thumb, index): None, or which finger's force meets no surface that faces it."""
    balls = lifting.lift_points(p_obj_points, samples, state.config.point_radius)
    forces = force_directions(p_obj_points)
    for finger, force, ball in zip(("thumb", "index"), forces, balls, strict=True):
        if not contact_agrees(force, samples.normals[ball], state.config.tau_m):
            return (
                f"At the {finger}'s point no surface faces away from the other finger's point, so the two "
                "can't press against each other. Choose points on opposite sides of the part."
            )
    return None


def force_directions(p_obj_points: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """Eq. 4: F_thumb = P_thumb - P_index and F_index = -F_thumb, metres."""
    thumb = p_obj_points[0] - p_obj_points[1]
    return np.stack([thumb, -thumb])


def contact_agrees(force: Float[np.ndarray, "3"], normals: Float[np.ndarray, "n 3"], tau_m: float) -> bool:
    """Eq. 5: whether some normal around a point lies along its force direction.

    The point is discarded if n_i . F_k / (|n_i| |F_k|) < tau_m for all i; so is a zero force.

    Args:
      force: F_k of eq. 4.
      normals: outward n_i of the samples in P_k^3d.
      tau_m: 0.7 in the paper.
    """
    if len(normals) == 0 or np.linalg.norm(force) == 0.0:
        return False
    unit_normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return bool((unit_normals @ (force / np.linalg.norm(force)) >= tau_m).any())


def contour_points(mask: Bool[np.ndarray, "h w"], count: int) -> Int[np.ndarray, "n 2"]:
    """Pixels spread evenly over the outline of a mask, a little inside it.

    Farthest-point sampling over the outline's pixels, numbered clockwise from the top. Pieces of the mask
    that are smaller than a tenth of its largest (a part showing through a gap) get no points.

    Args:
      mask: M_func^2d.
      count: how many points; fewer come back if the outline has fewer pixels.
    Returns:
      rows (u, v): column and row of a pixel inside the mask.
    """
    mask = _without_specks(mask)
    inner = np.asarray(ndimage.binary_erosion(mask, iterations=_INSET), dtype=bool)
    # A part thinner than the inset keeps its own outline.
    body = inner if inner.sum() >= count else mask
    edge = body & ~np.asarray(ndimage.binary_erosion(body), dtype=bool)
    rows, columns = np.nonzero(edge)
    if len(rows) == 0:
        return np.zeros((0, 2), int)
    pixels = np.stack([columns, rows], axis=1)
    chosen = [int(pixels[:, 1].argmin())]
    distance = np.linalg.norm(pixels - pixels[chosen[0]], axis=1)
    while len(chosen) < min(count, len(pixels)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(pixels - pixels[chosen[-1]], axis=1))
    points = pixels[chosen]
    offset = points - points.mean(axis=0)
    clockwise = np.arctan2(offset[:, 0], -offset[:, 1]) % (2 * np.pi)
    return points[np.argsort(clockwise, kind="stable")]


def _without_specks(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    piece = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=piece)
    if piece.max() < 2:
        return mask
    size = np.bincount(piece.ravel())
    size[0] = 0
    return (size >= 0.1 * size.max())[piece]


def force_cosines(observed: PointObservations, thumb: int, index: int) -> tuple[float, float]:
    """cos of eq. 5 for both fingers: n_k . F_k / |F_k|, F_thumb = P_thumb - P_index = -F_index (eq. 4)."""
    force = unit(np.array(observed.points[thumb]) - np.array(observed.points[index]))
    if force is None:
        return (-1.0, -1.0)
    n_thumb, n_index = (np.array(observed.normals[k]) for k in (thumb, index))
    return float(n_thumb @ force), float(-n_index @ force)


def _semantic(observed: PointObservations, plan: Plan, thumb: int, index: int) -> float:
    """Index near the trigger and on its forward side; the thumb behind it, and both level with each other."""
    named = tuple(r for r in plan.rule.touch if r != "hold")
    spots = tuple(p for p in observed.object.parts if p.number in plan.parts_of(named))
    p_thumb, p_index = np.array(observed.points[thumb]), np.array(observed.points[index])
    if not spots:
        return 0.0
    target = centroid(spots)
    hand = tuple(p for p in observed.object.parts if p.number in observed.hand_parts)
    x, y, z = centroid(hand).tolist() if hand else observed.object.center
    region = region_of(
        observed.object, observed.hand_parts, plan.parts_of(plan.rule.toward), (x, y, z), None, None
    )
    forward = region.forward
    size = max(max(p.extents) for p in spots)
    if plan.ends and region.ref is not None:  # the thumb pushes its far end towards the index finger
        end = target + 0.5 * size * region.ref
        far = float(np.exp(-np.linalg.norm(p_thumb - end) / max(size, 0.01)))
        return far + (0.0 if thumb == index else float(unit(p_thumb - p_index) @ region.ref))
    near = float(np.exp(-np.linalg.norm(p_index - target) / max(size, 0.01)))
    ahead = (
        0.0 if forward is None else float((unit(p_index - p_thumb) if thumb != index else forward) @ forward)
    )
    return near + 0.5 * ahead


def _span(observed: PointObservations, thumb: int, index: int) -> float:
    """Distance of two points, metres."""
    return float(np.linalg.norm(np.array(observed.points[thumb]) - np.array(observed.points[index])))
