from __future__ import annotations

import pytest

from zdg_jax.reasoning.rules.affordances import load_table
from zdg_jax.reasoning.rules.task_plan import acted_on, part_rule

TABLE = load_table()


@pytest.mark.parametrize(
    ("task", "name", "part"),
    [
        ("Take the lid off the pot.", "pot", ("lid", "cap")),
        ("Take off the lid to fill the kettle.", "kettle", ("lid", "cap")),
        ("press the pump twice", "bottle", ("pump", "cap")),
        ("Pull the trigger.", None, ("trigger", "trigger")),
        ("lift the lid", "lid", None),  # the thing itself
        ("Take the pot by the handles", "pot", None),
        ("Hand it over so that I can take the lid", "pot", None),
        ("Pour the tea, the lid is loose.", "teapot", None),
        ("Put the pot on the stove.", "pot", None),
    ],
)
def test_the_part_right_after_the_verb(task, name, part):
    assert acted_on(task, TABLE.classes[name] if name else None) == part


def test_the_rule_for_a_part_is_a_valid_rule():
    rule = TABLE.classes["pot"].rules["use"]
    made = part_rule(rule, "lid", "cap")
    assert type(made).model_validate(made.model_dump()) == made
    assert made.hold == ("cap", *rule.hold)
    assert part_rule(rule, "button", "button").grasp == "press"
