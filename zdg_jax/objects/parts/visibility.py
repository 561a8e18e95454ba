"""Which places inside the solid see each other: the affinity behind the part segmentation."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool, Float
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import cdist

from zdg_jax.objects.sdf.mesh_distance import grid_nodes, signed_distance

# Local thickness of a solid, the shape diameter function, by rays through its inside.
try:  # embree where it has a wheel; trimesh's own, much slower, elsewhere
    from trimesh.ray.ray_pyembree import RayMeshIntersector
except ImportError:
    from trimesh.ray.ray_triangle import RayMeshIntersector

RAYS = 16
HALF_ANGLE = np.pi / 4


def shape_diameter(
    mesh: trimesh.Trimesh, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Median chord length over a cone of rays around the inward normal, in metres.

    SDF(p) = median_k |hit_k - p| over rays within 45 degrees of -n (Shapira et al. 2008, with the
    median for their trimmed mean); infinite where no ray hits, which only happens on open meshes.

    Args:
      mesh: outward faces, metres.
      points: on the surface, metres.
      normals: outward unit normals there.

    Returns:
      Local thickness in metres.
    """
    cos = 1 - (np.arange(RAYS) + 0.5) / RAYS * (1 - np.cos(HALF_ANGLE))
    inward = -normals
    directions = spiral_rays(inward, cos, np.sqrt(1 - cos**2))
    start = np.repeat(points + inward * 1e-4 * mesh.scale, RAYS, axis=0)
    length = first_hit(mesh, start, directions).reshape(-1, RAYS)
    return np.median(length, axis=1)


def spiral_rays(
    axes: Float[np.ndarray, "n 3"], cos: Float[np.ndarray, " rays"], sin: Float[np.ndarray, " rays"]
) -> Float[np.ndarray, "n_rays 3"]:
    """Unit rays around each axis on a golden-angle spiral, which spreads them evenly.

    Ray k leaves its axis by the angle whose cosine and sine are cos_k and sin_k. All rays of the first axis
    come first.
    """
    turn = np.arange(len(cos)) * (np.pi * (3 - np.sqrt(5)))
    helper = np.where(np.abs(axes[:, :1]) < 0.8, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    side = np.cross(axes, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(axes, side)
    return (
        cos[None, :, None] * axes[:, None]
        + (sin * np.cos(turn))[None, :, None] * side[:, None]
        + (sin * np.sin(turn))[None, :, None] * other[:, None]
    ).reshape(-1, 3)


def first_hit(
    mesh: trimesh.Trimesh, origins: Float[np.ndarray, "n 3"], directions: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Distance along each unit ray to the first surface, metres; infinite where there is none."""
    face = np.asarray(RayMeshIntersector(mesh).intersects_first(origins, directions))
    hit = face >= 0
    length = np.full(len(origins), np.inf)
    normal = mesh.face_normals[face[hit]]
    corner = mesh.triangles[face[hit], 0]
    slope = np.einsum("nd,nd->n", normal, directions[hit])
    slope = np.where(np.abs(slope) < 1e-9, 1e-9, slope)
    length[hit] = np.maximum(np.einsum("nd,nd->n", normal, corner - origins[hit]) / slope, 0)
    return length


NODES = 50_000
STEPS = 14
THICKNESS_SPREAD = 0.35  # log units: places whose thickness differs by more hardly belong together
AXIS_WEIGHT = 3.0
AXIS_REACH = 0.8
FLOOR = 0.02
TOLERANCE = 0.012  # of the diagonal: by how much a line of sight may leave the solid


class SolidField:
    """Signed distance on a grid that fits the object; cavities count as solid."""

    def __init__(self, mesh: trimesh.Trimesh, cavity: Bool[np.ndarray, " faces"]) -> None:
        margin = 0.05 * float(np.linalg.norm(mesh.extents))
        size = mesh.extents + 2 * margin
        self.spacing = float((np.prod(size) / NODES) ** (1 / 3))
        self.origin = mesh.bounds[0] - margin
        shape = tuple(int(n) + 1 for n in np.ceil(size / self.spacing))
        nodes = grid_nodes(self.origin, self.spacing, shape)
        values = signed_distance(mesh, nodes)
        if cavity.any():
            # the hull of the inside fills the vessel: its walls see each other through it
            hull = trimesh.convex.convex_hull(mesh.triangles_center[cavity])
            values = np.minimum(values, signed_distance(hull, nodes))
        self.values = values.reshape(shape)

    def __call__(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch"]:
        """Trilinear value, metres."""
        index = (points.reshape(-1, 3) - self.origin) / self.spacing
        return map_coordinates(self.values, index.T, order=1, mode="nearest").reshape(points.shape[:-1])

    def nearest(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch"]:
        """Value at the nearest node, metres: fast."""
        shape = np.array(self.values.shape)
        index = np.clip(np.rint((points - self.origin) / self.spacing).astype(np.int32), 0, shape - 1)
        return self.values[index[..., 0], index[..., 1], index[..., 2]]


def inner_points(
    mesh: trimesh.Trimesh,
    field: SolidField,
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """A place on the inner skeleton behind each surface point, and the thickness there (metres).

    The place is the first along -n where the depth -phi stops growing, or half-way through walls too thin
    for the grid. Thickness is the shape diameter, but at most twice the greatest depth within 0.6 of it: at
    the end of a bar rays run along the bar, and near its edges depth is small, yet the bar is as thick there
    as elsewhere.
    """
    diagonal = float(np.linalg.norm(mesh.extents))
    chord = np.minimum(shape_diameter(mesh, points, normals), diagonal)
    steps = np.linspace(0, 0.3, 48) * diagonal
    depth = -field(points[:, None] - normals[:, None] * steps[None, :, None])
    peak = np.zeros(len(points), dtype=int)
    rising = np.ones(len(points), dtype=bool)
    best = depth[:, 0].copy()
    for k in range(1, len(steps)):
        higher = rising & (depth[:, k] > best)
        peak[higher], best[higher] = k, depth[higher, k]
        rising &= depth[:, k] > best - 0.25 * field.spacing
    thin = best < field.spacing
    radius = np.where(thin, np.minimum(0.5 * chord, field.spacing), best)
    inner = points - normals * np.where(thin, radius, steps[peak])[:, None]
    near = cdist(inner, inner) <= 0.6 * chord[:, None]
    deepest = np.where(near, radius[None, :], 0).max(axis=1)
    return inner, np.maximum(np.minimum(chord, 2 * deepest), 2e-4)


def sight_affinity(
    field: SolidField,
    inner: Float[np.ndarray, "n 3"],
    thickness: Float[np.ndarray, " n"],
    diagonal: float,
    vessel: bool,
) -> Float[np.ndarray, "n n"]:
    """How well each two places belong together, 0..1.

    W_ij = L_ij S_ij A_ij, with x_ij(s) the straight line between the places and D the diagonal:
    L = exp(-max(0, max_s phi(x_ij(s)) - h/2) / (0.012 D)), soft line of sight through the solid (after Asafi
    et al. 2013), h the grid step; S = exp(-r^2 / (2 * 0.35^2)), r the difference of log thickness plus what
    the line swells beyond both; A = exp(-3 l_i l_j sin^2(a_i, a_j)), a the direction in which the solid runs
    on and l its clarity. For a vessel only L counts, with three times the tolerance: its walls are shells.

    Args:
      field: signed distance, metres.
      inner: places inside, metres.
      thickness: there, metres.
      diagonal: of the bounding box, metres.
      vessel: whether the object has a cavity.

    Returns:
      Symmetric, zero diagonal.
    """
    n = len(inner)
    i, j = np.triu_indices(n, 1)
    worst, deepest = np.full(len(i), -np.inf), np.zeros(len(i))
    for s in (np.arange(STEPS) + 0.5) / STEPS:
        phi = field.nearest(inner[i] * (1 - s) + inner[j] * s)
        np.maximum(worst, phi, out=worst)
        np.maximum(deepest, -phi, out=deepest)
    floor = FLOOR * diagonal  # among thin sheets the ratio is scan noise
    thickness = np.hypot(thickness, floor)
    slack = 0.5 * field.spacing  # nearest nodes of thin sheets lie outside though the sheet is there
    size = np.log(thickness)
    thicker = np.maximum(size[i], size[j])
    ratio = np.abs(size[i] - size[j]) + np.maximum(np.log(2 * deepest + floor) - thicker - 0.2, 0)
    tolerance = (3 if vessel else 1) * TOLERANCE * diagonal
    sight = np.exp(-np.maximum(worst - slack, 0) / tolerance)
    near = np.zeros((n, n))
    near[i, j] = sight
    near += near.T
    if vessel:
        return near
    axis, linear = _local_axes(inner, thickness, near)
    turn = 1 - np.einsum("nd,nd->n", axis[i], axis[j]) ** 2
    sight = sight * np.exp(-AXIS_WEIGHT * linear[i] * linear[j] * turn)
    weight = sight * np.exp(-(ratio**2) / (2 * THICKNESS_SPREAD**2))
    affinity = np.zeros((n, n))
    affinity[i, j] = weight
    return affinity + affinity.T


def _local_axes(inner: np.ndarray, thickness: np.ndarray, sight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Direction in which the solid runs on at each place, and how clear it is (0..1)."""
    inner = inner - inner.mean(axis=0)
    square = np.sum((inner[:, None] - inner[None]) ** 2, axis=-1)
    weight = sight * np.exp(-square / (2 * (AXIS_REACH * thickness[:, None]) ** 2))
    weight += np.eye(len(inner)) * 1e-9
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ inner
    second = np.einsum("nm,mi,mj->nij", weight, inner, inner, optimize=True)
    values, vectors = np.linalg.eigh(second - mean[:, :, None] * mean[:, None, :])
    roots = np.sqrt(np.maximum(values, 1e-12))
    return vectors[:, :, 2], (roots[:, 2] - roots[:, 1]) / roots[:, 2]
