"""Intervals of known numbers, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from sim_eval.tables import summarise, wilson


def test_independent_rows():
    s = summarise(np.array([1.0, 2.0, 3.0, np.nan]))
    assert (s.mean, s.count, s.missing, s.clusters) == (2.0, 3, 1, 0)
    np.testing.assert_allclose([s.low, s.high], [2 - 1.959964 / 3**0.5, 2 + 1.959964 / 3**0.5])
    half = summarise(np.array([True] * 5 + [False] * 5))
    np.testing.assert_allclose([half.low, half.high], [0.2366, 0.7634], atol=1e-4)  # Wilson, n = 10
    assert summarise(np.zeros(0)).count == 0
    assert np.isnan(summarise(np.array([4.0])).half)


def test_failed_rows_are_no_success_and_no_distance():
    failed = np.array([False, True])
    assert summarise(np.array([True, True]), failed).mean == 0.5
    assert summarise(np.array([1.0, 9.0]), failed).mean == 1.0


def test_clusters_of_one_size_give_the_interval_of_their_means():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 5)) + rng.normal(size=(7, 1))
    s = summarise(x.ravel(), clusters=np.repeat(np.arange(7), 5))
    means = x.mean(axis=1)
    half = student.ppf(0.975, 6) * means.std(ddof=1) / np.sqrt(7)
    np.testing.assert_allclose([s.mean, s.half, s.clusters], [x.mean(), half, 7])


def test_one_row_a_cluster_is_nearly_the_independent_case():
    x = np.random.default_rng(1).normal(size=400)
    alone, clustered = summarise(x), summarise(x, clusters=np.arange(400))
    np.testing.assert_allclose(clustered.half, alone.half, rtol=0.01)


def test_one_object_is_taken_as_independent_rows():
    x = np.array([1.0, 2.0, 4.0])
    assert summarise(x, clusters=np.zeros(3)) == summarise(x)


def test_a_flag_that_is_the_same_for_a_whole_object_counts_the_objects():
    flags = np.repeat([True, True, False, True], 50)
    s = summarise(flags, clusters=np.repeat(np.arange(4), 50))
    np.testing.assert_allclose([s.low, s.high], wilson(0.75, 4), rtol=1e-9)
    all_true = summarise(np.ones(200, bool), clusters=np.repeat(np.arange(4), 50))
    np.testing.assert_allclose([all_true.low, all_true.high], wilson(1.0, 4))
    assert all_true.low < 0.6


def test_a_flag_spread_evenly_keeps_its_rows():
    flags = np.tile([True, False], 100)
    s = summarise(flags, clusters=np.repeat(np.arange(20), 10))
    np.testing.assert_allclose([s.low, s.high], wilson(0.5, 200))


@pytest.mark.parametrize("flags", [False, True])
def test_the_interval_holds_the_truth_where_the_naive_one_does_not(flags):
    """500 sets of 12 objects with 20 grasps each, half of the spread between objects."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(12), 20)
    hits = {"naive": 0, "clustered": 0}
    for _ in range(500):
        x = rng.normal(size=12)[groups] + rng.normal(size=240)
        values = x > 0 if flags else x
        truth = 0.5 if flags else 0.0
        for name, s in (("naive", summarise(values)), ("clustered", summarise(values, clusters=groups))):
            hits[name] += s.low <= truth <= s.high
    assert hits["clustered"] >= 0.92 * 500
    assert hits["naive"] <= 0.7 * 500
