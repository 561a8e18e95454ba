"""What is to be done with which thing, which of its parts that concerns, and how a choice is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from zdg_jax.reasoning.protocol import ObservedObject, Question, ReasonerError, StageObservations
from zdg_jax.reasoning.rules.affordances import AffordanceTable, ObjectClass, Rule, load_table
from zdg_jax.reasoning.rules.language import Lexicon, Reading, read_task, tokens
from zdg_jax.reasoning.rules.near import Heard, bundled, heard
from zdg_jax.reasoning.rules.roles import assign_roles, grow, score_matrix
from zdg_jax.reasoning.rules.shapes import family_fit
from zdg_jax.reasoning.rules.variants import by_parts, by_shape

_HINT = " (pip install 'zdg-jax[words]' compares it with verbs that are)"
_NEUTRAL = 0.3  # fit of a family whose shape says nothing
_NAMED = 8.0  # a name outweighs every shape
_WORKED_ON = 1.0  # one that the shape contradicts
_POINTED_TO = 4.0  # a hint that another word of the sentence backs
_KIND = 0.3  # what a kind of what is named has to fit better by, twice
_SMALL = (0.07, 0.048)  # length and width, metres, of what is for the fingertips
_PALM = 0.095  # width, metres, of what no hand holds by both edges: a book is taken from the side
_SPAN, _AROUND = 0.125, 0.115  # metres: no hand spans so much from above; from the side one spans so much
_OBLONG, _SLIM = 1.1, 2.3  # length over width
#: Families that no long thing which lies belongs to, and families of long things.
_COMPACT, _LONG = ("cylinder", "bowl", "plate", "block"), ("stick_tool", "blade_tool", "rod", "pen")


@dataclass(frozen=True)
class Plan:
    """The understood task.

    Attributes:
      reading: what the sentence says.
      heard: sentence and name as they were read.
      thing: the class or, where none is told, the family of shapes.
      told: how the thing became known: "named", "implied by the verb" or "guessed from its shape".
      fit: how well the shape agrees with its family, 0..1.
      rule: how it is held.
      any_side: the hand may come from whichever side.
      roles: role -> part numbers, best first.
      holds: part sets for the whole hand, best first; never empty.
    """

    reading: Reading
    heard: Heard
    thing: str
    told: str
    fit: float
    rule: Rule
    any_side: bool
    roles: dict[str, tuple[int, ...]]
    holds: tuple[tuple[int, ...], ...]

    def parts_of(self, roles: tuple[str, ...]) -> tuple[int, ...]:
        """Numbers of all parts that play any of the roles."""
        return tuple(dict.fromkeys(n for r in roles for n in self.roles.get(r, ())))

    def touched(self, hand_parts: tuple[int, ...]) -> tuple[int, ...]:
        """Parts for thumb and index: every touched role that is present; "hold" means the hand's own."""
        parts: list[int] = []
        for role in self.rule.touch:
            parts += hand_parts if role == "hold" else self.roles.get(role, ())[:1]
        return tuple(dict.fromkeys(parts)) or hand_parts

    @property
    def ends(self) -> bool:
        """Whether thumb and index finger touch the two ends of one part (`Role.ends`)."""
        roles = _lexicon().table.roles
        return any(roles[role].ends for role in self.rule.touch if role != "hold")

    def role_of(self, number: int) -> str:
        """The role that a part plays, "other part" if none."""
        return next((r for r, numbers in self.roles.items() if number in numbers), "other part")


def _contradicts(family: str, fit: dict[str, float], intent: str) -> bool:
    """Whether a thing of this shape can't be what is named: a screwdriver that opens a can is no can."""
    if family == "small":
        return fit[family] < 0.02
    return intent == "use" and family in _COMPACT and fit[family] < 0.02 and max(fit[f] for f in _LONG) > 0.5


def _inside(family: str, fit: dict[str, float], reading: Reading, table: AffordanceTable) -> bool:
    """Whether what the sentence names is rather in the thing: eggs that are collected in what is a basket."""
    backed = (name for name, weight in reading.hints.items() if weight >= _POINTED_TO)
    best = max((fit.get(table.classes[name].family, 0.0) for name in backed), default=0.0)
    return reading.intent == "move" and fit.get(family, _NEUTRAL) < 0.35 and best > 0.6


def _identify(
    reading: Reading, obj: ObservedObject, lexicon: Lexicon
) -> tuple[ObjectClass | None, str, str, float]:
    """(class or None, family, how it is told, fit): text weight + 2 * fit, the best wins.

    Of what a name is short for, as "glass" for a wine glass, the thing that the shape fits is meant.
    """
    table, fit = lexicon.table, family_fit(obj)
    options: list[tuple[float, str, str]] = []
    for k, said in enumerate(reading.named):
        kinds: tuple[str, ...] = ()
        weight = _NAMED - k
        if k >= reading.given:  # the name that the user gave is meant as it stands
            family = table.classes[said].family
            no = _contradicts(family, fit, reading.intent) or _inside(family, fit, reading, table)
            weight, kinds = (_WORKED_ON, ()) if no else (weight, lexicon.kinds_of.get(said, ()))
        for name in (said, *kinds):
            agrees = fit.get(table.classes[name].family, _NEUTRAL)
            options.append((weight - (0.0 if name == said else _KIND) + 0.5 * agrees, name, "named"))
    for name, weight in reading.hints.items():
        agrees = fit.get(table.classes[name].family, _NEUTRAL)
        # A shape that contradicts the verb's usual tool halves the hint, unless another word backs it; one
        # that has nothing of it, as a can has nothing of a mug, leaves a third of that too.
        if weight > 3:
            weight = weight if agrees >= 0.02 else weight / 3
        elif agrees < 0.15:
            weight = 0.5 * weight
        options.append((weight + 2 * agrees, name, "implied by the verb"))
    guess = max(table.families, key=lambda f: fit.get(f, _NEUTRAL))
    options.append((2 * fit.get(guess, _NEUTRAL), guess, "guessed from its shape"))
    _, name, told = max(options, key=lambda o: o[0])
    if told == "guessed from its shape":
        return None, name, told, fit.get(name, _NEUTRAL)
    row = table.classes[name]
    return row, row.family, told, fit.get(row.family, _NEUTRAL)


def _holds(
    rule: Rule, roles: dict[str, tuple[int, ...]], obj: ObservedObject, table: AffordanceTable
) -> list[tuple[int, ...]]:
    """Part sets in order of preference: as the rule says, then each single part by how graspable it is."""
    sets: list[tuple[int, ...]] = []
    for entry in rule.hold:
        numbers = tuple(dict.fromkeys(n for role in entry.split("+") for n in roles.get(role, ())))
        if rule.take == "long":  # pliers have two levers, however their jaws look
            length = {p.number: p.extents[0] for p in obj.parts if p.number in numbers}
            numbers = tuple(n for n in numbers if 2 * length[n] >= max(length.values()))
        if numbers and rule.take != "best":
            sets.append(tuple(sorted(numbers)))
        sets += [grow(n, numbers, obj) for n in numbers]
    grip = score_matrix(obj, ("handle",), table.roles)[:, 0]
    inside = roles.get("inside", ())  # held by it a vessel is not used
    order = sorted(range(len(obj.parts)), key=lambda i: (obj.parts[i].number in inside, -grip[i], i))
    sets += [(obj.parts[i].number,) for i in order]
    return list(dict.fromkeys(sets))


@lru_cache(maxsize=1)
def _lexicon() -> Lexicon:
    return Lexicon.of(load_table())


@lru_cache(maxsize=64)  # every stage of a task asks for the same one, twice
def make_plan(task: str, object_name: str | None, obj: ObservedObject, types: tuple[str, ...] = ()) -> Plan:
    """Reads the sentence, names the thing and gives its parts roles; the same input gives the same plan.

    Args:
      task: the sentence.
      object_name: only if the user gave one.
      obj: the object's numbers.
      types: names of the hand's grasp types; empty: it has what the rules ask.

    Returns:
      The plan.
    """
    lexicon = _lexicon()
    table = lexicon.table
    said = heard(task, object_name, lexicon, bundled())
    reading = read_task(said.task, said.name, lexicon)
    row, family, told, fit = _identify(reading, obj, lexicon)
    if row is not None:
        rule, role_names = row.rule(reading.verb, reading.intent), row.roles
    else:
        of = table.families[family]
        rule, role_names = of.rule(reading.verb, reading.intent), of.roles
    rule = rule.with_types(types)
    if family == "block" and rule.approach.get("up", 0.0) > 0 and _for_fingertips(obj):
        tips = table.families["small"].rules[reading.intent]
        rule = tips.model_copy(update={"hold": rule.hold, "take": rule.take})
    longest, width, height = obj.principal_extents
    lifted = family == "block" and rule.take == "all" and rule.approach.get("up", 0.0) > 0
    by_edge = lifted and _by_its_edge(obj)
    # what nobody names and is longer than wide is no plate
    flat = family == "device" or (family == "plate" and row is None and longest > _OBLONG * width)
    flat = flat and width > _PALM and 3 * height < width  # an open laptop is none
    if flat or by_edge:
        rule, role_names = table.families["slab"].rules[reading.intent], table.families["slab"].roles
        # a keyboard is light: pinched, it holds more often (docs/looks.md)
        if flat and longest > _SLIM * width:
            rule = rule.model_copy(update={"grasp": "lift"})
    elif family == "device" and reading.intent == "use" and width > _PALM:
        rule = table.families[family].rules["handover"]
    rule, role_names = by_shape(rule, role_names, family, reading.intent, obj, table)
    part = acted_on(said.task, row)
    if part is not None and part[1] not in rule.hold:
        more = (part[1], *(r for r in role_names if r != part[1]))
        if part[1] in assign_roles(obj, more, table.roles):
            rule, role_names = part_rule(rule, *part), more
    roles = _reached(assign_roles(obj, role_names, table.roles), rule, obj)
    rule, roles = by_parts(rule, roles, obj)
    thing = row.name if row is not None else family
    any_side = reading.intent == "move" and part is None and table.families[family].any_side and not by_edge
    holds = tuple(_holds(rule, roles, obj, table))
    return Plan(reading, said, thing, told, fit, rule, any_side, roles, holds)


def _reached(
    roles: dict[str, tuple[int, ...]], rule: Rule, obj: ObservedObject
) -> dict[str, tuple[int, ...]]:
    """The roles without a trigger to press that adjoins nothing of what is held, as a glue gun's stick."""
    held = {n for role in rule.held for n in roles.get(role, ())}
    near = held.union(*(p.neighbours for p in obj.parts if p.number in held))
    pressed = "trigger" in rule.touch and "trigger" in roles
    if not pressed or not held or near.intersection(roles["trigger"]):
        return roles
    return {role: numbers for role, numbers in roles.items() if role != "trigger"}


def _for_fingertips(obj: ObservedObject) -> bool:
    """Whether a compact thing is so small that a hand around it would hide it."""
    longest, middle, _ = obj.principal_extents
    return longest < _SMALL[0] and middle < _SMALL[1]


def _by_its_edge(obj: ObservedObject) -> bool:
    """Whether a thing that lies is too wide for a hand from above, but not too high for one from its side."""
    across, height = min(obj.extents[0], obj.extents[2]), obj.extents[1]
    return across > _SPAN and height < _AROUND


def doubts(plan: Plan) -> tuple[str, ...]:
    """Sentences on what was guessed or translated; none where all was understood as it stands."""
    said, asked, called = list(plan.heard.notes), plan.heard.asked, plan.heard.called
    if plan.reading.verb is None:
        hint = "" if bundled() else _HINT
        said.append(f"no verb of {asked!r} is in the table: taken as 'pick it up and move it'{hint}")
    if plan.told == "guessed from its shape":
        known, advice = "no word names the object", "say what it is by a name"
        if called:
            known, advice = f"the name {called!r} is not in the table", "a commoner name may be"
        held = f"held like a {plan.thing.replace('_', ' ')}, guessed from its shape"
        said.append(f"{known}: {held}; {advice}, e.g. --name mug")
    wanted = tuple(dict.fromkeys(role for entry in plan.rule.hold for role in entry.split("+")))
    if wanted and not plan.parts_of(wanted):
        thing, role = plan.thing.replace("_", " "), plan.role_of(plan.holds[0][0])
        said.append(
            f"no part looks like the {' or '.join(wanted)} that a {thing} is held by: its {role} is held "
            "instead; look at the parts, and remesh a file of few long triangles if one did not come apart"
        )
    return tuple(said)


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
            "finer": None,
            "points": False,
            "free": (),
            "why": f"the {word} is what the sentence acts on",
        }
    )


T = TypeVar("T")
Observed = TypeVar("Observed", bound=StageObservations)


def planned(question: Question[Any], kind: type[Observed]) -> tuple[Observed, Plan]:
    """What a stage observed, as its own class, and the plan for it."""
    observed = question.observations
    assert isinstance(observed, kind)
    return observed, make_plan(observed.task, observed.object_name, observed.object, observed.types)


def after_refusals(ranking: Sequence[T], feedback: tuple[str, ...], stage: str) -> T:
    """The best option not refused yet: this reasoner is deterministic, so n refusals were its first n.

    Args:
      ranking: options without repetition, best first.
      feedback: one reason for each refused answer.
      stage: for the error.

    Returns:
      ranking[len(feedback)].

    Raises:
      ReasonerError: "exhausted" once every option was refused.
    """
    if len(feedback) >= len(ranking):
        last = feedback[-1] if feedback else "nothing was offered"
        raise ReasonerError(
            "exhausted", f"{stage}: all {len(ranking)} options were refused; last reason: {last}"
        )
    return ranking[len(feedback)]


def intro(plan: Plan) -> str:
    """What the task is taken to mean, and why it is done as the rule says."""
    doing = {"use": "be used", "handover": "be handed over", "move": "be picked up and moved"}[
        plan.reading.intent
    ]
    verb = f" ('{plan.reading.verb}')" if plan.reading.verb else ""
    return (
        f"The thing ({plan.thing}, {plan.told}; shape agreement {plan.fit:.2f}) is to {doing}{verb}. "
        f"{plan.rule.why.capitalize()}."
    )


def part_line(number: int, obj: ObservedObject, plan: Plan) -> str:
    """One part in numbers."""
    p = next(p for p in obj.parts if p.number == number)
    size = " x ".join(f"{100 * e:.1f}" for e in p.extents)
    hole = f", with a {100 * p.hole_diameter:.1f} cm hole" if p.is_loop else ""
    return (
        f"Part {number} is its {plan.role_of(number)}: {size} cm, {100 * p.thickness:.1f} cm thick, "
        f"{100 * p.area_share:.0f} % of the surface{hole}."
    )
