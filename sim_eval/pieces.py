"""Few convex pieces with few vertices that stay close to the object: merging, splitting, thinning out."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import trimesh
from jaxtyping import Float
from manifold3d import Manifold
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

from sim_eval.solids import manifold_arrays
from zdg_jax.objects import signed_distance

Points = Float[np.ndarray, "_ 3"]
#: Pieces down to which merging goes by volume, which is cheap; the thin merges that it makes bulge little.
_BY_VOLUME = 48
#: Metres: a piece that loses more than this by its limit of vertices is split while slots are left.
SPLIT_ERROR = 0.0002


def merge_pieces(
    pieces: list[Points], max_pieces: int, cost: Callable[[Manifold, float], float] | None = None
) -> list[Points]:
    """Merge convex pieces pairwise until at most `max_pieces` are left.

    Each step joins the neighbours (a, b) of least cost, by default vol(hull(a ∪ b)) - vol(a) - vol(b); pieces
    are disjoint, so this is the volume of free space that is filled. Pieces whose boxes are more than 0.5 %
    of the object's size apart are no neighbours, unless no others are left.

    Args:
      pieces: vertices of each convex piece, metres.
      max_pieces: at least 1.
      cost: of a joint hull and the volume that it adds.

    Returns:
      Vertices of each remaining hull, metres.
    """
    hulls: dict[int, Manifold] = {i: Manifold.hull_points(p) for i, p in enumerate(pieces)}
    reach = 0.005 * float(np.ptp(np.concatenate(pieces), axis=0).max())
    prices: dict[tuple[int, int], float] = {}

    def price(i: int, j: int, near: bool = True) -> None:
        a, b = np.array(hulls[i].bounding_box()), np.array(hulls[j].bounding_box())
        if near and (np.maximum(a[:3], b[:3]) > np.minimum(a[3:], b[3:]) + reach).any():
            return
        joint = Manifold.batch_hull([hulls[i], hulls[j]])
        added = joint.volume() - hulls[i].volume() - hulls[j].volume()
        prices[i, j] = added if cost is None else cost(joint, added)

    if len(hulls) > max_pieces:
        for i in hulls:
            for j in range(i):
                price(i, j)
    while len(hulls) > max_pieces:
        if not prices:
            for i, j in itertools.combinations(hulls, 2):
                price(i, j, near=False)
        i, j = min(prices, key=lambda pair: (prices[pair], pair))
        hulls[i] = Manifold.batch_hull([hulls[i], hulls.pop(j)])
        prices = {pair: c for pair, c in prices.items() if i not in pair and j not in pair}
        for other in hulls:
            if other != i:
                price(i, other)
    return [manifold_arrays(h)[0] for h in hulls.values()]


def merge_by_bulge(pieces: list[Points], max_pieces: int, solid: trimesh.Trimesh) -> list[Points]:
    """Merge down to few pieces by how far a joint hull stands out of the object.

    The volume that a merge adds is small across a mug's handle, and the hole is filled: with 16 pieces by
    volume a point in it lay 31 mm deep in a piece, by bulge none lies deeper than 9 mm. The cost is
    max phi over points on the joint hull, phi the signed distance to the object.

    Args:
      pieces: vertices of each convex piece, metres.
      max_pieces: at least 1.
      solid: the object, closed; few faces are enough.

    Returns:
      Vertices of each remaining hull, metres.
    """

    def bulge(joint: Manifold, _: float) -> float:
        corners = np.asarray(trimesh.Trimesh(*manifold_arrays(joint), process=False).triangles)
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        large = corners[np.argsort(-area, kind="stable")[:40]]  # what closes a gap is large
        middle = large.mean(axis=1)
        points = np.concatenate([middle, (large + np.roll(large, 1, axis=1)).reshape(-1, 3) / 2])
        return float(np.max(signed_distance(solid, points)))

    fewer = merge_pieces(pieces, max(_BY_VOLUME, max_pieces))
    return merge_pieces(fewer, max_pieces, bulge)


def limit_vertices(points: Points, most: int) -> Points:
    """At most `most` vertices of a hull: six extremes, then always the one that stands out farthest."""
    points = points[ConvexHull(points).vertices]
    if len(points) <= most:
        return points
    chosen = list(dict.fromkeys(int(f(points[:, k])) for k in range(3) for f in (np.argmin, np.argmax)))
    while len(chosen) < most:
        try:
            planes = ConvexHull(points[chosen]).equations
            out = (points @ planes[:, :3].T + planes[:, 3]).max(axis=1)
        except QhullError:  # the extremes lie in one plane: leave it
            thin = np.linalg.svd(points[chosen] - points[chosen[0]], full_matrices=True)[2][-1]
            out = np.abs((points - points[chosen[0]]) @ thin)
        out[chosen] = -np.inf
        chosen.append(int(np.argmax(out)))
    return points[chosen]


def limit_error(points: Points, few: Points) -> float:
    """How far a hull's vertices stand out of a smaller hull at most, metres (largest plane distance)."""
    if len(few) == len(points):
        return 0.0
    planes = ConvexHull(few).equations
    return float(max((points @ planes[:, :3].T + planes[:, 3]).max(axis=1).max(), 0.0))


def few_vertices(pieces: list[Points], max_pieces: int, max_vertices: int) -> list[Points]:
    """Pieces with at most `max_vertices` each; those that would lose most are first cut in two.

    32 vertices are too few for a ball, whose surface they miss by 2 mm; 16 pieces of it miss by 0.2 mm. A
    convex piece stays convex under a plane through its centroid across its longest axis.

    Args:
      pieces: vertices of each convex piece, metres.
      max_pieces: slots; at least as many as there are pieces.
      max_vertices: of a piece.

    Returns:
      Vertices of each piece, metres.
    """
    whole = [p[ConvexHull(p).vertices] for p in pieces]
    few = [limit_vertices(p, max_vertices) for p in whole]
    error = [limit_error(p, f) for p, f in zip(whole, few, strict=True)]
    while len(whole) < max_pieces:
        worst = int(np.argmax(error))
        if error[worst] <= SPLIT_ERROR:
            break
        halves = [p[ConvexHull(p).vertices] for p in _halves(whole[worst])]
        del whole[worst], few[worst], error[worst]
        for half in halves:
            whole.append(half)
            few.append(limit_vertices(half, max_vertices))
            error.append(limit_error(half, few[-1]))
    return few


def _halves(points: Points) -> tuple[Points, Points]:
    centre = points.mean(axis=0)
    axis = np.linalg.svd(points - centre, full_matrices=False)[2][0]
    planes = ConvexHull(points).equations
    sides = []
    for sign in (1.0, -1.0):
        cut = np.append(sign * axis, -sign * float(axis @ centre))
        inner = centre - sign * 1e-4 * float(np.ptp(points @ axis)) * axis
        sides.append(HalfspaceIntersection(np.vstack([planes, cut]), inner).intersections)
    return sides[0], sides[1]
