"""Sentences that name the part to act on: "take the lid off", "press the pump"."""

from __future__ import annotations

from zdg_jax.reasoning.offline.language import tokens
from zdg_jax.reasoning.offline.table import ObjectClass, Rule

# Small parts that stand out; what holds the whole thing (its handle) is the table's business.
_ROLE = {
    **dict.fromkeys(("lid", "cap", "cork", "stopper", "pump", "knob"), "cap"),
    **dict.fromkeys(("button", "switch"), "button"),
    "trigger": "trigger",
}
_ACTS = frozenset("take lift pull press push turn twist flip remove open unscrew squeeze put".split())
_BETWEEN = frozenset("the a its off down up back on".split())
_CLAUSE = frozenset("so while leaving".split())


def acted_on(task: str, row: ObjectClass | None) -> tuple[str, str] | None:
    """(word, role) of the part that the sentence's verb acts on.

    The word stands right after the verb, articles and particles aside; what a later clause names ("so that
    I can take the lid") is left for somebody else. A thing that is itself called so, a pot lid, has no such
    part.

    Args:
      task: the sentence.
      row: the thing's class, if known.
    """
    words = tokens(task)
    own = set() if row is None else {w for name in (row.name, *row.synonyms) for w in name.split()}
    for at, verb in enumerate(words):
        if verb in _CLAUSE:
            return None
        if verb not in _ACTS:
            continue
        end = at + 1
        while end < len(words) and words[end] in _BETWEEN:
            end += 1
        if end < len(words) and words[end] in _ROLE and words[end] not in own:
            return words[end], _ROLE[words[end]]
    return None


def part_rule(rule: Rule, word: str, role: str) -> Rule:
    """The rule for taking that part instead of what holds the thing."""
    pressed = word in ("pump", "button", "switch", "trigger")
    return rule.model_copy(
        update={
            "hold": (role, *rule.hold),
            "touch": ("hold",),
            "approach": {"up": 1.5, "across": 0.5},
            "fingers": {"across": 1.0},
            "thumb": {},
            "grasp": "press" if pressed else "lift",
            "points": False,
            "why": f"the {word} is what the sentence acts on",
        }
    )
