"""Building the two-level signed distance field of an object (DESIGN §6)."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool, Float, UInt32

from zdg_jax.objects.field_cells import CORNERS, fine_blocks, interpolation_error
from zdg_jax.objects.field_nodes import MeshDistance
from zdg_jax.objects.model import SUBDIVISION, SignedDistanceField

MARGIN = 0.010  # free space around the oriented bounding box, metres
BAND = 0.010  # distance from the surface within which the tolerances hold, metres
STEP = 0.0032  # coarse step of a grid of 3.6 litres, metres; it goes with the fifth root of the volume
MAX_CELLS = 300_000  # nodes too; what one task has room for in refinement
TOLERANCE = 0.00025  # estimated error above which a cell is refined, metres
NODE_TOLERANCE = 0.00016  # estimated error above which every other fine node is measured, metres


def build_signed_distance_field(mesh: trimesh.Trimesh) -> SignedDistanceField:
    """Signed distance in a grid along the object's oriented bounding box, finer where it creases.

    Coarse nodes hold phi. A cell near the surface whose trilinear interpolant errs is cut into
    SUBDIVISION³ cells with nodes of their own; those on a face or edge shared with an uncut cell take
    that cell's interpolated value, so that the field is continuous.

    Args:
      mesh: outward faces, metres; open meshes are signed by winding number.

    Returns:
      The field; values are float16 metres.
    """
    R, vertices = _turned(mesh)
    low, high = vertices.min(axis=0) - MARGIN, vertices.max(axis=0) + MARGIN
    spacing, shape = _lattice(high - low)
    origin = 0.5 * (low + high) - 0.5 * spacing * shape
    surface = MeshDistance(vertices, np.asarray(mesh.faces))
    phi, gradient = surface.grid(origin, spacing, shape, BAND + 2 * spacing)
    coarse = phi.astype(np.float16)
    refined = _badly_interpolated(phi, gradient, spacing)
    cells = np.argwhere(refined)
    blocks = fine_blocks(surface, coarse, gradient, cells, origin, spacing, NODE_TOLERANCE)
    plain = pack_cells(coarse[None])[~refined.ravel()]
    entries = np.empty(refined.size, np.int32)
    entries[~refined.ravel()] = 2 * np.arange(len(plain), dtype=np.int32)
    first = len(plain) + SUBDIVISION**3 * np.arange(len(cells), dtype=np.int32)
    entries[refined.ravel()] = 2 * first + 1
    return SignedDistanceField(
        R_field_obj=R,
        origin=origin,
        spacing=spacing,
        shape=(int(shape[0]), int(shape[1]), int(shape[2])),
        entries=entries,
        rows=np.concatenate([plain, pack_cells(blocks)]),
    )


def coarse_step(extents: Float[np.ndarray, "3"]) -> float:
    """Coarse step for a grid of these extents: small objects are sampled finer, no grid is huge."""
    volume = float(np.prod(extents))
    return max(STEP * (volume / 3.6e-3) ** 0.2, (volume / MAX_CELLS) ** (1 / 3))


def _lattice(extents: Float[np.ndarray, "3"]) -> tuple[float, np.ndarray]:
    """(step, cells along each axis), even numbers, with at most MAX_CELLS nodes."""
    spacing = coarse_step(extents)
    while True:
        shape = 2 * np.ceil(extents / (2 * spacing)).astype(int)
        if np.prod(shape + 1) <= MAX_CELLS:
            return spacing, shape
        spacing *= 1.01


def _turned(mesh: trimesh.Trimesh) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "v 3"]]:
    """(proper rotation onto the axes of the oriented bounding box, longest last; the turned vertices)."""
    to_box, extents = trimesh.bounds.oriented_bounds(np.asarray(mesh.vertices))
    R = np.asarray(to_box)[:3, :3][np.argsort(extents, kind="stable")]
    R[0] *= np.sign(np.linalg.det(R))
    return R, np.ascontiguousarray(np.asarray(mesh.vertices) @ R.T)


def _badly_interpolated(
    phi: Float[np.ndarray, "nx ny nz"], gradient: Float[np.ndarray, "nx ny nz 3"], spacing: float
) -> Bool[np.ndarray, "cx cy cz"]:
    """Cells that reach into the band and whose estimated error exceeds the tolerance."""
    near = np.abs(phi) < BAND + 0.25 * spacing
    for axis in range(3):
        near = np.moveaxis(near, axis, 0)
        near = np.moveaxis(near[:-1] | near[1:], 0, axis)
    cells = np.argwhere(near)
    at = tuple(np.moveaxis(cells[:, None] + CORNERS, -1, 0))
    error = interpolation_error(phi[at], gradient[at], spacing)
    near[near] = error.max(axis=1) > TOLERANCE
    return near


def pack_cells(values: Float[np.ndarray, "n nx ny nz"]) -> UInt32[np.ndarray, "rows 4"]:
    """The corner values of each cell of n grids as float16 in the layout of `SignedDistanceField.rows`."""
    bits = values.astype(np.float16).view(np.uint16).astype(np.uint32)
    pairs = bits[..., :-1] | (bits[..., 1:] << 16)
    n, nx, ny, nz = pairs.shape
    rows = np.empty((n, nx - 1, ny - 1, nz, 4), np.uint32)
    for word, (dx, dy) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        rows[..., word] = pairs[:, dx : nx - 1 + dx, dy : ny - 1 + dy]
    return rows.reshape(-1, 4)
