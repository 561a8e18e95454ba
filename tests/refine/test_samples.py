"""Object samples: dealt at once or one by one they are those of a written-out deal, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tests.refine.things import grasp_on, shape
from zdg_jax.hands import load_hand
from zdg_jax.refine import RefineConfig, samples
from zdg_jax.refine.problem import build_problem, deal_all
from zdg_jax.refine.samples import BATCHES, NEIGHBOURS, REACH, SAMPLES, Asked, Dealt, Surface, deal


def written_out(surface: Surface, hand: np.ndarray, free: np.ndarray) -> Dealt:
    points = np.concatenate([surface.points, free])
    near = np.flatnonzero(cdist(surface.points[hand], points).min(axis=0) < REACH)
    total = BATCHES * SAMPLES
    if len(near) < total:
        chosen = np.resize(near, total)
    else:
        chosen = near[np.linspace(0, len(near) - 1, total).astype(int)]
    batches = points[chosen[np.random.default_rng(0).permutation(total)]].reshape(BATCHES, SAMPLES, 3)
    return Dealt(np.stack([halved(batch).T for batch in batches]), len(near) / SAMPLES)


def halved(points: np.ndarray) -> np.ndarray:
    if len(points) <= NEIGHBOURS:
        return points
    axis = np.ptp(points, axis=0).argmax()
    points = points[points[:, axis].argsort(kind="stable")]
    half = len(points) // 2
    return np.concatenate([halved(points[:half]), halved(points[half:])])


def surfaces() -> list[Surface]:
    rng = np.random.default_rng(0)
    scan = rng.normal(size=(4096, 3)) * [0.02, 0.05, 0.12]
    sheet = rng.uniform(-0.2, 0.2, size=(3000, 3)) * [1.0, 0.0, 1.0]  # -0.0 and 0.0 among them
    steps = np.round(rng.uniform(-0.15, 0.15, size=(2500, 3)), 2)  # most coordinates stand many times
    small = 0.02 * rng.normal(size=(700, 3))
    return [Surface(x) for x in (scan, sheet, steps, small)]


def asked() -> list[Asked]:
    """Regions of one point, of few that are far apart, of a half, of all; some with points to leave free."""
    rng = np.random.default_rng(1)
    tasks: list[Asked] = []
    for surface in surfaces():
        n, none = len(surface.points), np.zeros((0, 3))
        for region in ([5], rng.integers(n, size=4), surface.points[:, 2] > 0.05, np.arange(n)):
            hand = np.zeros(n, bool)
            hand[region] = True
            tasks.append((surface, hand, none))
        tasks.append((surface, tasks[-2][1], surface.points[:90] + 0.01 * rng.normal(size=(90, 3))))
    return tasks


def assert_same(got: Dealt, want: Dealt) -> None:
    np.testing.assert_array_equal(got.samples, want.samples)
    assert got.weight == want.weight


def test_many_at_once_are_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = asked()
    for task, got in zip(tasks, deal(tasks), strict=True):
        assert_same(got, written_out(*task))
    monkeypatch.setattr(samples, "_AT_ONCE", 3)
    monkeypatch.setattr(samples, "_ALL_PAIRS", 0)  # a tree is asked for what is left
    for task, got in zip(tasks, deal(tasks), strict=True):
        assert_same(got, written_out(*task))
        assert_same(deal([task])[0], got)


def test_a_problem_deals_its_own_or_finds_it_dealt() -> None:
    hand, config = load_hand("human16"), RefineConfig()
    obj = shape("rod")
    alone, other, together = (build_problem(hand, obj, grasp_on(obj, z), config) for z in (0.0, 0.04, 0.0))
    assert alone.surface is together.surface
    deal_all([together, other, together])
    assert "_dealt" in vars(together)
    assert "_dealt" not in vars(alone)
    np.testing.assert_array_equal(alone.object_samples, together.object_samples)
    assert alone.sample_weight == together.sample_weight
    kept = together.object_samples
    deal_all([together])
    assert together.object_samples is kept
