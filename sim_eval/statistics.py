"""Means with confidence intervals that know that grasps of one object are not independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

Z95 = 1.959964


@dataclass(frozen=True)
class Summary:
    """Mean of one column over the rows that have a value.

    Attributes:
      mean: NaN if there is no value.
      low, high: 95 % confidence interval of the mean, see `summarise`; NaN where none can be given.
      count: rows with a value.
      missing: rows without one (failed); they are not in the mean, so name them beside it.
      clusters: objects among them; 0 if the rows were taken as independent.
    """

    mean: float
    low: float
    high: float
    count: int
    missing: int
    clusters: int = 0

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def summarise(
    values: np.ndarray, failed: np.ndarray | None = None, clusters: np.ndarray | None = None
) -> Summary:
    """Mean and 95 % confidence interval of a column.

    Independent rows: mean ± 1.96 s/√n; of a yes/no column Wilson's interval. With clusters (the objects),
    v = G/(G-1) Σ_g (Σ_(i in g) (x_i - mean))² / n², mean ± t_(G-1) √v (Liang and Zeger 1986, with the usual
    small-sample factor); of a yes/no column Wilson's with n_eff = mean (1 - mean) / v rows, between G and n
    (Korn and Graubard 1998; where all agree n_eff = G). It stands for the population of objects, so that
    more grasps of few objects do not narrow it for long. One object alone is taken as independent rows: the
    interval then says nothing about other objects.

    Args:
      values: [n], real or bool; NaN is missing.
      failed: [n], rows to leave out of a real column. In a bool column a failed row counts as False, since
        leaving it out would turn failures into success.
      clusters: [n], which object each row belongs to.

    Returns:
      The summary.
    """
    flags = values.dtype == np.bool_
    x = values.astype(np.float64)
    if failed is not None:
        x = np.where(failed, 0.0 if flags else np.nan, x)
    known = np.isfinite(x)
    kept = x[known]
    n, missing = len(kept), int(len(x) - len(kept))
    if n == 0:
        return Summary(float("nan"), float("nan"), float("nan"), 0, missing)
    mean = float(kept.mean())
    groups = np.unique(clusters[known], return_inverse=True)[1] if clusters is not None else np.arange(n)
    G = int(groups.max()) + 1
    if clusters is None or G < 2:
        low, high = wilson(mean, n) if flags else _normal(kept, mean)
        return Summary(mean, low, high, n, missing)
    residual = np.bincount(groups, weights=kept - mean)
    variance = G / (G - 1) * float((residual**2).sum()) / n**2
    if flags:
        spread = mean * (1 - mean)
        effective = np.clip(spread / variance, G, n) if variance > 0 else n if spread > 0 else G
        low, high = wilson(mean, float(effective))
    else:
        half = float(student.ppf(0.975, G - 1)) * float(np.sqrt(variance))
        low, high = mean - half, mean + half
    return Summary(mean, low, high, n, missing, G)


def wilson(share: float, n: float | int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share among n independent trials (Wilson 1927)."""
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * float(np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2)))
    return max(0.0, centre - half), min(1.0, centre + half)


def _normal(x: np.ndarray, mean: float) -> tuple[float, float]:
    if len(x) < 2:
        return float("nan"), float("nan")
    half = Z95 * float(x.std(ddof=1)) / float(np.sqrt(len(x)))
    return mean - half, mean + half
