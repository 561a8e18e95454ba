"""Object points tested against the hand's spheres: those in its reach, dealt evenly into batches.

Many tasks are dealt at once, and what is the object's own is found once: on a host the points of 256 tasks
took a fifth of the time in which a GPU refines them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float, Int, UInt32
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.samples import evenly

#: Object points tested against the hand's spheres (the second sum of E_pen): each step takes one of the
#: BATCHES in turn, so that many points cost a step no more than few.
BATCHES, SAMPLES = 8, 256
#: So many samples in a row lie close together: what the kernel tests at once against a group of spheres.
NEIGHBOURS = 32
#: How far from the hand region the hand may still run into the object, metres.
REACH = 0.10
_DEAL = np.random.default_rng(0).permutation(BATCHES * SAMPLES)
#: Tasks dealt at once: their arrays stay in a processor's cache, and places in them fit into a key. More are
#: dealt by so many threads: a GPU waits for them.
_AT_ONCE, _THREADS = 32, min(4, os.cpu_count() or 1)
_ALONG = np.array([way for way in itertools.product((-1.0, 0.0, 1.0), repeat=3) if way > (0.0, 0.0, 0.0)])
_ALONG /= np.linalg.norm(_ALONG, axis=1, keepdims=True)
#: Squared distances below the first are within REACH, beyond the second they are not, however rounded.
_SURELY, _NEVER = (REACH * (1 - 1e-9)) ** 2, (REACH * (1 + 1e-9)) ** 2
#: Distances from points to a region that are all measured; of more a tree is asked.
_ALL_PAIRS = 1 << 20


class Dealt(NamedTuple):
    """The samples of one task.

    Attributes:
      samples: in batches, by component, metres.
      weight: how many points one of a batch stands for.
    """

    samples: Float[np.ndarray, "batches 3 samples"]
    weight: float


@dataclass(frozen=True, eq=False)
class Surface:
    """Points in the frame of an object's field, metres, and what no task changes of them."""

    points: Float[np.ndarray, "n 3"]

    @cached_property
    def bounds(self) -> Float[np.ndarray, "2 3"]:
        """Lowest and highest coordinates, metres."""
        return np.stack([self.points.min(axis=0), self.points.max(axis=0)])

    @cached_property
    def along(self) -> Float[np.ndarray, "ways n"]:
        """Places along the axes, the diagonals of faces and those of space, metres."""
        return np.ascontiguousarray((self.points @ _ALONG.T).T)

    @cached_property
    def ranks(self) -> tuple[UInt32[np.ndarray, "3 n"], Float[np.ndarray, "3 n"]]:
        """How many coordinates are lower than each, by axis, and the coordinates sorted: sorted[rank]."""
        rank, ascending = np.empty((3, len(self.points)), np.uint32), np.empty((3, len(self.points)))
        for axis, x in enumerate(self.points.T):
            order = x.argsort()
            ascending[axis] = x[order]
            new = np.diff(ascending[axis], prepend=np.nan) != 0.0
            rank[axis, order] = np.maximum.accumulate(np.where(new, np.arange(len(x)), 0))
        return rank, ascending

    @cached_property
    def whole(self) -> Dealt:
        """What is dealt where a hand reaches all of it."""
        return _dealt([(self, np.arange(len(self.points)))])[0]


_SURFACES: WeakKeyDictionary[ObjectModel, Surface] = WeakKeyDictionary()


def surface_of(obj: ObjectModel) -> Surface:
    """The object's surface samples; one as long as the object is there."""
    if (found := _SURFACES.get(obj)) is None:
        found = _SURFACES[obj] = Surface(obj.samples.points @ obj.field.R_field_obj.T)
    return found


#: What the samples of a task are taken from: surface, M_hand^3d, and points that the hand must leave free.
Asked = tuple[Surface, Bool[np.ndarray, " _"], Float[np.ndarray, "_ 3"]]


def deal(tasks: Sequence[Asked]) -> list[Dealt]:
    """Samples and free points within a hand's reach of the hand region, in batches and neighbourhoods.

    Args:
      tasks: each as if it were alone.
    """
    parts = [tasks[i : i + _AT_ONCE] for i in range(0, len(tasks), _AT_ONCE)]
    if len(parts) < 2:
        return _deal(tasks)
    with ThreadPoolExecutor(min(_THREADS, len(parts))) as pool:  # most of it is done without the interpreter
        return [dealt for part in pool.map(_deal, parts) for dealt in part]


def _deal(tasks: Sequence[Asked]) -> list[Dealt]:
    found: list[Dealt | None] = []
    few: list[tuple[Surface, np.ndarray]] = []
    for surface, hand, free in tasks:
        if len(free):
            surface = Surface(np.concatenate([surface.points, free]))
        near = _near(surface, np.flatnonzero(hand))
        found.append(surface.whole if near is None and not len(free) else None)
        if found[-1] is None:
            few.append((surface, np.arange(len(surface.points)) if near is None else near))
    rest = iter(_dealt(few) if few else [])
    return [next(rest) if x is None else x for x in found]


def _near(surface: Surface, region: Int[np.ndarray, " r"]) -> Int[np.ndarray, " m"] | None:
    """Points nearer than REACH to any of the region's; None for all.

    Most are settled by few of the region, or lie further from it than REACH along some way.
    """
    points = surface.points
    furthest = np.abs(surface.bounds - points[region[len(region) // 2]]).max(axis=0)
    if furthest @ furthest < _SURELY:
        return None
    of_region = points[region]
    near = _least(evenly(of_region, 8), points) < _SURELY
    left = np.flatnonzero(~near)
    if len(left):
        own, there = surface.along.take(region, axis=1), surface.along.take(left, axis=1)
        ends = own.argmin(axis=1), own.argmax(axis=1)
        low, high = (np.take_along_axis(own, end[:, None], axis=1) for end in ends)
        apart = np.maximum(low - there, there - high).max(axis=0)
        left = left[apart < REACH * (1 + 1e-9)]
        least = _least(of_region[np.concatenate(ends)], points[left])
        near[left[least < _SURELY]] = True
        left = left[least >= _SURELY]
    if len(left) and len(left) * len(region) <= _ALL_PAIRS:
        least = _least(of_region, points[left])
        near[left[least < _SURELY]] = True
        left = left[(least >= _SURELY) & (least <= _NEVER)]
    if len(left):
        near[left] = KDTree(of_region).query(points[left], distance_upper_bound=REACH)[0] < REACH
    return None if near.all() else np.flatnonzero(near)


def _least(some: Float[np.ndarray, "s 3"], points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    return cdist(some, points, "sqeuclidean").min(axis=0)


def _dealt(tasks: Sequence[tuple[Surface, Int[np.ndarray, " _"]]]) -> list[Dealt]:
    """Of these points of each surface."""
    chosen = np.stack([_taken(near) for _, near in tasks])[:, _DEAL]
    surfaces = {id(surface): surface for surface, _ in tasks}
    ends = np.cumsum([0, *(len(s.points) for s in surfaces.values())], dtype=np.uint32)
    begin = dict(zip(surfaces, ends, strict=False))
    ascending = np.concatenate([s.ranks[1] for s in surfaces.values()], axis=1)
    ranks = [s.ranks[0].take(own, axis=1) + begin[id(s)] for (s, _), own in zip(tasks, chosen, strict=True)]
    place = _neighbours(np.stack(ranks, axis=1).reshape(3, -1, SAMPLES), ascending)
    chosen = np.take_along_axis(chosen.reshape(place.shape), place, axis=1)
    return [
        Dealt(np.ascontiguousarray(s.points[own].transpose(0, 2, 1)), len(near) / SAMPLES)
        for (s, near), own in zip(tasks, chosen.reshape(-1, BATCHES, SAMPLES), strict=True)
    ]


def _taken(near: Int[np.ndarray, " m"]) -> Int[np.ndarray, " all"]:
    """As many of them as all batches hold, evenly, or again and again."""
    total = BATCHES * SAMPLES
    return np.resize(near, total) if len(near) < total else evenly(near, total)


def _neighbours(
    rank: UInt32[np.ndarray, "3 b n"], ascending: Float[np.ndarray, "3 all"]
) -> Int[np.ndarray, "b n"]:
    """An order of each batch, halved along the longest axis again and again: runs of NEIGHBOURS lie close.

    Ranks are sorted in place of coordinates, each with its place below it: whole numbers that differ sort
    twenty times as fast as floats among which equal ones have to keep their order.

    Args:
      rank: of every point, by axis: `ascending[axis, rank]` is its coordinate.
      ascending: coordinates, each axis by itself; of several surfaces one after the other.
    """
    batches = rank.shape[1:]
    place = np.broadcast_to(np.arange(batches[1]), batches)
    while (size := rank.shape[2]) > NEIGHBOURS:
        low, high = rank.min(axis=2), rank.max(axis=2)
        extent = np.take_along_axis(ascending, high, axis=1) - np.take_along_axis(ascending, low, axis=1)
        rows = np.arange(len(extent[0]))
        bits = (size - 1).bit_length()
        keys = (rank[extent.argmax(axis=0), rows] << np.uint32(bits)) | np.arange(size, dtype=np.uint32)
        keys.sort(axis=1)
        order = (keys & np.uint32(size - 1)).astype(np.intp) + size * rows[:, None]
        place = place.take(order).reshape(2 * len(rows), -1)
        rank = rank.reshape(3, -1).take(order, axis=1).reshape(3, *place.shape)
    return place.reshape(batches)
