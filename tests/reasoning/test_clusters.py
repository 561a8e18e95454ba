"""K-Means and votes against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier

from zdg_jax.reasoning.lifting import k_means, vote


def _features(n: int, dimensions: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dimensions)) + 2.0 * rng.integers(0, 5, size=(n, 1))


@pytest.mark.parametrize(("n", "count", "dimensions"), [(50, 2, 3), (400, 16, 15), (900, 41, 15), (30, 1, 4)])
def test_clusters_are_those_of_scikit_learn(n: int, count: int, dimensions: int) -> None:
    for seed in range(3):
        points = _features(n, dimensions, seed)
        want = KMeans(n_clusters=count, n_init="auto", random_state=seed).fit_predict(points)  # pyright: ignore
        np.testing.assert_array_equal(k_means(points, count, seed), want)


@pytest.mark.parametrize("dimensions", [3, 15, 20])
@pytest.mark.parametrize("labels", [2, 6])
def test_votes_are_those_of_scikit_learn(dimensions: int, labels: int) -> None:
    known, asked = _features(300, dimensions, 0), _features(200, dimensions, 1)
    label = np.random.default_rng(2).integers(0, labels, len(known))
    want = KNeighborsClassifier(n_neighbors=5).fit(known, label).predict(asked)
    np.testing.assert_array_equal(vote(known, label, asked, 5), want)
    one = KNeighborsClassifier(n_neighbors=1).fit(known, label).predict(asked)
    np.testing.assert_array_equal(vote(known, label, asked, 1), one)
