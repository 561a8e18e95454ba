"""Contact number, distance and consistency as DexGraspBench counts them: by link and by finger."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

MARGIN = 0.01  # metres; DexGraspBench's contact_margin: a finger farther away counts as that far
THRESHOLD = 0.002  # metres; its contact_threshold


def links_in_contact(
    phi: Float[np.ndarray, "n vertices"],
    skin_link: Int[np.ndarray, " vertices"],
    num_links: int,
    threshold: float = THRESHOLD,
) -> Bool[np.ndarray, "n links"]:
    """Which links touch: any_(v on link) |φ(v)| < threshold.

    DexGraspBench (BODex, ICRA 2025) asks the same of the distances that MuJoCo lists between geoms. The
    absolute value is its own: a link buried so deep that none of its surface is near the object's is in no
    contact.

    Args:
      phi: the object's signed distance at each skin vertex, metres; NaN touches nothing.
      skin_link: link of each vertex.
      num_links: length of the result.
      threshold: metres.
    """
    near = np.abs(np.nan_to_num(phi, nan=np.inf)) < threshold
    result = np.zeros((len(phi), num_links), bool)
    for link in np.unique(skin_link):
        result[:, link] = near[:, skin_link == link].any(axis=1)
    return result


def contact_number(links: Bool[np.ndarray, "n links"]) -> Int[np.ndarray, " n"]:
    """Contact number: how many links touch, the palm included."""
    return links.sum(axis=1)


def finger_gaps(
    phi: Float[np.ndarray, "n vertices"], skin_finger: Int[np.ndarray, " vertices"], margin: float = MARGIN
) -> Float[np.ndarray, "n fingers"]:
    """Signed gap of each finger in metres: min(margin, min_(v on finger) φ(v)); NaN if a value is NaN."""
    fingers = np.unique(skin_finger[skin_finger >= 0])
    gaps = np.stack([phi[:, skin_finger == f].min(axis=1) for f in fingers], axis=1)
    return np.minimum(gaps, margin)


def mean_contact_distance(gaps: Float[np.ndarray, "n fingers"]) -> Float[np.ndarray, " n"]:
    """Contact distance in cm: 100 mean_f max(0, gap_f); a finger that penetrates counts as 0."""
    return 100.0 * np.maximum(gaps, 0.0).mean(axis=1)


def contact_consistency(gaps: Float[np.ndarray, "n fingers"]) -> Float[np.ndarray, " n"]:
    """Contact consistency in cm: 100 (max_f gap_f - min_f gap_f); 0 if all fingers are equally near."""
    return 100.0 * (gaps.max(axis=1) - gaps.min(axis=1))
