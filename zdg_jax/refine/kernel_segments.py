"""A hand as segments, one a hinge: the form in which one warp moves it, a lane a segment."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from zdg_jax.hands.model import HandModel
from zdg_jax.pose import wxyz_to_matrix

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
