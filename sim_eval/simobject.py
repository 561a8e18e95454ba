"""An object as every backend simulates it: convex pieces and the inertia of the whole mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import trimesh
from jaxtyping import Float

from sim_eval.convex import ConvexParams, convex_pieces
from sim_eval.solids import Inertial, Slots, fill_slots, inertial_of


# eq=False: compared and hashed by identity, so that compiled scenes can be kept per object.
@dataclass(frozen=True, eq=False)
class SimObject:
    """What a simulation needs of an object.

    Attributes:
      pieces: vertices of each convex piece in the object frame, metres.
      inertial: of 1 kg of it; protocols scale it.
      note: what had to be assumed, for `status_reason`; "" for nothing.
    """

    pieces: tuple[Float[np.ndarray, "_ 3"], ...]
    inertial: Inertial
    note: str = ""

    @cached_property
    def slots(self) -> Slots:
        """The pieces as padded arrays about the centre of mass; see `sim_eval.solids.fill_slots`."""
        return fill_slots(self.pieces, self.inertial.com)


def sim_object(mesh: trimesh.Trimesh, convex: ConvexParams | None = None) -> SimObject:
    """Cut a mesh and weigh it.

    Args:
      mesh: outward faces, metres.
      convex: how to cut; `sim_eval.convex.MJX_TEMPLATE` for backends that need it.

    Raises:
      ValueError: the object has no convex piece or no inertia.
    """
    cut = convex_pieces(mesh, convex)
    inertial = inertial_of(mesh, cut.pieces, 1.0)
    notes = [cut.note] if cut.note else []
    if inertial.source != "mesh":
        notes.append("mass and inertia of the convex pieces' union (mesh bounds no solid)")
    return SimObject(cut.pieces, inertial, "; ".join(notes))
