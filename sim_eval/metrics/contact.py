"""Where the hand touches the object: contact, Part Acc. and S.C.Ratio (paper IV-A)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

# Contact number, distance and consistency as DexGraspBench counts them: by link and by finger.
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


CONTACT_LITERATURE = 0.005  # metres, GraspTTA [36] and most after it
CONTACT_STRICT = 0.002


def touching(
    phi: Float[np.ndarray, "n vertices"], tolerance: float = CONTACT_LITERATURE
) -> Bool[np.ndarray, "n vertices"]:
    """Skin vertices in contact: φ(v) <= tolerance. A vertex inside the object touches it; NaN does not.

    Args:
      phi: the object's signed distance at each skin vertex, metres, positive outside.
      tolerance: metres.

    Returns:
      One flag a vertex.
    """
    return np.nan_to_num(phi, nan=np.inf) <= tolerance


def in_contact(touch: Bool[np.ndarray, "n vertices"]) -> Bool[np.ndarray, " n"]:
    """Whether any vertex of the hand is in contact."""
    return np.asarray(touch.any(axis=1))


def contact_gap(phi: Float[np.ndarray, "n vertices"]) -> Float[np.ndarray, " n"]:
    """Gap between hand and object in cm: 100 max(0, min_v φ(v)); 0 if they touch."""
    return 100.0 * np.maximum(0.0, phi.min(axis=-1))


def finger_count(
    touch: Bool[np.ndarray, "n vertices"], skin_finger: Int[np.ndarray, " vertices"]
) -> Int[np.ndarray, " n"]:
    """How many fingers have a vertex in contact; the palm (finger -1) is not counted."""
    fingers = np.unique(skin_finger[skin_finger >= 0])
    counts = np.zeros(len(touch), np.int64)
    for finger in fingers:
        counts += touch[:, skin_finger == finger].any(axis=1)
    return counts


def on_part(
    skin: Float[np.ndarray, "n vertices 3"],
    samples: Float[np.ndarray, "samples 3"],
    part: Bool[np.ndarray, " samples"],
) -> Bool[np.ndarray, "n vertices"]:
    """Whether the object's surface next to each skin vertex belongs to the part (nearest sample decides).

    Args:
      skin: posed skin, metres, object frame.
      samples: points spread evenly on the object's surface, metres.
      part: samples on the ground-truth part.

    Returns:
      One flag a vertex, False where the vertex is not finite.
    """
    flat = skin.reshape(-1, 3)
    finite = np.isfinite(flat).all(axis=1)
    result = np.zeros(len(flat), bool)
    if finite.any():
        result[finite] = part[cKDTree(samples).query(flat[finite], workers=1)[1]]
    return result.reshape(skin.shape[:-1])


def part_accuracy(
    touch: Bool[np.ndarray, "n vertices"], correct: Bool[np.ndarray, "n vertices"]
) -> Float[np.ndarray, " n"]:
    """Part Acc., 1 or 0 a grasp: any_v touch(v) and correct(v); the mean times 100 is the paper's %.

    Paper IV-A: "whether the generated hand makes contact with the object at the ground-truth contact
    parts". The reading taken: one vertex suffices, contact elsewhere is not held against it.

    Args:
      touch: from `touching`.
      correct: from `on_part`.
    """
    return np.where((touch & correct).any(axis=1), 1.0, 0.0)


def semantic_contact_ratio(
    touch: Bool[np.ndarray, "n vertices"],
    correct: Bool[np.ndarray, "n vertices"],
    skin_finger: Int[np.ndarray, " vertices"],
) -> Float[np.ndarray, " n"]:
    """S.C.Ratio, 0..1 a grasp: |touch ∧ correct ∧ finger| / |touch ∧ finger|.

    Paper IV-A: "the proportion of finger vertices that are in contact with the correct semantic part". The
    reading taken: of the finger vertices that touch the object at all (of all finger vertices, the paper's
    83 % would be out of reach). 0 where no finger vertex touches.

    Args:
      touch: from `touching`.
      correct: from `on_part`.
      skin_finger: finger of each vertex, -1 for the palm.
    """
    fingers = touch & (skin_finger >= 0)[None, :]
    hits = np.count_nonzero(fingers & correct, axis=1)
    total = np.count_nonzero(fingers, axis=1)
    return np.where(total > 0, hits / np.where(total > 0, total, 1), 0.0)


def thumb_touches(
    touch: Bool[np.ndarray, "n vertices"], skin_finger: Int[np.ndarray, " vertices"], thumb: int
) -> Bool[np.ndarray, " n"]:
    """Whether the thumb is in contact.

    Args:
      touch: from `touching`.
      skin_finger: finger of each vertex.
      thumb: which one it is.
    """
    return np.asarray(touch[:, skin_finger == thumb].any(axis=1))


def opposition(
    touch: Bool[np.ndarray, "n vertices"],
    normal: Float[np.ndarray, "n vertices 3"],
    skin_finger: Int[np.ndarray, " vertices"],
    thumb: int,
) -> Float[np.ndarray, " n"]:
    """Cosine between the object's mean outward normals under the thumb and under the other fingers.

    -1 where they press from opposite sides; NaN where one of them does not touch.

    Args:
      touch, skin_finger, thumb: as for `thumb_touches`.
      normal: of the object next to each vertex.
    """
    own = touch & (skin_finger == thumb)
    rest = touch & (skin_finger >= 0) & (skin_finger != thumb)
    a, b = ((normal * side[..., None]).sum(axis=1) for side in (own, rest))
    length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(length > 1e-9, (a * b).sum(axis=1) / np.maximum(length, 1e-9), np.nan)
