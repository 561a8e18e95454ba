"""Recursive normalised cuts (Shi & Malik 2000) on a dense affinity."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import eigh


def recursive_ncut(
    affinity: Float[np.ndarray, "n n"], max_parts: int, limit: float, min_share: float
) -> Int[np.ndarray, " n"]:
    """Split the set in two at the best normalised cut, again and again, best cut first.

    Ncut(A, B) = cut(A, B) / assoc(A) + cut(A, B) / assoc(B), over the subset being split; the threshold
    on its two Fiedler vectors is swept. A cut above `limit` isn't made.

    Args:
      affinity: symmetric, not negative.
      max_parts: at most so many parts.
      limit: largest Ncut worth making, 0..2.
      min_share: smallest part, as a share of n.

    Returns:
      Labels 0..k-1.
    """
    n = len(affinity)
    label = np.zeros(n, dtype=np.int64)
    candidates = {0: _best_cut(affinity, np.arange(n), max(2, int(min_share * n)))}
    while len(candidates) < max_parts:
        part = min(candidates, key=lambda k: (candidates[k][0], k))
        value, one, two = candidates[part]
        if value > limit:
            break
        new = len(candidates)
        label[two] = new
        for k, members in ((part, one), (new, two)):
            candidates[k] = _best_cut(affinity, members, max(2, int(min_share * n)))
    return label


def _best_cut(
    affinity: np.ndarray, members: np.ndarray, smallest: int
) -> tuple[float, np.ndarray, np.ndarray]:
    m = len(members)
    nothing = (np.inf, members, members[:0])
    if m < 2 * smallest:
        return nothing
    w = affinity[np.ix_(members, members)]
    degree = w.sum(axis=1) + 1e-9
    root = 1 / np.sqrt(degree)
    laplacian = np.eye(m) - root[:, None] * w * root[None, :]
    vectors = eigh(laplacian, subset_by_index=[1, min(2, m - 1)])[1]
    best = nothing
    for vector in vectors.T:
        order = np.argsort(vector * root, kind="stable")
        wo = w[np.ix_(order, order)]
        total, inner = degree[order].cumsum(), wo.cumsum(axis=0).cumsum(axis=1).diagonal()
        cut = total - inner
        value = cut / total + cut / np.maximum(total[-1] - total, 1e-12)
        value[: smallest - 1] = np.inf
        value[m - smallest :] = np.inf
        k = int(np.argmin(value))
        if value[k] < best[0]:
            best = (float(value[k]), members[np.sort(order[: k + 1])], members[np.sort(order[k + 1 :])])
    return best
