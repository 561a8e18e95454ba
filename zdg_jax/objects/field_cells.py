"""Which cells of a distance grid interpolate badly, and the fine nodes inside them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from zdg_jax.objects.field_nodes import MeshDistance
from zdg_jax.objects.model import SUBDIVISION

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
