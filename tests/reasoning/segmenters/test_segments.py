"""The chain with segments of a picture: marks, choice, box prompt, lifting."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from tests.reasoning.segmenters.scripted import Knows
from tests.reasoning.things import HANDLE, HEAD, Scripted, hammer
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.reasoning.chain import Reasoning, reason
from zdg_jax.reasoning.protocol import Reasoner
from zdg_jax.reasoning.repart import parts_under, repart
from zdg_jax.reasoning.rules.reasoner import RulesReasoner
from zdg_jax.reasoning.segmenter import AutomaticConfig, Segmenter, make_segmenter
from zdg_jax.reasoning.state import ReasonConfig, ReasonState, open_state

OBJ, HAND = hammer(1500), load_hand("human16")
SMALL: dict[str, Any] = {"image_size": 160, "shown_scale": 1, "min_part_pixels": 10, "view_index": 0}
STATE = open_state(OBJ, HAND, "hammer a nail", ReasonConfig(**SMALL))
FEW = AutomaticConfig(points_per_side=20, min_pixels=20)


def halves() -> np.ndarray:
    """Head, and the handle cut across its middle: segments that the geometric parts do not know."""
    regions = STATE.part_maps[0].copy()
    u = np.flatnonzero((regions == HANDLE).any(axis=0))
    regions[(regions == HANDLE) & (np.arange(160)[None] > np.median(u))] = 3
    return regions


def run(reasoner: Reasoner, source: Knows, **settings: Any) -> Reasoning:
    config = ReasonConfig(**{**SMALL, "segmenter": Segmenter(source, FEW), **settings})
    return asyncio.run(reason(OBJ, HAND, "hammer a nail", reasoner, config))


def numbers_of(regions: np.ndarray) -> dict[int, int]:
    """Segment number (by falling size) of each region."""
    labels, counts = np.unique(regions[regions > 0], return_counts=True)
    return {int(label): place + 1 for place, label in enumerate(labels[np.argsort(-counts)])}


def test_segments_are_marked_chosen_completed_and_lifted() -> None:
    regions = halves()
    number = numbers_of(regions)
    source = Knows(regions)
    near, far = number[HANDLE], number[3]
    reasoner = Scripted(
        hand_part=[{"parts": [near]}],
        func_part=[{"parts": [near, far], "needs_points": False}],
        direction=[{"direction": "above"}],
    )
    result = run(reasoner, source)
    assert result.grasp.status == "ok", result.grasp.status_reason
    assert result.trace["segmenter"] == "sam:scripted"
    assert reasoner.asked[0].candidates == ("1", "2", "3")
    guidance = result.grasp.guidance
    assert guidance is not None
    # Of the handle only the chosen half is held.
    held = OBJ.samples.points[guidance.hand_mask]
    handle = OBJ.samples.points[OBJ.part_mask((HANDLE,))]
    assert 0.3 < len(held) / len(handle) < 0.7
    assert np.ptp(held[:, 0]) < 0.65 * np.ptp(handle[:, 0])
    # Thumb and index got both halves, and rows name geometric parts.
    wanted = OBJ.part_mask((HANDLE,))
    assert (guidance.func_mask & wanted).sum() / (guidance.func_mask | wanted).sum() > 0.9
    assert guidance.part_ids == guidance.func_part_ids == (HANDLE,)
    # The box prompts are the smallest boxes around what was chosen.
    for box, parts in zip(source.boxes, ([HANDLE], [HANDLE, 3]), strict=True):
        v, u = np.nonzero(np.isin(regions, parts))
        np.testing.assert_allclose(box, [u.min(), v.min(), u.max() + 1, v.max() + 1], atol=3)
    assert {"03_hand_mask.png", "03_func_mask.png"} <= set(result.pictures)
    assert result.trace["warnings"] == []


def test_a_completed_mask_can_be_more_than_the_segments() -> None:
    # The model cuts the handle in two when asked at points, but knows it whole when asked by box.
    cut, whole = halves(), STATE.part_maps[0]
    source = Knows(cut)
    knows_whole = Knows(whole)
    source.from_box = lambda rgb, box: knows_whole.from_box(rgb, np.array([0, 0, 160, 160], float))  # type: ignore[method-assign]
    both = sorted({numbers_of(cut)[HANDLE], numbers_of(cut)[3]})
    result = run(Scripted(hand_part=[{"parts": both}], direction=[{"direction": "above"}]), source)
    guidance = result.grasp.guidance
    assert guidance is not None
    assert guidance.part_ids == (HANDLE, HEAD)


def test_a_mask_of_something_else_is_not_taken() -> None:
    regions = halves()
    source, elsewhere = Knows(regions), Knows((STATE.part_maps[0] == HEAD).astype(int))
    source.from_box = lambda rgb, box: elsewhere.from_box(rgb, np.array([0, 0, 160, 160], float))  # type: ignore[method-assign]
    near = numbers_of(regions)[HANDLE]
    result = run(Scripted(hand_part=[{"parts": [near]}], direction=[{"direction": "above"}]), source)
    guidance = result.grasp.guidance
    assert guidance is not None
    assert guidance.part_ids == (HANDLE,)
    assert "of something else" in result.trace["warnings"][0]


def test_geometric_parts_stand_in_where_nothing_is_found() -> None:
    reasoner = Scripted(hand_part=[{"parts": [HANDLE]}], direction=[{"direction": "above"}])
    result = run(reasoner, Knows(halves(), iou=0.1))
    assert result.grasp.status == "ok"
    assert reasoner.asked[0].candidates == ("1", "2")
    assert "geometric parts were marked" in result.trace["warnings"][0]


def test_points_lie_on_the_completed_masks_outline() -> None:
    regions = halves()
    number = numbers_of(regions)
    reasoner = Scripted(
        hand_part=[{"parts": [number[HANDLE]]}],
        func_part=[{"parts": [number[3]], "needs_points": True}],
        points=[lambda q: dict(zip(("thumb", "index"), q.observations.opposed[-1], strict=True))],
        direction=[{"direction": "above"}],
    )
    result = run(reasoner, Knows(regions))
    points = result.grasp.guidance and result.grasp.guidance.p_obj_points
    assert points is not None
    camera = STATE.frames[0].camera
    uv, _ = camera.project(points)
    assert (regions[uv[:, 1].astype(int), uv[:, 0].astype(int)] == 3).all()


def test_the_offline_reasoner_reads_segments_too() -> None:
    result = run(RulesReasoner(), Knows(STATE.part_maps[0]))
    assert result.grasp.status == "ok", result.grasp.status_reason
    assert result.grasp.guidance is not None
    assert result.grasp.guidance.part_ids == (HANDLE,)


def test_without_contact_nothing_is_segmented() -> None:
    source = Knows(halves())
    run(Scripted(direction=[{"direction": "above"}]), source, contact=False)
    assert source.points == []


def test_repart_gives_every_face_and_sample_one_of_the_segments() -> None:
    regions = halves()
    made, labels = repart(OBJ, STATE.frames[0], regions)
    assert [part.number for part in made.parts] == [1, 2, 3]
    assert sorted(np.concatenate([part.faces for part in made.parts])) == list(range(len(OBJ.mesh.faces)))
    np.testing.assert_array_equal(made.sample_part, made.face_part[made.samples.faces])
    np.testing.assert_array_equal(labels, regions)
    head, same = made.part_mask((HEAD,)), OBJ.part_mask((HEAD,))
    assert (head & same).sum() / (head | same).sum() > 0.9
    assert sum(part.descriptor.area_share for part in made.parts) == pytest.approx(1)


def test_a_segment_smaller_than_a_face_joins_it() -> None:
    regions = STATE.part_maps[0].copy()
    v, u = np.argwhere(regions == HEAD)[50]
    regions[v, u] = 7
    made, labels = repart(OBJ, STATE.frames[0], regions)
    assert 7 not in labels
    assert {part.number for part in made.parts} == set(np.unique(labels[labels > 0]))


def test_parts_under_a_region() -> None:
    assert parts_under(OBJ, OBJ.part_mask((HEAD,))) == (HEAD,)
    assert parts_under(OBJ, np.ones(len(OBJ.samples.points), bool)) == (HANDLE, HEAD)
    few = np.zeros(len(OBJ.samples.points), bool)
    few[np.flatnonzero(OBJ.part_mask((HANDLE,)))[:5]] = True
    assert parts_under(OBJ, few) == (HANDLE,)


def test_names() -> None:
    assert make_segmenter("geometric") is None
    for name in ("sam", "sam:", "scissors"):
        with pytest.raises(UserError, match="geometric, sam:PATH_OR_ID"):
            make_segmenter(name)


def test_state_without_a_segmenter_keeps_its_masks() -> None:
    state: ReasonState = STATE
    np.testing.assert_array_equal(state.mask_2d((HEAD,)), state.part_map == HEAD)
