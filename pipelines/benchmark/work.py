"""Which units make a run, and the pictures of those that failed."""

from __future__ import annotations

import sys
from collections.abc import Container, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from PIL import Image

from pipelines.benchmark.group import Group
from pipelines.benchmark.methods import MethodGrasps
from pipelines.benchmark.page import Run, failures
from pipelines.benchmark.rows import Crew
from pipelines.benchmark.runners import run_groups
from pipelines.benchmark.unit import (
    UnitOptions,
    measure_unit,
    stored_unit,
    unit_key,
    unit_path,
)
from pipelines.pictures import kept_grasps
from sim_eval.benchmark.instructions import Instruction, SetName, instructions, split
from zdg_jax import api
from zdg_jax.errors import UserError, printable
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.objects.parts.named import with_named_parts


def chosen_instructions(
    set_name: SetName, half: str = "all", only: Sequence[str] = (), limit: int | None = None
) -> tuple[Instruction, ...]:
    """The instructions of a run; with a limit, one of each category first, then a second one, and so on.

    Raises:
      UserError: nothing is left.
    """
    halves = split(set_name)
    kept = [
        i
        for i in instructions(set_name)
        if half in ("all", halves[i.category]) and (not only or any(text in i.id for text in only))
    ]
    if limit is not None and limit < len(kept):
        by: dict[str, list[Instruction]] = {}
        for i in kept:
            by.setdefault(i.category, []).append(i)
        # category k starts with its k-th instruction, so that intents and variants mix
        turned = [own[k % len(own) :] + own[: k % len(own)] for k, own in enumerate(by.values())]
        in_turn = [i for layer in zip_longest(*turned) for i in layer if i is not None]
        chosen = {i.id for i in in_turn[:limit]}
        kept = [i for i in kept if i.id in chosen]
    if not kept:
        raise UserError("no instruction with these choices", "at least one", "loosen --half or --only")
    return tuple(kept)


def run_all(
    wanted: Sequence[Instruction],
    rows: Sequence[str],
    methods: Sequence[MethodGrasps],
    options: UnitOptions,
    out: Path,
    crew: Crew | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Every (row, instruction), read from its file where a run with the same options has finished it."""
    names = (*rows, *(method.name for method in methods))
    sources = {method.name: method.source for method in methods}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in names:
        for i in wanted:
            result = stored_unit(unit_path(out, row, i), unit_key(i, row, options))
            # another file of a method's is another result
            if result is not None and (row not in sources or result.get("source") == sources[row](i.id)):
                found[row, i.id] = result
    left = len(names) * len(wanted) - len(found)
    load_hand(options.hand)
    if any((row, i.id) not in found for row in rows for i in wanted):
        api.close_reasoner(api.make_reasoner(options.asked, check=True))

    def done(units: Sequence[dict[str, Any]]) -> None:
        nonlocal left
        for unit in units:
            found[unit["row"], unit["id"]] = unit
            left -= 1
            _say(left, unit)

    run_groups(groups_of(wanted, rows, set(found)), crew or Crew(), options, out, done)
    for method in methods:
        for i in wanted:
            if (method.name, i.id) not in found:
                done([measure_unit(i, method, options, out)])
    return {row: [found[row, i.id] for i in wanted] for row in names}


def groups_of(
    wanted: Sequence[Instruction], rows: Sequence[str], done: Container[tuple[str, str]]
) -> list[Group]:
    """The units that are left, those of one object together.

    Args:
      wanted: instructions, in order.
      rows: of the table.
      done: (row, instruction id) of those that are there.
    """
    by: dict[str, list[tuple[Instruction, str]]] = {}
    for i in wanted:
        for row in rows:
            if (row, i.id) not in done:
                by.setdefault(i.object, []).append((i, row))
    return [Group(number, tuple(units)) for number, units in enumerate(by.values())]


def draw_failures(
    run: Run, options: UnitOptions, methods: Sequence[MethodGrasps], most: int
) -> dict[tuple[str, str], Image.Image]:
    """The best grasp of each failed unit, the labelled parts in blue; at most `most` a row."""
    hands = {method.name: method.hand for method in methods}
    pictures = {}
    for row, units in run.units.items():
        hand = hands.get(row) or load_hand(options.hand)
        for unit, _ in [f for f in failures(units) if f[0]["grasps"]][:most]:
            instruction = run.instructions[unit["id"]]
            obj, names = with_named_parts(load_object(instruction.object, seed=options.seed))
            target = [names.index(n) + 1 for n in {*instruction.hand_parts, *instruction.func_parts}]
            best = {
                "energy_total": float("nan"),
                **unit["grasps"][0],
                "part_ids": target,
                "grasp_type": unit.get("grasp_type", row),
            }
            if all(best[name] is not None for name in ("p_dep_cm", "p_vol_cm3", "sim_dis_cm")):
                pictures[row, unit["id"]] = kept_grasps(obj, hand, [best], size=220, columns=1)
    return pictures


def _say(left: int, unit: dict[str, Any]) -> None:
    best = unit["grasps"][0] if unit["grasps"] else {}
    shown = {name: best.get(name) for name in ("part_acc", "sc_ratio", "p_dep_cm", "sim_suc")}
    said = ", ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in shown.items())
    line = f"[{left} left] {unit['row']} {unit['id']}: {unit['status']}, {said}"
    print(printable(line), file=sys.stderr, flush=True)
