"""What is to be done with which thing, and which of its parts that concerns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from zdg_jax.reasoning.facts import ObjectFacts
from zdg_jax.reasoning.offline.language import Lexicon, Reading, read_task
from zdg_jax.reasoning.offline.part_words import acted_on, part_rule
from zdg_jax.reasoning.offline.roles import assign_roles, grow, score_matrix
from zdg_jax.reasoning.offline.shape import family_fit
from zdg_jax.reasoning.offline.table import AffordanceTable, ObjectClass, Rule, load_table

_NEUTRAL = 0.3  # fit of a family whose shape says nothing
_NAMED = 8.0  # a name outweighs every shape


@dataclass(frozen=True)
class Plan:
    """The understood task.

    Attributes:
      reading: what the sentence says.
      thing: the class or, where none is told, the family of shapes.
      told: how the thing became known: "named", "implied by the verb" or "guessed from its shape".
      fit: how well the shape agrees with its family, 0..1.
      rule: how it is held.
      roles: role -> part numbers, best first.
      holds: part sets for the whole hand, best first; never empty.
    """

    reading: Reading
    thing: str
    told: str
    fit: float
    rule: Rule
    roles: dict[str, tuple[int, ...]]
    holds: tuple[tuple[int, ...], ...]

    def parts_of(self, roles: tuple[str, ...]) -> tuple[int, ...]:
        """Numbers of all parts that play any of the roles."""
        return tuple(dict.fromkeys(n for r in roles for n in self.roles.get(r, ())))

    def role_of(self, number: int) -> str:
        """The role that a part plays, "other part" if none."""
        return next((r for r, numbers in self.roles.items() if number in numbers), "other part")


def _identify(
    reading: Reading, obj: ObjectFacts, table: AffordanceTable
) -> tuple[ObjectClass | None, str, str, float]:
    """(class or None, family, how it is told, fit): text weight + 2 * fit, the best wins."""
    fit = family_fit(obj)
    options: list[tuple[float, str, str]] = []
    for k, name in enumerate(reading.named):
        options.append((_NAMED - k + 0.5 * fit.get(table.classes[name].family, _NEUTRAL), name, "named"))
    for name, weight in reading.hints.items():
        agrees = fit.get(table.classes[name].family, _NEUTRAL)
        # A shape that contradicts the verb's usual tool halves the hint, unless another word backs it.
        weight = weight if agrees >= 0.15 or weight > 3 else 0.5 * weight
        options.append((weight + 2 * agrees, name, "implied by the verb"))
    guess = max(table.families, key=lambda f: fit.get(f, _NEUTRAL))
    options.append((2 * fit.get(guess, _NEUTRAL), guess, "guessed from its shape"))
    _, name, told = max(options, key=lambda o: o[0])
    if told == "guessed from its shape":
        return None, name, told, fit.get(name, _NEUTRAL)
    row = table.classes[name]
    return row, row.family, told, fit.get(row.family, _NEUTRAL)


def _holds(
    rule: Rule, roles: dict[str, tuple[int, ...]], obj: ObjectFacts, table: AffordanceTable
) -> list[tuple[int, ...]]:
    """Part sets in order of preference: as the rule says, then each single part by how graspable it is."""
    made: list[tuple[int, ...]] = []
    for entry in rule.hold:
        numbers = tuple(dict.fromkeys(n for role in entry.split("+") for n in roles.get(role, ())))
        if numbers and rule.take == "all":
            made.append(tuple(sorted(numbers)))
        made += [grow(n, numbers, obj) for n in numbers]
    grip = score_matrix(obj, ("handle",), table.roles)[:, 0]
    order = sorted(range(len(obj.parts)), key=lambda i: (-grip[i], i))
    made += [(obj.parts[i].number,) for i in order]
    return list(dict.fromkeys(made))


@lru_cache(maxsize=1)
def _lexicon() -> Lexicon:
    return Lexicon.of(load_table())


def make_plan(task: str, object_name: str | None, obj: ObjectFacts) -> Plan:
    """Reads the sentence, names the thing and gives its parts roles; the same input gives the same plan.

    Args:
      task: the sentence.
      object_name: only if the user gave one.
      obj: the object's facts.

    Returns:
      The plan.
    """
    lexicon = _lexicon()
    table = lexicon.table
    reading = read_task(task, object_name, lexicon)
    row, family, told, fit = _identify(reading, obj, table)
    if row is not None:
        rule, role_names = row.rule(reading.verb, reading.intent), row.roles
    else:
        rule, role_names = table.families[family].rules[reading.intent], table.families[family].roles
    part = acted_on(task, row)
    if part is not None and part[1] not in rule.hold:
        more = (part[1], *(r for r in role_names if r != part[1]))
        if part[1] in assign_roles(obj, more, table.roles):
            rule, role_names = part_rule(rule, *part), more
    roles = assign_roles(obj, role_names, table.roles)
    thing = row.name if row is not None else family
    return Plan(reading, thing, told, fit, rule, roles, tuple(_holds(rule, roles, obj, table)))
