"""What a batch of grasps is refined against: shared tables and one entry a task, all plain data."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Array, Float, Int, UInt32

from zdg_jax.objects.lookup import Lattice

#: Object points tested against the hand's spheres (the second sum of E_pen): each step takes one of the
#: BATCHES in turn, so that many points cost a step no more than few.
BATCHES, SAMPLES = 8, 256
#: So many samples in a row lie close together: what the kernel tests at once against a group of spheres.
NEIGHBOURS = 32


class Tables(NamedTuple):
    """Fields of all objects and tasks of a batch, laid end to end; a Lattice says where each begins.

    Attributes:
      entries, rows: of `SignedDistanceField`.
      regions: a row a cell, four words of distance to M_hand^3d, four of distance to P_func^3d.
    """

    entries: Int[Array, " entries"]
    rows: UInt32[Array, "rows 4"]
    regions: UInt32[Array, "cells 8"]


class Targets(NamedTuple):
    """One entry a task (a leading axis `p` for many).

    Attributes:
      lattice: of the object's coarse cells, where signed distance and region distances are stored.
      object_samples: surface points near the hand region, in batches, by component; field frame, metres.
      sample_weight: how many of the object's 4096 samples one of a batch stands for.
      prior: contact prior C of the chosen grasp type.
      weights: λ in the order of `energies.TERMS`.
      tolerance: see `RefineConfig.skin_tolerance`.
    """

    lattice: Lattice
    object_samples: Float[Array, "*p batches 3 samples"]
    sample_weight: Float[Array, "*p"]
    prior: Float[Array, "*p vertices"]
    weights: Float[Array, "*p terms"]
    tolerance: Float[Array, "*p"]
