"""K-Means and nearest-neighbour votes on feature vectors, as paper III-A lifts regions by.

Votes are those of scikit-learn's `KNeighborsClassifier`, by which they are tested; importing that costs a
command more time than reasoning takes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

#: A tree finds neighbours in up to so many dimensions; beyond, all distances are as fast.
_TREE_DIMENSIONS = 15


def k_means(points: Float[np.ndarray, "n d"], count: int, seed: int) -> Int[np.ndarray, " n"]:
    """scikit-learn's K-Means, from k-means++ starts (Arthur and Vassilvitskii 2007).

    Args:
      points: at least `count`.
      count: of clusters; equal points share one, so that fewer may be used.
      seed: of the starts.
    Returns: the cluster of each point, from 0.
    """
    from sklearn.cluster import KMeans  # importing it takes longer than most of a task's reasoning

    return KMeans(count, n_init="auto", random_state=seed).fit_predict(points)


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
