"""Building the two-level signed distance field of an object (DESIGN §6), and reading it without JAX."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Float32, Int, UInt32

from zdg_jax.objects.model import SUBDIVISION, SignedDistanceField
from zdg_jax.objects.sdf.mesh_distance import MeshDistance

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


SIDES = tuple(itertools.product((0, 1), repeat=3))
CORNERS = np.array(SIDES)
#: Middles of a cell, its faces and its edges, in half steps from its lowest corner.
MIDDLES = np.array([x for x in itertools.product((0, 1, 2), repeat=3) if 1 in x])
DEFECT = 1 / 4  # weight of the second term of `interpolation_error`, measured
#: For each side, numbers of the cells one step there; -1 is a cell that is not refined.
Neighbours = dict[tuple[int, ...], np.ndarray]


def interpolation_error(
    phi: Float[np.ndarray, "n 8"], gradient: Float[np.ndarray, "n 8 3"], spacing: float
) -> Float[np.ndarray, "n 19"]:
    """Estimated error of the trilinear interpolant at `MIDDLES`, from value and gradient at the corners.

    e(t) = h/2 |sum_k w_k(t) g_k·(t - c_k)| + DEFECT mean_(k,l) |phi_l - phi_k - h/2 (g_k + g_l)·(c_l - c_k)|

    with (k, l) the edges of the edge, face or cell whose middle t is. The first term is half of what the
    corners' tangent planes, blended, differ from the trilinear value: the error of a quadratic, and
    large where gradients turn, at creases and thin walls. The second finds parallel faces within a
    cell: there gradients agree, but not with the rise of phi.

    Args:
      phi: at the corners c_k, in the order of `CORNERS`, metres.
      gradient: of phi there.
      spacing: h, metres.

    Returns:
      Metres.
    """
    g = gradient.reshape(-1, 24).astype(np.float32)
    bend = np.abs(g @ _BEND)
    defect = np.abs((phi / spacing).astype(np.float32) @ _RISE - g @ _SLOPE)
    return spacing * (bend + defect @ _OF_MIDDLE)


def _estimator() -> tuple[np.ndarray, ...]:
    """Matrices of `interpolation_error`, for h = 1."""
    t = MIDDLES / 2
    weight = np.prod(np.where(CORNERS == 1, t[:, None], 1 - t[:, None]), axis=2)
    bend = 0.5 * weight[:, :, None] * (t[:, None] - CORNERS)
    edges = [(k, k + (4 >> axis)) for axis in range(3) for k in range(8) if CORNERS[k, axis] == 0]
    rise, slope, of_middle = np.zeros((12, 8)), np.zeros((12, 8, 3)), np.zeros((12, 19))
    for row, (k, m) in enumerate(edges):
        rise[row, [k, m]] = -1.0, 1.0
        slope[row, [k, m]] = 0.5 * (CORNERS[m] - CORNERS[k])
        shared = (2 * CORNERS[k] == MIDDLES) & (2 * CORNERS[m] == MIDDLES)
        of_middle[row] = ((MIDDLES == 1) | shared).all(axis=1)
    of_middle *= DEFECT / of_middle.sum(axis=0)
    parts = (bend.reshape(-1, 24).T, rise.T, slope.reshape(-1, 24).T, of_middle)
    return tuple(np.ascontiguousarray(p, np.float32) for p in parts)


_BEND, _RISE, _SLOPE, _OF_MIDDLE = _estimator()


def fine_blocks(
    surface: MeshDistance,
    coarse: Float[np.ndarray, "nx ny nz"],
    gradient: Float[np.ndarray, "nx ny nz 3"],
    cells: Int[np.ndarray, "n 3"],
    origin: Float[np.ndarray, "3"],
    spacing: float,
    tolerance: float,
) -> Float32[np.ndarray, "n 5 5 5"]:
    """Values at the 5³ fine nodes of each refined cell.

    A node that touches an uncut cell is tied: it has that cell's interpolated value. Of the others every
    second one is measured, and of the rest those where interpolation from these errs by more than
    `tolerance`.

    Args:
      surface: what to measure.
      coarse: phi at the coarse nodes as stored, metres.
      gradient: of phi there.
      cells: the refined ones.
      origin: coarse node (0, 0, 0), metres.
      spacing: coarse step, metres.
      tolerance: metres.

    Returns:
      Metres; neighbours agree on the nodes that they share.
    """
    below, above = _neighbours(cells, coarse.shape, -1), _neighbours(cells, coarse.shape, 1)
    at = tuple(np.moveaxis(cells[:, None] + CORNERS, -1, 0))
    block = _spread(coarse[at].astype(np.float32), 1, 4)
    slope = np.stack([_spread(gradient[at][..., d].astype(np.float32), 1, 2) for d in range(3)], axis=-1)

    def exact(nodes: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        index = np.nonzero(nodes)
        place = origin + spacing * (cells[index[0]] + np.stack(index[1:], axis=1) / SUBDIVISION)
        phi, g = surface.nodes(place)
        block[index] = phi
        return index, g

    free = _free(below)
    half = free.copy()
    half[:, 1::2], half[:, :, 1::2], half[..., 1::2], half[:, 0, 0, 0] = False, False, False, False
    index, g = exact(half)
    slope[(index[0], *(i // 2 for i in index[1:]))] = g
    _share(block, above)
    _share(slope, above)
    known = block[:, ::2, ::2, ::2]
    wrong = np.zeros(block.shape, bool)
    for a, b, c in SIDES:
        octant = np.s_[:, a : a + 2, b : b + 2, c : c + 2]
        error = interpolation_error(
            known[octant].reshape(-1, 8), slope[octant].reshape(-1, 8, 3), spacing / 2
        )
        at = tuple((MIDDLES + 2 * np.array((a, b, c))).T)
        wrong[:, *at] |= error > tolerance
    between = _spread(known.reshape(-1, 27), 2, 2)[:, :4, :4, :4]
    block[:, :4, :4, :4][free] = between[free]
    _tell(wrong, above)
    exact(wrong[:, :4, :4, :4] & free)
    _share(block, above)
    return block


def _neighbours(cells: Int[np.ndarray, "n 3"], nodes: tuple[int, ...], step: int) -> Neighbours:
    number = np.full(np.array(nodes) + 1, -1)  # one more cell on every side
    number[tuple(cells.T + 1)] = np.arange(len(cells))
    return {side: number[tuple((cells + 1 + step * np.array(side)).T)] for side in SIDES}


def _free(below: Neighbours) -> Bool[np.ndarray, "n 4 4 4"]:
    """Nodes 0..3 each way, which the cell owns, that touch refined cells only."""
    free = np.empty((len(below[0, 0, 0]), 4, 4, 4), bool)
    for side in SIDES:  # 1: on the lower border
        touched = [below[s] >= 0 for s in SIDES if all(x <= y for x, y in zip(s, side, strict=True))]
        here = tuple(slice(0, 1) if s else slice(1, 4) for s in side)
        free[(slice(None), *here)] = np.all(touched, axis=0)[:, None, None, None]
    return free


def _share(block: np.ndarray, above: Neighbours) -> None:
    """Copy the nodes on upper borders from the cells that own them."""
    for here, upper, owner, lower in _borders(above):
        block[(here, *upper)] = block[(owner, *lower)]


def _tell(flags: np.ndarray, above: Neighbours) -> None:
    """Raise the flags on upper borders with the cells that own the nodes."""
    for here, upper, owner, lower in _borders(above):
        flags[(owner, *lower)] |= flags[(here, *upper)]


def _borders(above: Neighbours) -> Iterator[tuple[np.ndarray, tuple, np.ndarray, tuple]]:
    for side in SIDES[1:]:
        here = np.flatnonzero(above[side] >= 0)
        upper = tuple(slice(-1, None) if s else slice(0, -1) for s in side)
        lower = tuple(slice(0, 1) if s else slice(0, -1) for s in side)
        yield here, upper, above[side][here], lower


def _spread(values: Float32[np.ndarray, "n nodes"], cells: int, parts: int) -> Float32[np.ndarray, "n m m m"]:
    """Trilinear interpolation from (cells + 1)³ nodes to (cells * parts + 1)³."""
    fine = np.arange(cells * parts + 1) / parts
    line = np.maximum(1 - np.abs(fine - np.arange(cells + 1)[:, None]), 0).astype(np.float32)
    weight = np.einsum("ai,bj,ck->abcijk", line, line, line)
    return (values @ weight.reshape(values.shape[1], -1)).reshape(-1, *weight.shape[3:])


def field_values(field: SignedDistanceField, p_obj: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """phi at each point: trilinear in the cell of q = the point clamped to the grid, plus |p - q|.

    Args:
      field: of the object.
      p_obj: metres.

    Returns:
      Metres.
    """
    cells = np.array(field.shape)
    p = (p_obj @ field.R_field_obj.T - field.origin) / field.spacing
    q = np.clip(p, 0, cells)
    cell = np.minimum(q.astype(np.int64), cells - 1)
    entry = field.entries[np.ravel_multi_index(tuple(cell.T), field.shape)]
    parts = np.where(entry & 1, SUBDIVISION, 1)[:, None]
    t = (q - cell) * parts
    fine = np.minimum(t.astype(np.int64), parts - 1)
    words = field.rows[(entry >> 1) + (fine * parts ** [[2, 1, 0]]).sum(axis=1)]
    bits = np.stack([words & 0xFFFF, words >> 16], axis=-1).astype(np.uint16)
    value = bits.view(np.float16).reshape(-1, 2, 2, 2).astype(np.float64)
    for x in (t - fine).T:
        x = x.reshape(-1, *(1,) * (value.ndim - 2))
        value = value[:, 0] * (1 - x) + value[:, 1] * x
    return value + field.spacing * np.linalg.norm(p - q, axis=1)
