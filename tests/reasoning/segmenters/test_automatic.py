"""Point grid, thresholds, suppression and the map of segments."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reasoning.segmenters.scripted import Knows
from zdg_jax.reasoning.segmenter import (
    AutomaticConfig,
    automatic_masks,
    boxes_of,
    grid_points,
    label_map,
    stability,
    suppress,
)

RGB = np.zeros((60, 80, 3), np.uint8)


@pytest.fixture
def regions() -> np.ndarray:
    """Three bars on background."""
    made = np.zeros((60, 80), int)
    made[10:50, 5:30], made[10:50, 30:50], made[20:40, 50:75] = 1, 2, 3
    return made


def test_grid_lies_on_the_object_and_in_the_middle_of_its_cells(regions: np.ndarray) -> None:
    points = grid_points(regions > 0, 8)
    assert np.array_equal(np.unique(points[:, 0] % 10), [5.0])
    assert np.array_equal(np.unique(points[:, 1] % 7.5), [3.75])
    assert (regions[points[:, 1].astype(int), points[:, 0].astype(int)] > 0).all()
    assert len(grid_points(np.ones((60, 80), bool), 8)) == 64


def test_every_region_once_and_nothing_else(regions: np.ndarray) -> None:
    source = Knows(regions)
    found = automatic_masks(source, RGB, regions > 0, AutomaticConfig(points_per_side=8))
    assert len(found.masks) == 3
    for number in (1, 2, 3):
        assert sum(np.array_equal(mask, regions == number) for mask in found.masks) == 1
    assert all(regions[int(v), int(u)] > 0 for u, v in source.points)


@pytest.mark.parametrize("change", [{"min_iou": 0.96}, {"min_stability": 1.01}, {"min_pixels": 5000}])
def test_no_mask_passes(regions: np.ndarray, change: dict[str, float]) -> None:
    config = AutomaticConfig(points_per_side=8, **change)
    assert automatic_masks(Knows(regions), RGB, regions > 0, config).masks.shape == (0, 60, 80)


def test_at_most_so_many(regions: np.ndarray) -> None:
    config = AutomaticConfig(points_per_side=8, max_masks=2)
    assert len(automatic_masks(Knows(regions), RGB, regions > 0, config).masks) == 2


def test_stability_is_an_iou_of_two_cut_offs() -> None:
    logits = np.array([[[2.0, 2.0, 0.5, -2.0]], [[-9.0, -9.0, -9.0, -9.0]]])
    np.testing.assert_allclose(stability(logits, 1.0), [2 / 3, 0.0])


def test_boxes_are_tight_and_half_open() -> None:
    masks = np.zeros((2, 5, 6), bool)
    masks[0, 1:3, 2:5] = True
    np.testing.assert_array_equal(boxes_of(masks), [[2, 1, 5, 3], [0, 0, 0, 0]])


def test_suppression_keeps_the_better_of_two() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 0, 10, 5]], float)
    kept = suppress(boxes, np.array([0.8, 0.9, 0.5, 0.7]), 0.7)
    assert kept.tolist() == [1, 3, 2]
    assert suppress(np.zeros((0, 4)), np.zeros(0), 0.7).tolist() == []


def test_small_masks_lie_on_large_ones_and_gaps_are_filled(regions: np.ndarray) -> None:
    on = regions > 0
    whole, knob = on.copy(), np.zeros_like(on)
    knob[30:40, 10:20] = True
    speck = np.zeros_like(on)
    speck[25:27, 60:62] = True
    labels = label_map(np.stack([knob, whole, speck]), on, min_pixels=60)
    assert np.array_equal(labels > 0, on)
    assert np.unique(labels[on]).tolist() == [1, 2]
    assert np.array_equal(labels == 2, knob)


def test_what_no_mask_covers_is_a_segment_of_its_own(regions: np.ndarray) -> None:
    on = regions > 0
    labels = label_map((regions == 1)[None], on, min_pixels=60)
    assert np.array_equal(labels == 2, regions == 1)  # numbered by falling size
    assert np.array_equal(labels == 1, (regions == 2) | (regions == 3))
    assert np.array_equal(label_map(np.zeros((0, 60, 80), bool), on, 10**6) > 0, on)
