"""How much of what English gets the offline reasoner gets in other languages.

python -m sim_eval.benchmark.languages
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml
from rich.console import Console
from rich.table import Table

from sim_eval.benchmark.instructions import Instruction, instructions
from zdg_jax.objects import load_object
from zdg_jax.objects.parts.named import named_parts
from zdg_jax.reasoning.protocol import ObservedObject
from zdg_jax.reasoning.rules.affordances import load_table
from zdg_jax.reasoning.rules.near import bundled
from zdg_jax.reasoning.rules.task_plan import Plan, make_plan
from zdg_jax.reasoning.state import observe_object

LANGUAGES = ("de", "fr", "es", "zh", "ja", "it")


@dataclass(frozen=True)
class Spoken:
    """One of the benchmark's instructions in other languages.

    Attributes:
      instruction: in English, with its labels.
      kept: not looked at while the word lists were made.
      said: language -> (sentence, what the object is called).
    """

    instruction: Instruction
    kept: bool
    said: dict[str, tuple[str, str]]


@cache
def spoken() -> tuple[Spoken, ...]:
    """All of data/languages.yaml.

    Raises:
      KeyError: there is no instruction of that id.
    """
    text = files("sim_eval.benchmark").joinpath("data", "languages.yaml").read_text(encoding="utf-8")
    known = {row.id: row for name in ("zoo", "ycb") for row in instructions(name)}
    return tuple(
        Spoken(known[key], bool(k % 2), {code: (task, name) for code, (task, name) in row.items()})
        for k, (key, row) in enumerate(yaml.safe_load(text).items())
    )


def family(plan: Plan) -> str:
    """The family of shapes that a plan takes its thing for."""
    row = load_table().classes.get(plan.thing)
    return plan.thing if row is None else row.family


def same(plan: Plan, english: Plan) -> bool:
    """Whether intent, family and the first choice of held parts agree."""
    return (
        plan.reading.intent == english.reading.intent
        and family(plan) == family(english)
        and plan.holds[0] == english.holds[0]
    )


def is_right(plan: Plan, on_label: dict[int, tuple[int, int]]) -> bool:
    """Whether the first choice of held parts is the labelled part.

    Args:
      plan: of the offline reasoner.
      on_label: part -> (its samples, those of them on the labelled hand parts).

    Returns:
      at least half of what is held lies on the label, or half of the label is held.
    """
    held, hit = (sum(on_label[n][k] for n in plan.holds[0]) for k in (0, 1))
    return 2 * hit >= held > 0 or 2 * hit >= sum(hits for _, hits in on_label.values()) > 0


def observed(instruction: Instruction) -> tuple[ObservedObject, dict[int, tuple[int, int]]]:
    """An instruction's object in numbers, and `is_right`'s counts."""
    obj = load_object(instruction.object)
    label = named_parts(obj).samples_of(obj, instruction.hand_parts)
    seen = observe_object(obj)
    masks = {p.number: obj.part_mask((p.number,)) for p in seen.parts}
    return seen, {n: (int(mask.sum()), int((mask & label).sum())) for n, mask in masks.items()}


def main() -> None:
    """Print, for the sentence alone and with the object's name: plans equal to English ones, right parts."""
    plans: Counter[tuple[bool, str]] = Counter()
    kept: Counter[tuple[bool, str]] = Counter()
    right: Counter[tuple[bool, str]] = Counter()
    for row in spoken():
        obj, on_label = observed(row.instruction)
        for named in (False, True):
            english = make_plan(row.instruction.task, row.instruction.object_name if named else None, obj)
            right[named, "en"] += is_right(english, on_label)
            for code, (task, name) in row.said.items():
                plan = make_plan(task, name if named else None, obj)
                plans[named, code] += same(plan, english)
                kept[named, code] += row.kept and same(plan, english)
                right[named, code] += is_right(plan, on_label)
    found, total = bundled(), len(spoken())
    table = Table(title=f"{total} sentences, embedding: {found.name if found else 'none'}")
    heads = ("plans as in English", f"of {total // 2} kept", "right part")
    for head in ("", *heads, *(f"{head}, named" for head in heads)):
        table.add_column(head)
    for code in ("en", *LANGUAGES):
        cells = [str(counts[named, code]) for named in (False, True) for counts in (plans, kept, right)]
        table.add_row(code, *cells)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
