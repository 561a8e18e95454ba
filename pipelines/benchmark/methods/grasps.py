"""What every adapter gives: a method's grasps by instruction, in our conventions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from zdg_jax.hands.model import HandModel


@dataclass(frozen=True)
class MethodGrasps:
    """Grasps by instruction id.

    Attributes:
      name: of the method, the table's row.
      hand: the hand they are for.
      grasps: instruction id -> (hand_pose [n 7], joints [n active] in the order of `hand.active_names`).
      broken: instruction id -> why a file or grasp of it could not be read, one line each.
      form: of the files.
      notes: what there is to know of the row, one line each.
    """

    name: str
    hand: HandModel
    grasps: Mapping[str, tuple[Float[np.ndarray, "n 7"], Float[np.ndarray, "n active"]]]
    broken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    form: str = "npz"
    notes: tuple[str, ...] = ()

    def source(self, instruction: str) -> str:
        """Hash of what the method gives for an instruction: other files, another result."""
        digest = hashlib.sha256(self.hand.reference.encode())
        for array in self.grasps.get(instruction, ()):
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        digest.update("\n".join(self.broken.get(instruction, ())).encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Entry:
    """Grasps as a file holds them.

    Attributes:
      instruction: the id, or the object, that the file itself names; "" if the file's name says it.
      rows: numbers of one grasp each, whatever the form; None if they can't be used.
      reason: why not.
      hand: that the rows are for, once they are put on it; "" where there are none.
    """

    instruction: str = ""
    rows: Float[np.ndarray, "n *numbers"] | None = None
    reason: str = ""
    hand: str = ""


@dataclass(frozen=True)
class Put:
    """Rows put on a hand of ours; a row that can't be has NaN."""

    hand: HandModel
    hand_pose: Float[np.ndarray, "n 7"]
    joints: Float[np.ndarray, "n active"]
    notes: tuple[str, ...] = ()


@runtime_checkable
class Adapter(Protocol):
    """One form of files: a module with these names."""

    @property
    def NAME(self) -> str: ...
    @property
    def SUFFIX(self) -> str: ...

    def detect(self, file: Path) -> bool:
        """Whether the file is of this form, by its contents."""
        ...

    def entries(self, file: Path) -> list[Entry]:
        """What the file holds. Raises `UserError` if it can't be read."""
        ...

    def put(self, rows: Float[np.ndarray, "n *numbers"], objects: Sequence[str], hand: str) -> Put:
        """All finite rows of all files at once, with the OBJECT of each, on the hand of `Entry.hand`."""
        ...
