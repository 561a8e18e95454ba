"""The benchmark's sentences in other languages: the data, and that they are read as the English ones are."""

from __future__ import annotations

import hashlib

from sim_eval.benchmark.instructions import SETS, instructions
from sim_eval.benchmark.languages import LANGUAGES, is_right, same, spoken
from tests.reasoning import offline_things as t
from zdg_jax.reasoning.rules.task_plan import make_plan


def test_forty_sentences_chosen_by_chance() -> None:
    chosen: list[str] = []
    for set_name, most in zip(SETS, (24, 16), strict=True):
        rows = sorted(
            instructions(set_name), key=lambda r: hashlib.sha256(f"words {r.id}".encode()).hexdigest()
        )
        seen: dict[str, str] = {}
        for row in rows:
            seen.setdefault(row.category, row.id)
        chosen += list(seen.values())[:most]
    assert [row.instruction.id for row in spoken()] == chosen
    assert all(tuple(row.said) == LANGUAGES for row in spoken())
    assert sum(row.kept for row in spoken()) == 20


def test_sentences_are_read_as_the_english_ones() -> None:
    """On one mug for all: what the sentence says decides, and what the shape says is the same."""
    obj = t.mug()
    agree = dict.fromkeys(LANGUAGES, 0)
    for row in spoken():
        english = make_plan(row.instruction.task, row.instruction.object_name, obj)
        for code, (task, name) in row.said.items():
            agree[code] += same(make_plan(task, name, obj), english)
    assert min(agree[code] for code in LANGUAGES if code != "it") >= 36, agree


def test_right_is_on_the_label_or_all_of_it() -> None:
    plan = make_plan("hammer a nail", "hammer", t.hammer())
    held = plan.holds[0][0]
    rest = {p.number: (100, 0) for p in t.hammer().parts}
    assert not is_right(plan, rest)
    assert is_right(plan, {**rest, held: (100, 50)})
    assert is_right(plan, {**rest, held: (100, 3)})
    assert not is_right(plan, {**dict.fromkeys(rest, (100, 90)), held: (100, 3)})
