"""Tests in simulation, one file a protocol: each turns grasps into columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name

import numpy as np

from sim_eval.backends import Backend
from sim_eval.simobject import SimObject
from zdg_jax.columns import COLUMNS, Column
from zdg_jax.columns import register as register_column
from zdg_jax.errors import UserError, one_of
from zdg_jax.grasps import Grasps
from zdg_jax.hands.model import HandModel

Test = Callable[[HandModel, tuple[SimObject, ...], Grasps, Backend], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Protocol:
    """One test.

    Attributes:
      columns: names of what it gives besides status and status_reason, all in `zdg_jax.columns`.
      test: called with the hand, the objects cut as the simulator wants them, the grasps (`object_index` says
        which object each is of, the measured columns of `evaluate` are there), and the simulator.
    """

    columns: tuple[str, ...]
    test: Test

    def nothing(self, n: int) -> dict[str, np.ndarray]:
        """The columns of n grasps without any result: NaN, 0 and no success."""
        kinds = {"real": np.float64, "flag": np.bool_, "count": np.int64}
        return {
            name: np.full(n, np.nan if COLUMNS[name].kind == "real" else 0).astype(kinds[COLUMNS[name].kind])
            for name in self.columns
        }


PROTOCOLS: dict[str, str | Protocol] = {
    "gravity": "sim_eval.protocols.gravity:PROTOCOL",
    "gravity_hold": "sim_eval.protocols.gravity_hold:PROTOCOL",
    "six_force": "sim_eval.protocols.six_force:PROTOCOL",
}


def protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
      UserError: unknown; the message lists the valid ones.
    """
    given = PROTOCOLS[one_of("protocol", name, PROTOCOLS, "choose one with --protocol")]
    return resolve_name(given) if isinstance(given, str) else given


def register(name: str, given: Protocol, columns: Sequence[Column] = ()) -> None:
    """Add a protocol from outside, with the columns of its own that it gives.

    Raises:
      UserError: there is one of that name, or a column of it exists.
    """
    if name in PROTOCOLS:
        raise UserError(f"protocol {name!r}, which exists", "a new name", "choose another")
    for column in columns:
        register_column(column)
    PROTOCOLS[name] = given
