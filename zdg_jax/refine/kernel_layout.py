"""A hand's points sorted and padded for the kernel: whole tiles, in which every position keeps its link."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from zdg_jax.hands.model import HandModel
from zdg_jax.refine.objective import layout
from zdg_jax.refine.pushes import SPHERE_BITS

#: Skin vertices, or balls, that one step of a program takes.
TILE = 64
#: Spheres that one step takes; their number is rounded up to it.
SPHERES = 32
_AWAY = 1e3  # where padding stands, metres


class KernelLayout(NamedTuple):
    """Constants of the kernel for one hand.

    Attributes:
      links: number of links, rounded up to a power of two.
      order, exists: which skin vertex stands where, and 1 where one does; tile after tile.
      skin: x, y, z in the link's frame, weights in the means of eqs. 6, 7 and E_cmap, exists.
      skin_link: link of each position, the same in every tile, so that its pose is read once and what its
        vertices feel adds up in place.
      ball, ball_link: x, y, z in the link's frame: spheres of E_spen, the other spheres, pads.
      radius: of every ball, 0 for pads.
      most: the greatest radius.
      first_pad, pad_exists: where the pads begin, and 1 for the real ones.
      touch, thins: r_a + r_b of the pairs of E_spen, and how many spheres it has.
    """

    links: int
    order: np.ndarray
    exists: np.ndarray
    skin: np.ndarray
    skin_link: np.ndarray
    ball: np.ndarray
    ball_link: np.ndarray
    radius: np.ndarray
    most: float
    first_pad: int
    pad_exists: np.ndarray
    touch: np.ndarray
    thins: int


@lru_cache(maxsize=16)
def kernel_layout(hand: HandModel) -> KernelLayout:
    """Sorts, groups and pads.

    Raises:
      ValueError: more pads or spheres than the kernel numbers.
    """
    if len(hand.pad_link) > 8 or len(hand.sphere_link) > 1 << SPHERE_BITS:
        raise ValueError(
            f"got {len(hand.pad_link)} pads and {len(hand.sphere_link)} spheres; expected at most 8 and "
            f"{1 << SPHERE_BITS}; "
            "refine this hand with path='xla'"
        )
    body = layout(hand)
    order, exists, skin_link = _dealt(hand.skin_link)
    skin = np.stack([*hand.p_link_skin[order].T, *(s[order] for s in body.share), np.ones(len(order))])
    skin = (skin * exists).astype(np.float32)
    sphere, thins = body.sphere, len(body.touch)
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
    size = _power(thins)
    touch = np.full((size, size), -1.0, np.float32)
    touch[:thins, :thins] = body.touch
    return KernelLayout(
        links=max(16, _power(len(hand.link_names))),
        order=order,
        exists=exists.astype(np.float32),
        skin=skin,
        skin_link=skin_link,
        ball=np.ascontiguousarray(ball.T, dtype=np.float32),
        ball_link=ball_link,
        radius=radius,
        most=float(body.radius.max()),
        first_pad=first_pad,
        pad_exists=(np.arange(8) < pads).astype(np.float32),
        touch=touch,
        thins=thins,
    )


def _dealt(link: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(vertex, whether it is one, link of the positions) with as few tiles as the links allow."""
    numbers, counts = np.unique(link, return_counts=True)
    if len(numbers) > TILE:
        raise ValueError(f"got skin on {len(numbers)} links; expected at most {TILE}; use path='xla'")
    tiles = next(n for n in range(1, len(link) + 1) if (-(-counts // n)).sum() <= TILE)
    order, exists = np.zeros((tiles, TILE), int), np.zeros((tiles, TILE), bool)
    at = np.full(TILE, numbers[0], np.int32)
    first = 0
    for number, count in zip(numbers, counts, strict=True):
        wide = -(-count // tiles)
        mine = np.flatnonzero(link == number)
        block = np.arange(tiles * wide).reshape(tiles, wide)
        order[:, first : first + wide] = mine[np.minimum(block, count - 1)]
        exists[:, first : first + wide] = block < count
        at[first : first + wide] = number
        first += wide
    return order.ravel(), exists.ravel(), at


def _power(n: int) -> int:
    return 1 << (n - 1).bit_length()
