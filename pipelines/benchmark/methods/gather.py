"""Which instruction a grasp belongs to, and what becomes of files that can't be read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from pipelines.formats.grasp_file import ObjectSource, files_of
from pipelines.formats.objects import MeasuredObject, load_measured
from sim_eval.benchmark.instructions import SETS, Instruction, instructions
from zdg_jax.errors import UserError
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.sources import ZOO_PREFIX


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


# JSON of other people's, and the numbers in it.
def load_json(file: Path, kind: type | None = None, keys: Sequence[str] = ()) -> Any:
    """The contents of a file; None, without a kind, if it is no JSON.

    Raises:
      UserError: no JSON, another kind of value, a key that is missing.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if kind is None:
            return None
        raise UserError(f"{file.name}, unreadable", "JSON", "check the file") from error
    if kind is not None and not isinstance(data, kind):
        raise UserError(f"{file.name} with a {type(data).__name__}", f"a {kind.__name__}", "check the file")
    if missing := [key for key in keys if key not in data]:
        raise UserError(f"{file.name} without {', '.join(missing)}", ", ".join(keys), "check the file")
    return data


def numbers(given: object, shape: tuple[int, ...], what: str) -> Float[np.ndarray, "n *shape"]:
    """An array [n, *shape]; one alone is n = 1.

    Raises:
      UserError: no numbers, or another shape.
    """
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{what} of no regular numbers", f"shape {shape}", "check the file") from error
    array = array[None] if array.shape == shape else array
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        raise UserError(f"{what} of shape {array.shape}", f"n x {shape}", "check the file")
    return array


# The benchmark's meshes as they are measured, without the parts and fields that synthesis needs.
@lru_cache(maxsize=8)
def benchmark_mesh(spec: str) -> MeasuredObject:
    """The checked mesh and the 4096 samples of `load_object(spec)`.

    Args:
      spec: `zoo:CATEGORY/VARIANT` or `ycb:NAME`.

    Raises:
      UserError: no such object.
    """
    from pathlib import Path

    up = "y" if spec.startswith(ZOO_PREFIX) else "z"
    return load_measured(ObjectSource(spec, path=spec, up=up), Path(), None)


SHOWN = 3  # names in a note


def label(spec: str) -> str:
    """An OBJECT as a file name: "zoo:mug/3" is zoo_mug_3."""
    return spec.replace(":", "_").replace("/", "_")


@cache
def known() -> Mapping[str, tuple[Instruction, ...]]:
    """Instructions by their id, by OBJECT, and by the OBJECT's file name.

    Grasps of an object, from a method that is told no task, count for all of the object's instructions.
    """
    found: dict[str, list[Instruction]] = {}
    for instruction in (i for name in SETS for i in instructions(name)):
        for key in (instruction.id, instruction.object, label(instruction.object)):
            found.setdefault(key, []).append(instruction)
    return {key: tuple(named) for key, named in found.items()}


def named_by(file: Path, root: Path) -> tuple[Instruction, ...]:
    """The instructions that a file's name, or the nearest folder's below and including `root`, names."""
    words = [file.stem, file.name]
    for folder in file.parents:
        if not folder.is_relative_to(root):
            break
        words.append(folder.name)
    return next((known()[word] for word in words if word in known()), ())


def gather(name: str, adapter: Adapter, path: Path) -> MethodGrasps:
    """Read a file, or all files below a folder; one that can't be read is a reason at its instruction.

    Raises:
      UserError: not one grasp or reason belongs to an instruction.
    """
    rows: list[np.ndarray] = []
    objects: list[str] = []
    owners: list[tuple[Instruction, ...]] = []
    broken: dict[str, list[str]] = {}
    strangers: list[str] = []
    hand = ""
    for file in files_of(path, adapter.SUFFIX):
        for entry in _entries(adapter, file):
            own = known().get(entry.instruction, ()) or named_by(file, path)
            if not own:
                strangers.append(entry.instruction or file.name)
                continue
            hand = hand or entry.hand
            for row in _rows(entry, hand):
                if isinstance(row, str):
                    for i in own:
                        broken.setdefault(i.id, []).append(f"{file.name}: {row}")
                else:
                    rows.append(row)
                    objects.append(own[0].object)
                    owners.append(own)
    if not rows and not broken:
        raise UserError(
            f"{path}, of which nothing names an instruction ({_few(strangers) or 'no file'})",
            "ids or objects of the benchmark",
            "name files by them (docs/benchmark.md)",
        )
    if not rows:
        why = next(iter(broken.values()))[0]
        raise UserError(f"{path} without a grasp that can be read ({why})", "at least one", "mend the files")
    put = adapter.put(np.stack(rows), objects, hand)
    of: dict[str, list[int]] = {}
    for k, own in enumerate(owners):
        fine = np.isfinite(put.hand_pose[k]).all() and np.isfinite(put.joints[k]).all()
        for i in own:
            if fine:
                of.setdefault(i.id, []).append(k)
            else:
                broken.setdefault(i.id, []).append("a grasp without a rotation")
    notes = put.notes
    if strangers:
        notes += (f"{len(strangers)} entries name no instruction and were left out: {_few(strangers)}",)
    if broken:
        count = sum(map(len, broken.values()))
        notes += (f"{count} grasps or files of {len(broken)} instructions could not be read",)
    found = {key: (put.hand_pose[index], put.joints[index]) for key, index in of.items()}
    return MethodGrasps(
        name, put.hand, found, {key: tuple(why) for key, why in broken.items()}, adapter.NAME, notes
    )


def _entries(adapter: Adapter, file: Path) -> list[Entry]:
    try:
        return adapter.entries(file)
    except UserError as error:
        return [Entry(reason=str(error))]
    except (
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:  # no value is what it should be
        return [Entry(reason=f"{type(error).__name__}: {' '.join(str(error).split())[:120]}")]


def _rows(entry: Entry, hand: str) -> Iterator[np.ndarray | str]:
    """Rows of finite numbers, or why there is none."""
    if entry.rows is None:
        yield entry.reason
        return
    if entry.hand != hand:
        yield f"of hand {entry.hand}, the row's is {hand}"
        return
    if len(entry.rows) == 0:
        yield "no grasp in it"
    for row in entry.rows:
        yield row if np.isfinite(row).all() else "numbers that are not finite"


def _few(names: list[str]) -> str:
    shown = list(dict.fromkeys(names))
    return ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")
