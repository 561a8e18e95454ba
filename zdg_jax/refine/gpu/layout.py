"""A hand as the kernel sees it: segments, one a hinge, a lane each; and the tables of its points."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from zdg_jax.hands.model import HandModel
from zdg_jax.pose import wxyz_to_matrix
from zdg_jax.refine.variables import layout

#: Segments, and variables, that fit: one a lane.
LANES = 32
#: A lane's place beyond the last, which moves nothing.
NO_SEGMENT = LANES
#: Variables before the joints: position and quaternion.
BASE = 7


class Segments(NamedTuple):
    """The tree of hinges. Segment 0 is link 0; every other turns about the z axis of its own frame.

    W_s = W_parent(s) K_s Rz(q_s), q = A x + b; what a link carries hangs on the segment of its last hinge.

    Attributes:
      parent: of each lane, 0 for padding.
      joint: R by rows and p of K_s.
      turns: A by rows: (share, number) of the variables that turn each segment.
      turned: A by columns: (share, number) of the segments that each variable turns.
      offset: b.
      depth: steps from segment 0 to the last.
      children: of each segment, then NO_SEGMENT.
      link: the segment of every link.
      T_segment_link: how a link stands in its segment.
    """

    parent: np.ndarray
    joint: np.ndarray
    turns: tuple[np.ndarray, np.ndarray]
    turned: tuple[np.ndarray, np.ndarray]
    offset: np.ndarray
    depth: int
    children: np.ndarray
    link: np.ndarray
    T_segment_link: np.ndarray


@lru_cache(maxsize=16)
def segments(hand: HandModel) -> Segments:
    """Of a hand with hinges only.

    Raises:
      ValueError: more segments or variables than a warp has lanes.
    """
    hinges, active = len(hand.joint_link), len(hand.active_names)
    if hinges + 1 > LANES or BASE + active > LANES:
        raise ValueError(
            f"got {hinges} hinges and {active} active joints; expected at most {LANES - 1} and "
            f"{LANES - BASE}; refine this hand with path='xla'"
        )
    parent, depth = np.zeros(LANES, np.int32), np.zeros(LANES, int)
    joint = np.tile(np.eye(4), (LANES, 1, 1))
    coupling, offset = np.zeros((LANES, LANES), np.float32), np.zeros(LANES, np.float32)
    link, hang = np.zeros(len(hand.link_names), int), np.tile(np.eye(4), (len(hand.link_names), 1, 1))
    for number in range(1, len(hand.link_names)):
        above = hand.link_parent[number]
        at, here = (
            link[above],
            hang[above] @ _pose(wxyz_to_matrix(hand.q_parent_link[number]), hand.p_parent_link[number]),
        )
        for j in np.flatnonzero(hand.joint_link == number):
            hinge, s = _pose(_onto(hand.joint_axis[j]), hand.p_link_joint[j]), 1 + int(j)
            parent[s], joint[s], depth[s] = at, here @ hinge, depth[at] + 1
            coupling[s, BASE : BASE + active], offset[s] = hand.coupling[j], hand.coupling_offset[j]
            at, here = s, np.linalg.inv(hinge)
        link[number], hang[number] = at, here
    rows = np.concatenate([joint[:, :3, :3].reshape(LANES, 9), joint[:, :3, 3]], axis=1)
    below = [np.flatnonzero((parent == s) & (depth > 0)) for s in range(LANES)]
    children = np.full((max(len(b) for b in below), LANES), NO_SEGMENT, np.int32)
    for s, b in enumerate(below):
        children[: len(b), s] = b
    return Segments(
        parent,
        np.ascontiguousarray(rows.T, dtype=np.float32),
        _sparse(coupling),
        _sparse(coupling.T),
        offset,
        int(depth.max()),
        children,
        link,
        hang,
    )


def _sparse(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(share, column) of the entries of every row, [k, rows], padded with shares of 0."""
    most = max(1, int((matrix != 0).sum(axis=1).max()))
    column = np.argsort(matrix == 0, axis=1, kind="stable")[:, :most]
    share = np.take_along_axis(matrix, column, axis=1)
    return np.ascontiguousarray(share.T), np.ascontiguousarray(column.T).astype(np.int32)


def _pose(R: np.ndarray, p: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, p
    return T


def _onto(axis: np.ndarray) -> np.ndarray:
    """A rotation that takes z onto the axis."""
    z = axis / np.linalg.norm(axis)
    x = np.cross(np.eye(3)[np.argmin(np.abs(z))], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


#: Skin vertices, or balls, that one step of a program takes.
TILE = 32
#: How often the links of a tile's positions change.
PHASES = 2
#: Spheres that one step takes; their number is rounded up to it.
SPHERES = 32
#: Rows of the gradients of positions and pads, and the first that holds nothing.
ROWS, NO_ROW = PHASES * TILE + 16, PHASES * TILE + 8
_AWAY = 1e3  # where padding stands, metres


class KernelLayout(NamedTuple):
    """Constants of the kernel for one hand.

    Attributes:
      order, mask: which skin vertex stands where, and 1 where one does; tile after tile.
      skin: x, y, z in the frame that carries it, weights in the means of eqs. 6, 7 and E_cmap, mask.
      skin_frame: frame of each position, the same in all tiles of a phase, so that its pose is read once and
        the gradients of its vertices add up in place.
      tiles: first and last of each phase.
      ball, ball_frame: x, y, z in the frame that carries it: spheres of E_spen, the other spheres, pads.
      sum_rows: which rows each frame adds up, PHASES of TILE positions, 8 pads, then rows of nothing.
      radius: of every ball, 0 for pads.
      max_radius: the greatest radius.
      first_pad, pad_mask: where the pads begin, and 1 for the real ones.
      min_distance, min_distance2, num_collision_spheres: r_a + r_b of the pairs of E_spen and its square,
        negative for pairs that do not count, and how many spheres it has.
    """

    order: np.ndarray
    mask: np.ndarray
    skin: np.ndarray
    skin_frame: np.ndarray
    tiles: np.ndarray
    sum_rows: np.ndarray
    ball: np.ndarray
    ball_frame: np.ndarray
    radius: np.ndarray
    max_radius: float
    first_pad: int
    pad_mask: np.ndarray
    min_distance: np.ndarray
    min_distance2: np.ndarray
    num_collision_spheres: int


@lru_cache(maxsize=16)
def kernel_layout(hand: HandModel, moving: bool = False) -> KernelLayout:
    """Sorts, groups and pads.

    Args:
      hand: static.
      moving: points hang on the segments of `segments`, else on links.

    Raises:
      ValueError: more pads or links than the kernel numbers.
    """
    if len(hand.pad_link) > 8 or len(hand.link_names) > LANES:
        raise ValueError(
            f"got {len(hand.pad_link)} pads and {len(hand.link_names)} links; expected at most 8 and "
            f"{LANES}; refine this hand with path='xla'"
        )
    body, tree = layout(hand), segments(hand)
    links = len(hand.link_names)
    frame = tree.link if moving else np.arange(links)
    T_frame_link = tree.T_segment_link if moving else np.tile(np.eye(4), (links, 1, 1))
    order, mask, skin_link, tiles = _dealt(hand.skin_link)
    p_skin = _carried(T_frame_link[hand.skin_link[order]], hand.p_link_skin[order])
    skin = np.stack([*p_skin.T, *(s[order] for s in body.mean_weight), np.ones(len(order))])
    skin = (skin * mask).astype(np.float32)
    sphere, few = body.sphere, len(body.min_distance)
    first_pad = -(-len(sphere) // SPHERES) * SPHERES
    size = -(-(first_pad + 8) // TILE) * TILE
    ball = np.full((size, 3), _AWAY)
    ball_link, radius = np.zeros(len(ball), np.int32), np.zeros(len(ball), np.float32)
    ball[: len(sphere)], ball_link[: len(sphere)] = hand.p_link_sphere[sphere], hand.sphere_link[sphere]
    radius[: len(sphere)] = body.radius
    pads = len(hand.pad_link)
    ball[first_pad:] = 0.0
    ball[first_pad : first_pad + pads] = hand.p_link_pad
    ball_link[first_pad : first_pad + pads] = hand.pad_link
    ball = _carried(T_frame_link[ball_link], ball)
    size = _power(few)
    reach = np.full((size, size), -1.0, np.float32)
    reach[:few, :few] = body.min_distance
    skin_frame, ball_frame = (frame[x].astype(np.int32) for x in (skin_link, ball_link))
    return KernelLayout(
        order=order,
        mask=mask.astype(np.float32),
        skin=skin,
        skin_frame=skin_frame,
        tiles=np.stack([np.cumsum(tiles) - tiles, np.cumsum(tiles)], axis=1).astype(np.int32),
        sum_rows=_rows_of(np.concatenate([skin_frame.ravel(), frame[hand.pad_link]])),
        ball=np.ascontiguousarray(ball.T, dtype=np.float32),
        ball_frame=ball_frame,
        radius=radius,
        max_radius=float(body.radius.max()),
        first_pad=first_pad,
        pad_mask=(np.arange(8) < pads).astype(np.float32),
        min_distance=reach,
        min_distance2=np.where(reach > 0.0, reach**2, -_AWAY).astype(np.float32),
        num_collision_spheres=few,
    )


def _carried(T: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points of the frames b in frames a, T = T_a_b of each point."""
    return np.einsum("nij,nj->ni", T[:, :3, :3], points) + T[:, :3, 3]


def _rows_of(frame: np.ndarray) -> np.ndarray:
    """Column f: the rows that hang on frame f, then NO_ROW."""
    mine = [np.flatnonzero(frame == f) for f in range(LANES)]
    rows = np.full((max(len(m) for m in mine), LANES), NO_ROW, np.int32)
    for f, m in enumerate(mine):
        rows[: len(m), f] = m
    return rows


def _dealt(link: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(vertex, whether it is one, link of the positions by phase, tiles of each phase), as few as possible.

    In the first phase every link fills its positions; what is left over is dealt in the second.

    Raises:
      ValueError: skin on more links than a tile has positions.
    """
    numbers, counts = np.unique(link, return_counts=True)
    if len(numbers) > TILE:
        raise ValueError(f"got skin on {len(numbers)} links; expected at most {TILE}; use path='xla'")
    best: tuple[int, list[tuple[int, np.ndarray]]] | None = None
    for first in range(len(link) + 1):
        wide = counts // first if first else np.zeros_like(counts)
        if wide.sum() > TILE:
            continue
        left = counts - wide * first
        spare = np.argsort(-left, kind="stable")[: TILE - wide.sum() if first else 0]
        for taken in range(len(spare) + 1):
            more, rest = wide.copy(), left.copy()
            more[spare[:taken]] += 1
            rest[spare[:taken]] = 0
            second = next(n for n in range(len(link) + 1) if _wide(rest, n).sum() <= TILE)
            if best is None or first + second < best[0]:
                best = first + second, [(first, more), (second, _wide(rest, second))]
    assert best is not None
    order, exists = np.zeros((best[0], TILE), int), np.zeros((best[0], TILE), bool)
    at, used, begin = np.full((PHASES, TILE), numbers[0], np.int32), np.zeros_like(counts), 0
    for phase, (tiles, wide) in enumerate(best[1]):
        left = 0
        for i, n in enumerate(wide):
            mine = np.flatnonzero(link == numbers[i])[used[i] : used[i] + tiles * n]
            block, slots = (
                np.arange(tiles * n).reshape(tiles, n),
                (slice(begin, begin + tiles), slice(left, left + n)),
            )
            order[slots] = mine[np.minimum(block, len(mine) - 1)] if len(mine) else 0
            exists[slots] = block < len(mine)
            at[phase, left : left + n] = numbers[i]
            used[i] += len(mine)
            left += n
        begin += tiles
    return order.ravel(), exists.ravel(), at, np.array([tiles for tiles, _ in best[1]], np.int32)


def _wide(counts: np.ndarray, tiles: int) -> np.ndarray:
    """Positions that each link needs in so many tiles; too many where there are none."""
    return -(-counts // tiles) if tiles else counts * (TILE + 1)


def _power(n: int) -> int:
    return 1 << (n - 1).bit_length()
