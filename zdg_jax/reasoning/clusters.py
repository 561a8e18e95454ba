"""K-Means and nearest-neighbour votes on feature vectors, as paper III-A lifts regions by.

The same as scikit-learn's `KMeans(n_init="auto")` and `KNeighborsClassifier`, by which they are tested:
importing that costs a command more time than reasoning takes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

_ROUNDS, _TOLERANCE = 300, 1e-4
#: A tree finds neighbours in up to so many dimensions; beyond, all distances are as fast.
_TREE_DIMENSIONS = 15


def k_means(points: Float[np.ndarray, "n d"], count: int, seed: int) -> Int[np.ndarray, " n"]:
    """Lloyd's algorithm from k-means++ starts (Arthur and Vassilvitskii 2007).

    Args:
      points: at least `count`.
      count: of clusters; equal points share one, so that fewer may be used.
      seed: of the starts.
    Returns: the cluster of each point, from 0.
    """
    x = np.asarray(points, np.float64)
    x = x - x.mean(axis=0)
    tolerance = _TOLERANCE * float(np.var(x, axis=0).mean())
    centers = _starts(x, count, np.random.RandomState(seed))
    before = np.full(len(x), -1)
    for _ in range(_ROUNDS):
        labels = _nearest(x, centers)
        moved = _means(x, labels, centers)
        shift = float(((moved - centers) ** 2).sum())
        centers = moved
        if np.array_equal(labels, before):
            return labels
        if shift <= tolerance:
            break
        before = labels
    return _nearest(x, centers)


def vote(
    known: Float[np.ndarray, "m d"],
    labels: Int[np.ndarray, " m"],
    asked: Float[np.ndarray, "n d"],
    neighbors: int,
) -> Int[np.ndarray, " n"]:
    """The commonest label among each point's nearest known ones; of equally common ones the least.

    Args:
      known: points whose labels are known.
      labels: theirs, at least 0.
      asked: points whose labels are asked for.
      neighbors: k, at most m.
    """
    if known.shape[1] <= _TREE_DIMENSIONS:
        near = KDTree(known).query(asked, k=neighbors)[1].reshape(len(asked), -1)
    else:
        near = np.argpartition(cdist(asked, known), neighbors - 1, axis=1)[:, :neighbors]
    votes = np.zeros((len(asked), int(labels.max()) + 1), int)
    np.add.at(votes, (np.arange(len(asked))[:, None], labels[near]), 1)
    return votes.argmax(axis=1)


def _starts(x: np.ndarray, count: int, rng: np.random.RandomState) -> np.ndarray:
    """Points far from each other: the best of a few, drawn by their squared distance to those before."""
    n, tries = len(x), 2 + int(np.log(count))
    chosen = [rng.choice(n, p=np.full(n, 1.0 / n))]
    one = np.ones(n)
    closest = _square(x, x[chosen])[0]
    total = closest @ one
    for _ in range(1, count):
        drawn = np.searchsorted(np.cumsum(closest), rng.uniform(size=tries) * total)
        drawn = np.minimum(drawn, n - 1)
        left = np.minimum(closest, _square(x, x[drawn]))
        every = left @ one
        best = int(np.argmin(every))
        closest, total = left[best], every[best]
        chosen.append(drawn[best])
    return x[chosen]


def _square(x: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """|x - c|^2, a row a centre."""
    return np.maximum(-2.0 * (centers @ x.T) + _norms(centers)[:, None] + _norms(x), 0.0)


def _norms(x: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", x, x)


def _nearest(x: np.ndarray, centers: np.ndarray) -> np.ndarray:
    return (_norms(centers) - 2.0 * (x @ centers.T)).argmin(axis=1)


def _means(x: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Of each cluster; an empty one starts again at the point that is farthest from its centre."""
    weight = np.bincount(labels, minlength=len(centers)).astype(float)
    total = np.zeros_like(centers)
    np.add.at(total, labels, x)
    empty = np.flatnonzero(weight == 0)
    away = ((x - centers[labels]) ** 2).sum(axis=1)
    if len(empty) and away.max() > 0:
        for into, far in zip(empty, np.argpartition(away, -len(empty))[: -len(empty) - 1 : -1], strict=True):
            total[labels[far]] -= x[far]
            weight[labels[far]] -= 1.0
            total[into], weight[into] = x[far], 1.0
    # times 1 / n: a division ends at other last digits than scikit-learn
    return np.where(weight[:, None] > 0, total * (1.0 / np.maximum(weight, 1.0))[:, None], centers)
