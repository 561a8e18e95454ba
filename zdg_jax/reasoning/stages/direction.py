"""From which side the hand comes (paper III-B): 18 directions, eq. 1, what is in the way, the question."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

from prompts.schemas import DirectionAnswer
from zdg_jax.objects.model import SurfaceSamples, exit_distance, hand_position
from zdg_jax.objects.region import Region
from zdg_jax.pose import unit
from zdg_jax.reasoning import pictures
from zdg_jax.reasoning.evidence import Evidence, Whole, observed_region
from zdg_jax.reasoning.protocol import Question, RegionObservations, Vec3, vec3
from zdg_jax.reasoning.query import Dialogue, Query, Stage
from zdg_jax.reasoning.rules.roles import ramp
from zdg_jax.reasoning.rules.scoring import held_region, score, terms_of
from zdg_jax.reasoning.rules.task_plan import Plan, after_refusals, intro, planned
from zdg_jax.reasoning.stages.rotation import fitting_rotations, palm_rotations
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.render.scene import Camera

MARKED = "05_direction.png"
CARDINALS = ("front", "behind", "left", "right", "above", "below")
OPPOSITE = {
    "front": "behind",
    "behind": "front",
    "left": "right",
    "right": "left",
    "above": "below",
    "below": "above",
}
NAMES: tuple[str, ...] = CARDINALS + tuple(
    f"{a}-{b}" for a, b in combinations(CARDINALS, 2) if OPPOSITE[a] != b
)
_UP = np.array([0.0, 1.0, 0.0])
#: A region is stubby that is less than so many times longer than wide; its axis nearly points at the palm
#: above that cosine.
_STUBBY, _NEARLY = 1.6, 0.7
_PARALLEL = 1e-3  # sine of the angle under which `front` counts as vertical

PALM_RADIUS = 0.04
"""Half the width of a hand, metres."""
_DILATION = 0.008  # half a finger's thickness: an edge blocks that much of the way in, metres

# Always: the palm's way must be free; and it should start near a handle, whose centre lies in it (the centre
# of a rim or wall is in the middle of the vessel, where near means nothing).
_BLOCKED, _FAR = 2.5, 0.8
# Fingertips can't lift a wide flat thing (a book) by its face: its edges are out of their span.
_FACE, _SPAN = 2.5, (0.085, 0.11)


class DirectionObservations(RegionObservations):
    """18 approach directions from the centre C of the hand region."""

    directions: dict[str, Vec3]
    exit_distance: dict[str, float]  # from C to the expanded hull along each direction (eq. 1)
    blocked: dict[str, float]  # share 0..1 of the palm's way in that other parts fill
    normal_alignment: dict[str, float]  # mean max(0, n . D) over the region's samples


class Direction(Stage[DirectionAnswer]):
    """Candidates are the 18 names of III-B; T' (eq. 1), R_k (eq. 2) and eq. 3 follow from the choice."""

    name, noun, answer, observations = "direction", "direction", DirectionAnswer, DirectionObservations
    needs = ("hand_parts", "func_parts", "hand_mask")
    gives = ("direction", "direction_vector", "p_obj_palm", "R_candidates", "kept_rotations")

    def build_query(self, state: ReasonState, feedback: tuple[str, ...] = ()) -> Query[DirectionAnswer]:
        """The query; `feedback` says why eq. 3 refused an earlier answer."""
        vectors = candidate_directions(state.region.center, state.camera)
        state.show(MARKED, lambda: pictures.marked_center(state, {n: vectors[n] for n in CARDINALS}))

        def observed(of: Evidence) -> dict[str, object]:
            center, samples, mask = of.region.center, of.samples, of.held
            return {
                **state.chosen_parts(),
                **observed_region(of),
                "directions": {name: vec3(v) for name, v in vectors.items()},
                "exit_distance": {n: exit_distance(center, v, of.hull) for n, v in vectors.items()},
                "blocked": {n: blocked_share(center, v, samples, mask) for n, v in vectors.items()},
                "normal_alignment": {
                    n: normal_alignment(v, samples.normals[mask]) for n, v in vectors.items()
                },
            }

        words = [{"name": n, "words": in_words(v, state.camera)} for n, v in vectors.items()]
        return self.query(
            state,
            candidates=tuple(vectors),
            pictures=(MARKED,),
            values={**state.chosen_parts(), "directions": words},
            observed=observed,
            feedback=feedback,
        )

    async def run(self, state: ReasonState, dialogue: Dialogue) -> None:
        """Ask once more if eq. 3 leaves no rotation."""
        answer = await dialogue.ask(self.build_query(state))
        first, state.any_side = answer.direction, answer.any_side
        if place_hand(state, first):
            return
        reason = (
            f"From {first!r} no turn of the hand lets its fingers close around the region: in none does a "
            "surface near the palm face along the fingers (eq. 3). Choose another direction."
        )
        dialogue.refuse(reason)
        answer = await dialogue.ask(self.build_query(state, feedback=(reason,)))
        second, state.any_side = answer.direction, answer.any_side
        if second != first and place_hand(state, second):
            return
        # Neither choice leaves a rotation: the geometry gives no grounds to overrule the first one.
        place_hand(state, first)
        state.kept_rotations = tuple(range(state.config.rotations))
        state.warnings.append(
            f"eq. 3 filtered all rotations from {first!r}, and from {second!r} when asked again; "
            f"all {len(state.kept_rotations)} from {first!r} were kept"
        )

    def answer_by_rules(self, question: Question[Any]) -> DirectionAnswer:
        """The candidate that best fits the rule's approach and is free of other parts."""
        observed, plan = planned(question, DirectionObservations)
        scores = direction_scores(observed, plan)
        ranking = sorted((c for c in question.candidates if c in scores), key=lambda c: -round(scores[c], 9))
        best = after_refusals(ranking, question.feedback, question.stage)
        along = abs(float(np.array(observed.directions[best]) @ np.array(observed.region_axis)))
        text = (
            f"{intro(plan)} From '{best}' the palm meets the held region with "
            f"normal alignment {observed.normal_alignment.get(best, 0.0):.2f} cosine {along:.2f} to its long "
            f"axis, {100 * observed.blocked.get(best, 0.0):.0f} % of its way is blocked and it starts "
            f"{100 * observed.exit_distance.get(best, 0.0):.1f} cm from the region's centre."
        )
        return DirectionAnswer(reasoning=text, direction=best, any_side=plan.any_side)


def place_hand(state: ReasonState, name: str) -> bool:
    """Take a direction; True if at least one rotation passes eq. 3."""
    region, count = state.region, state.config.rotations
    vector = candidate_directions(region.center, state.camera)[name]
    state.direction, state.direction_vector = name, vector
    state.p_obj_palm = hand_position(region.center, vector, Whole(state).hull)
    outside = state.obj.samples.points[~state.known_hand_mask]
    rest = outside.mean(axis=0) if len(outside) else None
    state.R_candidates = palm_rotations(turning_axis(region, vector, rest), vector, count)
    # Eq. 3 is for grasps without point-level contact (paper III-D).
    fits = fitting_rotations(state) if state.p_obj_points is None else np.ones(count, bool)
    state.kept_rotations = tuple(int(k) for k in np.flatnonzero(fits))
    return bool(fits.any())


def turning_axis(
    region: Region, direction: Float[np.ndarray, "3"], rest: Float[np.ndarray, "3"] | None = None
) -> Float[np.ndarray, "3"]:
    """The axis that the hand's turns begin along: the region's longest, unless that is askew.

    A grip with a trigger's bow on it is hardly longer than wide, and its longest axis runs askew, by 30
    degrees and more. Where that nearly points at the palm, its projection tells nothing of how the grip lies
    there: the second one is taken. Else, of a region as flat as a grip, that has the rest of the thing at its
    end, the line to the rest.

    Args:
      region: what is held.
      direction: D*, unit.
      rest: centre of all else, metres; None where nothing else is.
    """
    long, wide, flat = region.extents
    if long >= _STUBBY * wide:
        return region.axis
    if abs(region.axis @ direction) > _NEARLY:
        return region.axes[1]
    if rest is None or wide < _STUBBY * flat:
        return region.axis
    line = rest - region.center
    away = float(np.linalg.norm(line))
    at_its_end = abs(float(region.axis @ line)) > 0.5 * away > 0.25 * wide
    return line / away if at_its_end else region.axis


def candidate_directions(center: Float[np.ndarray, "3"], camera: Camera) -> dict[str, Float[np.ndarray, "3"]]:
    """Unit vectors of "front" ... "below" and the 12 diagonals (paper III-B).

    front = (p_cam - C) / |p_cam - C|, behind = -front; above = y, below = -above;
    right = front x above / |front x above|, left = -right; diagonal = (a + b) / |a + b|.

    As the paper's formula has it, "right" is the right of an object that looks at the camera: the left
    of the picture. Where the camera stands above C, `front` is not square to `above`; `right` is then
    still horizontal, and the diagonals are still between their two names. Only where the camera is
    straight above or below does the product vanish: `right` is then the picture's left.

    Args:
      center: C, centre of the hand region, metres, object frame.
      camera: of the chosen view.
    Returns:
      name -> unit vector, in the order of `NAMES`.
    """
    front = unit(camera.p_world_cam - center)
    right = np.cross(front, _UP)
    if np.linalg.norm(right) < _PARALLEL:
        right = -camera.R_world_cam[:, 0]
    right = unit(right)
    base = {"front": front, "behind": -front, "left": -right, "right": right, "above": _UP, "below": -_UP}
    result = {name: vector.copy() for name, vector in base.items()}
    for name in NAMES[len(CARDINALS) :]:
        a, b = (base[part] for part in name.split("-"))
        # Only with a vertical `front` can two different names mean the same or opposite vectors.
        total = a + b if np.linalg.norm(a + b) > _PARALLEL else a
        result[name] = unit(total)
    return result


def in_words(direction: Float[np.ndarray, "3"], camera: Camera) -> str:
    """Where a direction points in the picture, e.g. "towards you and to the picture's left"."""
    right, down, forward = (float(direction @ camera.R_world_cam[:, i]) for i in range(3))
    components = [
        (abs(forward), "on your side" if forward < 0 else "on the far side"),
        (abs(right), "to the right in the picture" if right > 0 else "to the left in the picture"),
        (abs(down), "further down in the picture" if down > 0 else "further up in the picture"),
    ]
    where = " and ".join(words for size, words in components if size > 0.45)
    return f"{where}; {steepness(direction)}"


def steepness(direction: Float[np.ndarray, "3"]) -> str:
    """How steeply a direction rises in the world, in steps of 5 degrees.

    It tells those apart that a picture of a flat thing, seen from high above, shows at one place.
    """
    degrees = 5 * round(float(np.rad2deg(np.arcsin(np.clip(direction[1], -1.0, 1.0)))) / 5)
    if degrees == 0:
        return "level with C"
    side = "above" if degrees > 0 else "below"
    return f"straight {side} C" if abs(degrees) == 90 else f"{abs(degrees)} degrees {side} the level of C"


def blocked_share(
    center: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    samples: SurfaceSamples,
    hand_mask: Bool[np.ndarray, " samples"],
) -> float:
    """Approach clearance: the share of the palm's way in that other parts fill.

    The way in is the cylinder of radius `PALM_RADIUS` from C along D*. Samples outside the hand
    region that lie in it are projected onto its cross-section; the share is that of the disc's grid
    points with such a projection within half a finger. What lies behind the region's own surface, as a
    bowl's inside seen from without, is not in the way.

    Args:
      center: C, metres.
      direction: D, unit.
      samples: the object's surface samples.
      hand_mask: M_hand^3d.
    Returns:
      0 (free) to 1 (wholly blocked).
    """
    offset = samples.points[~hand_mask] - center
    height = offset @ direction
    flat = offset - height[:, None] * direction
    inside = (height > 0) & (np.linalg.norm(flat, axis=1) < PALM_RADIUS + _DILATION)
    if not inside.any():
        return 0.0
    helper = np.eye(3)[np.abs(direction).argmin()]
    u = np.cross(direction, helper)
    u /= np.linalg.norm(u)
    v = np.cross(direction, u)
    steps = np.linspace(-PALM_RADIUS, PALM_RADIUS, 25)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    disc = grid[np.linalg.norm(grid, axis=1) <= PALM_RADIUS]
    across = np.stack([u, v], axis=1)
    own = samples.points[hand_mask] - center
    own = own[
        np.linalg.norm(own - np.outer(own @ direction, direction), axis=1) < PALM_RADIUS + 2 * _DILATION
    ]
    there, high = flat[inside] @ across, height[inside]
    if len(own):
        near = KDTree(own @ across).query_ball_point(there, _DILATION)
        tops = own @ direction
        lids = high - _DILATION
        behind = np.array([any(tops[k] > lid for k in ks) for ks, lid in zip(near, lids, strict=True)])
        there = there[~behind]
        if not len(there):
            return 0.0
    distance, _ = KDTree(there).query(disc)
    return float((distance <= _DILATION).mean())


def normal_alignment(direction: Float[np.ndarray, "3"], normals: Float[np.ndarray, "n 3"]) -> float:
    """Mean of max(0, n . D) over a region's outward normals: how much of it faces the direction."""
    return float(np.maximum(normals @ direction, 0.0).mean())


def direction_scores(observed: DirectionObservations, plan: Plan) -> dict[str, float]:
    """The rule's terms - 2.5 blocked - 0.8 long ramp(exit distance over the nearest, 0..10 cm), by name.

    Lifting with the fingertips also costs 2.5 wide flat broadside: see `_FACE`.
    """
    region = held_region(observed, plan.parts_of(plan.rule.toward))
    terms = terms_of(region, observed.normal_alignment)
    _, width, depth = observed.region_extents
    face = 0.0
    if plan.rule.grasp == "lift":
        face = _FACE * ramp(width, *_SPAN) * ramp(width / max(depth, 1e-9), 2.0, 3.0)
    broadside = terms.get("broadside", lambda d, label: 0.0)
    nearest = min(observed.exit_distance.values(), default=0.0)
    return {
        name: score(plan.rule.approach, terms, np.array(d), name)
        - face * broadside(np.array(d), name)
        - _BLOCKED * observed.blocked.get(name, 0.0)
        - _FAR * region.long * ramp(observed.exit_distance.get(name, nearest) - nearest, 0.0, 0.10)
        for name, d in observed.directions.items()
    }
