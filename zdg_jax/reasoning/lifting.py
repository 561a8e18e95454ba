"""From masks and points in one picture to regions on the whole object (paper III-A)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from zdg_jax.objects.model import ObjectModel, SurfaceSamples
from zdg_jax.objects.region import measure
from zdg_jax.render.scene import Frame

# K-Means and nearest-neighbour votes on feature vectors, as paper III-A lifts regions by.
#
# Votes are those of scikit-learn's `KNeighborsClassifier`, by which they are tested; importing that costs a
# command more time than reasoning takes.
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


SPAN = 0.08
"""Pieces of a region that are farther apart than this are not held by one hand, metres."""
_POINTS = 400  # enough to tell pieces that far apart


def one_hand(
    points: Float[np.ndarray, "n 3"], mask: Bool[np.ndarray, " n"], near: Float[np.ndarray, "3"]
) -> Bool[np.ndarray, " n"]:
    """The piece of a region that one hand takes: a pot has two handles, and between them is soup.

    Pieces are told apart by gaps of more than `SPAN`. Of those with at least half as many samples as the
    largest, the one whose centre is nearest to a point is kept.

    Args:
      points: the object's surface samples, metres.
      mask: the region.
      near: the camera, or what the rest of the hand holds.
    Returns:
      the mask of that piece; the same mask where there is one piece.
    """
    chosen = np.flatnonzero(mask)
    if len(chosen) < 2:
        return mask
    few = points[chosen[:: -(-len(chosen) // _POINTS)]]
    if len(few) < 2 or (pieces := fcluster(linkage(few, "single"), SPAN, "distance")).max() == 1:
        return mask
    piece = pieces[KDTree(few).query(points[chosen])[1]]
    numbers, sizes = np.unique(piece, return_counts=True)
    large = numbers[2 * sizes >= sizes.max()]
    away = [float(np.linalg.norm(points[chosen[piece == k]].mean(axis=0) - near)) for k in large]
    kept = np.zeros_like(mask)
    kept[chosen[piece == large[int(np.argmin(away))]]] = True
    return kept


#: A bar is so much longer than wide. Of two that spread, what is so near to the other one lies in one hand,
#: metres; bars that touch are held as they are, and those that hardly come near each other too.
_BAR, _REACH, _APART, _LEAST = 2.5, 0.065, 0.005, 0.15


def in_reach(
    obj: ObjectModel, mask: Bool[np.ndarray, " samples"], parts: Sequence[int]
) -> Bool[np.ndarray, " samples"]:
    """What a hand closes around of two levers that spread, as a large clamp's: where both are within reach.

    Args:
      obj: the object.
      mask: the region.
      parts: numbers of the parts in it.
    Returns:
      the samples less than `_REACH` from the other lever; the same mask for anything else.
    """
    held = [p for p in obj.parts if p.number in parts]
    if len(held) != 2 or any(p.descriptor.is_loop or p.descriptor.elongation < _BAR for p in held):
        return mask
    bars = [obj.samples.points[mask & obj.part_mask((p.number,))] for p in held]
    if min(len(bar) for bar in bars) == 0 or KDTree(bars[0]).query(bars[1])[0].min() < _APART:
        return mask
    gap = np.maximum(*(KDTree(bar).query(obj.samples.points)[0] for bar in bars))
    near = mask & (gap < _REACH)
    return near if near.sum() > _LEAST * mask.sum() else mask


#: So much of a vessel's wall below its mouth is for lips and for what is poured, metres; not of a wall that
#: is lower than that. A wall is what is nearly as wide as the hollow.
_LIP, _WALL, _AROUND, _DOWN = 0.02, 0.075, 0.9, -0.7
#: Of a body under a cap that is narrower than this share of it, the shoulder: a share of a height of at least
#: so much, metres.
_CAP, _SHOULDER, _TALL = 0.8, 0.2, 0.1


def below_mouth(
    obj: ObjectModel, mask: Bool[np.ndarray, " samples"], parts: Sequence[int]
) -> Bool[np.ndarray, " samples"]:
    """What is held of an upright vessel: not its brim or shoulder, where thumb and web would stand above it,
    nor what it stands on, which would draw the hand under it.

    Args:
      obj: the object, y up.
      mask: the region.
      parts: numbers of the parts in it.
    Returns:
      of a cup's wall the samples more than 2 cm below the mouth, of a bottle's body the lower four fifths,
      less what faces down; the same mask for anything else.
    """
    points, held = obj.samples.points, obj.samples.points[mask]
    rest = [p for p in obj.parts if p.number not in parts]
    hollow = [p.number for p in rest if p.descriptor.concave]
    size, low = np.ptp(held, axis=0), held[:, 1].min()
    if hollow:
        inside = points[obj.part_mask(tuple(hollow))]
        mouth = float(inside[:, 1].max())
        top = mouth - _LIP
        fits = (size[::2] >= _AROUND * np.ptp(inside[:, ::2], axis=0)).all() and mouth - low >= _WALL
    else:
        caps = [points[obj.part_mask((p.number,))] for p in rest]
        narrow = [np.ptp(c[:, ::2], axis=0).max() < _CAP * size[::2].max() for c in caps]
        above = [c[:, 1].min() > np.median(held[:, 1]) for c in caps]
        top = low + (1 - _SHOULDER) * size[1]
        fits = bool(caps) and all(narrow) and all(above) and size[1] > max(_TALL, size[::2].max())
    return mask & (points[:, 1] < top) & (obj.samples.normals[:, 1] > _DOWN) if fits else mask


#: Of a handle longer than that, metres, and so many times longer than wide, at least so much is held, metres,
#: and such a share.
_LONG, _SLENDER, _BUTT, _SHARE = 0.24, 3.0, 0.16, 0.5


def butt_of(points: Float[np.ndarray, "n 3"], mask: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """What is held of a long handle with the working end at one of its ends, as a hammer's: the other end.

    Args:
      points: the object's surface samples, metres.
      mask: the region.
    Returns:
      the samples within max(16 cm, half of it) of that end; the same mask for anything else.
    """
    if mask.sum() < 2 or mask.all():
        return mask
    held = measure(points[mask])
    if held.extents[0] < max(_LONG, _SLENDER * held.extents[1]):
        return mask
    rest = float((points[~mask].mean(axis=0) - held.center) @ held.axis)
    if abs(rest) < 0.5 * held.extents[0]:
        return mask
    away = -np.sign(rest) * ((points - held.center) @ held.axis)
    return mask & (away > away[mask].max() - max(_BUTT, _SHARE * held.extents[0]))


_SAMPLES_PER_CLUSTER = 24
_MAX_CLUSTERS = 48


def back_project_mask(
    frame: Frame, mask: Bool[np.ndarray, "h w"]
) -> tuple[Float[np.ndarray, "pixels 3"], Float[np.ndarray, "pixels 3"]]:
    """M^2.5d: the object points, and their normals, behind the pixels of a mask.

    Args:
      frame: the view in which the mask was drawn.
      mask: M^2d; background pixels in it are ignored.
    Returns:
      (points in metres, unit normals), object frame.
    """
    rows, columns = np.nonzero(mask & frame.mask)
    uv = np.stack([columns, rows], axis=1) + 0.5
    return frame.camera.back_project(uv, frame.depth[rows, columns]), frame.normal[rows, columns]


def label_samples(
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    samples: SurfaceSamples,
) -> Int[np.ndarray, " samples"]:
    """How many back-projected pixels fall to each surface sample.

    A pixel goes to the nearest of its four closest samples that faces the same way; without that test
    a blade's far side would be counted as seen.

    Args:
      points: M^2.5d, metres.
      normals: unit normals there.
      samples: the object's surface samples.
    Returns:
      pixel counts.
    """
    if len(points) == 0:
        return np.zeros(len(samples.points), int)
    distance, nearest = KDTree(samples.points).query(points, k=min(4, len(samples.points)))
    distance, nearest = distance.reshape(len(points), -1), nearest.reshape(len(points), -1)
    same_side = np.einsum("nkd,nd->nk", samples.normals[nearest], normals) > 0
    good = same_side & (distance <= 2.0 * sample_spacing(samples))
    first = good.argmax(axis=1)
    chosen = nearest[np.arange(len(points)), first][good.any(axis=1)]
    return np.bincount(chosen, minlength=len(samples.points))


def sample_spacing(samples: SurfaceSamples) -> float:
    """Median distance from a surface sample to its nearest neighbour, metres."""
    distance, _ = KDTree(samples.points).query(samples.points, k=2)
    return float(np.median(distance[:, 1]))


def lift_mask(
    frame: Frame,
    mask: Bool[np.ndarray, "h w"],
    samples: SurfaceSamples,
    features: Float[np.ndarray, "samples features"],
    neighbors: int = 5,
    seed: int = 0,
) -> Bool[np.ndarray, " samples"]:
    """M_hand^2d -> M_hand^2.5d -> M_hand^3d (paper III-A, "3D Contact Representation Extraction").

    Pixels of the mask label the samples under them "hand"; the object's other pixels are exclusive and
    label theirs "ex". Samples that no pixel reached and that lie near M_hand^2.5d are grouped by K-Means
    on their features; a KNN classifier trained on the labelled samples' features votes in each
    cluster, and all its samples take the cluster's label. "Near" is within the second principal
    extent of M_hand^2.5d: a part is rarely deeper than it is wide. Samples farther away are not hand.

    Args:
      frame: the chosen view.
      mask: M_hand^2d.
      samples: the object's surface samples.
      features: one row a sample, columns of comparable size; compared by Euclidean distance.
      neighbors: k of the KNN classifier.
      seed: of K-Means.
    Returns:
      M_hand^3d, one flag a sample; all False where the mask touches no sample.
    """
    p_hand, n_hand = back_project_mask(frame, mask)
    votes_hand = label_samples(p_hand, n_hand, samples)
    votes_ex = label_samples(*back_project_mask(frame, ~mask), samples)
    hand = votes_hand > votes_ex
    labelled = (votes_hand > 0) | (votes_ex > 0)
    if not hand.any():
        return hand

    distance, _ = KDTree(p_hand).query(samples.points)
    unlabelled = np.flatnonzero(~labelled & (distance <= depth_of(p_hand)))
    if len(unlabelled) == 0:
        return hand

    cluster = _clusters(features[unlabelled], seed)
    near = min(neighbors, int(labelled.sum()))
    says_hand = vote(features[labelled], hand[labelled].astype(int), features[unlabelled], near)
    share = np.bincount(cluster, weights=says_hand) / np.bincount(cluster)
    hand[unlabelled] = (share > 0.5)[cluster]
    return hand


def depth_of(points: Float[np.ndarray, "n 3"]) -> float:
    """Second principal extent of a point set, metres: how far behind it its unseen side may lie."""
    return float(measure(points).extents[1])


def lift_points(
    points: Float[np.ndarray, "k 3"], samples: SurfaceSamples, radius: float, at_least: int = 8
) -> list[Bool[np.ndarray, " samples"]]:
    """P_func^2.5d -> P_func^3d: the samples in a ball around each point (paper III-A).

    Args:
      points: P_func^2.5d, metres.
      samples: the object's surface samples.
      radius: of the ball, metres.
      at_least: where a ball holds fewer samples than this, it grows to its nearest `at_least`.
    Returns:
      one mask a point.
    """
    masks = []
    for point in points:
        distance = np.linalg.norm(samples.points - point, axis=1)
        enough = np.partition(distance, min(at_least, len(distance)) - 1)[min(at_least, len(distance)) - 1]
        masks.append(distance <= max(radius, float(enough)))
    return masks


def _clusters(features: Float[np.ndarray, "n features"], seed: int) -> Int[np.ndarray, " n"]:
    count = int(np.clip(len(features) // _SAMPLES_PER_CLUSTER, 1, _MAX_CLUSTERS))
    return k_means(features, count, seed)
