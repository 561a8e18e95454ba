from __future__ import annotations

import numpy as np
import pytest

from zdg_jax.reasoning.lifting import SPAN, one_hand


def two_pieces(gap: float, first: int = 300, second: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Two balls of 2 cm radius whose surfaces are `gap` metres apart, and an unmarked point between them."""
    rng = np.random.default_rng(0)
    ball = rng.normal(size=(first + second, 3))
    ball *= 0.02 / np.linalg.norm(ball, axis=1, keepdims=True)
    ball[first:, 0] += 0.04 + gap
    return np.concatenate([ball, [[0.02 + gap / 2, 0.0, 0.0]]]), np.r_[np.ones(first + second, bool), False]


def test_of_two_handles_the_nearer_one_is_held():
    points, mask = two_pieces(0.2)
    for x in (-1.0, 1.0):
        kept = one_hand(points, mask, np.array([x, 0.0, 0.0]))
        assert kept.sum() == 300
        assert not (kept & ~mask).any()
        assert np.sign(points[kept][:, 0].mean() - 0.12) == np.sign(x)


@pytest.mark.parametrize("gap", [0.0, 0.5 * SPAN])
def test_pieces_that_one_hand_spans_stay_together(gap):
    points, mask = two_pieces(gap)
    assert (one_hand(points, mask, np.zeros(3)) == mask).all()


def test_a_crumb_is_not_taken_for_the_part_however_near():
    points, mask = two_pieces(0.2, second=20)
    assert one_hand(points, mask, np.array([1.0, 0.0, 0.0])).sum() == 300


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_samples(count):
    points = np.arange(6.0).reshape(2, 3)
    mask = np.arange(2) < count
    kept = one_hand(points, mask, np.zeros(3))
    assert kept.sum() == min(count, 1)
