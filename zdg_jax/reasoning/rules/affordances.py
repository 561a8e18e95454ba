"""The curated affordance table: data files, the names they may use, their schema and cross-references."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from zdg_jax.foreign import YAML_LOADER


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(_Row):
    """How one thing is held for one intent; see the head of families_tools.yaml for the fields."""

    hold: tuple[str, ...] = Field(min_length=1)
    touch: tuple[str, ...] = ("hold",)
    toward: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    take: Literal["best", "all", "long", "right"] = "best"
    approach: dict[str, float] = Field(min_length=1)
    fingers: dict[str, float]
    thumb: dict[str, float]
    grasp: Literal["handle-grasp", "wrap-grasp", "press", "lift", "twist"]
    finer: (
        Literal["tripod", "pinch", "index-extension", "lateral", "hook", "index-trigger", "sphere", "lift"]
        | None
    ) = None
    points: bool = False
    why: str
    otherwise: dict[str, Any] = {}

    def with_types(self, types: tuple[str, ...]) -> Rule:
        """The rule for a hand of these types: with `otherwise` where the finer one is not among them."""
        if not (self.otherwise and types and self.finer and self.finer not in types):
            return self
        return Rule.model_validate({**self.model_dump(), **self.otherwise, "otherwise": {}})

    @property
    def held(self) -> tuple[str, ...]:
        """The roles in `hold`, where "a+b" stands for both at once."""
        return tuple(role for entry in self.hold for role in entry.split("+"))

    @model_validator(mode="after")
    def _otherwise(self) -> Rule:
        if self.otherwise:
            self.with_types(("none",))
        return self

    @field_validator("approach", "fingers", "thumb")
    @classmethod
    def _known_terms(cls, value: dict[str, float]) -> dict[str, float]:
        if unknown := set(value) - set(TERMS):
            raise ValueError(f"unknown terms {sorted(unknown)}; known are {TERMS}")
        return value


class Family(_Row):
    """Shapes that are held alike.

    Attributes:
      any_side: from whichever side, where they are only moved.
      verbs: rules of single verbs, for its classes too but for those that are used in a way of their own.
    """

    about: str
    any_side: bool = False
    roles: tuple[str, ...] = Field(min_length=1)
    rules: dict[Intent, Rule]
    verbs: dict[str, Rule] = {}

    def rule(self, verb: str | None, intent: Intent) -> Rule:
        """The rule for a verb if the family has one of its own, else that of the intent."""
        return self.verbs.get(verb or "", self.rules[intent])

    @field_validator("rules")
    @classmethod
    def _every_intent(cls, value: dict[Intent, Rule]) -> dict[Intent, Rule]:
        if set(value) != set(INTENTS):
            raise ValueError(f"rules for {sorted(value)}; expected exactly {INTENTS}")
        return value


class ObjectClass(_Row):
    """One named class; `rules` and `verbs` are already merged with its family's."""

    name: str
    family: str
    synonyms: tuple[str, ...]
    roles: tuple[str, ...]
    rules: dict[Intent, Rule]
    verbs: dict[str, Rule]

    def rule(self, verb: str | None, intent: Intent) -> Rule:
        """The rule for a verb if the class has one of its own, else that of the intent."""
        return self.verbs.get(verb or "", self.rules[intent])


class Verb(_Row):
    """One action: its word forms, what it intends and which classes do it."""

    intent: Intent
    forms: tuple[str, ...]
    phrases: tuple[str, ...] = ()
    acts_on: Literal["held", "target"]
    implies: dict[str, tuple[str, ...]] = {}


class Role(_Row):
    """What a part looks like, and which parts may not play the role.

    Attributes:
      weights: feature -> weight; "-f" weighs 1 - f.
      least: score below which no part plays it.
      least_share: share of the surface below which a part is a sliver, not a part of this kind.
      single: at most one part plays it.
      every: every part plays it, besides its own role.
      ends: who touches it touches both of its ends, the far one with the thumb, as a plunger's.
    """

    weights: dict[str, float] = Field(min_length=1)
    least: float = 0.0
    least_share: float = 0.02
    single: bool = False
    every: bool = False
    ends: bool = False


class AffordanceTable(_Row):
    """verb x object class -> part roles, approach, grasp type; role -> weighted part features."""

    roles: dict[str, Role]
    families: dict[str, Family]
    classes: dict[str, ObjectClass]
    verbs: dict[str, Verb]

    @model_validator(mode="after")
    def _references(self) -> AffordanceTable:
        for role, spec in self.roles.items():
            if unknown := {w.lstrip("-") for w in spec.weights} - set(FEATURES):
                raise ValueError(f"role {role}: unknown features {sorted(unknown)}; known are {FEATURES}")
        for name, row in {**self.families, **self.classes}.items():
            rules = [*row.rules.values(), *row.verbs.values()]
            rules += [rule.with_types(("none",)) for rule in rules]
            used = {r for rule in rules for r in (*rule.held, *rule.touch, *rule.toward, *rule.free)} | set(
                row.roles
            )
            if unknown := used - {"hold", "table"} - set(self.roles):
                raise ValueError(f"{name}: unknown roles {sorted(unknown)}; known are {sorted(self.roles)}")
            for rule in rules:
                if not set(rule.held) & set(row.roles):
                    raise ValueError(f"{name}: none of hold {rule.hold} is among its roles {row.roles}")
            if unknown := set(row.verbs) - set(self.verbs):
                raise ValueError(f"{name}: unknown verbs {sorted(unknown)}")
        for name, verb in self.verbs.items():
            if unknown := set(verb.implies) - set(self.classes):
                raise ValueError(f"verb {name} implies unknown classes {sorted(unknown)}")
        return self


def _read(name: str) -> dict[str, Any]:
    return yaml.load(
        (files("zdg_jax.reasoning.rules") / name).read_text(encoding="utf-8"), Loader=YAML_LOADER
    )


def _merge_class(name: str, row: dict[str, Any], families: dict[str, Any]) -> dict[str, Any]:
    """Lays a class's differences over its family's rules."""
    if row["family"] not in families:
        raise ValueError(f"class {name}: unknown family {row['family']!r}; known are {sorted(families)}")
    family = families[row["family"]]
    rules = {i: {**rule, **row.get("rules", {}).get(i, {})} for i, rule in family["rules"].items()}
    of_family = {} if "use" in row.get("rules", {}) else family.get("verbs", {})
    verbs = {v: {**family["rules"]["use"], **rule} for v, rule in (of_family | row.get("verbs", {})).items()}
    return {
        "name": name,
        "family": row["family"],
        "synonyms": row["synonyms"],
        "roles": row.get("roles", family["roles"]),
        "rules": rules,
        "verbs": verbs,
    }


@cache
def load_table() -> AffordanceTable:
    """Reads and validates the data files beside this module.

    Returns:
      The table; the same object on every call.

    Raises:
      pydantic.ValidationError or ValueError: a role, feature, term, class or verb is not defined.
    """
    families = {
        **_read("families_tools.yaml"),
        **_read("families_vessels.yaml"),
        **_read("families_other.yaml"),
    }
    classes = {n: _merge_class(n, row, families) for n, row in _read("classes.yaml").items()}
    roles = {
        name: {"weights": {k: v for k, v in row.items() if k not in Role.model_fields}}
        | {k: v for k, v in row.items() if k in Role.model_fields}
        for name, row in _read("roles.yaml").items()
    }
    return AffordanceTable.model_validate(
        {"roles": roles, "families": families, "classes": classes, "verbs": _read("verbs.yaml")}
    )


Intent = Literal["use", "handover", "move"]
INTENTS: tuple[Intent, ...] = ("use", "handover", "move")
# Features of a part, 0..1 each; computed in roles.py.
FEATURES = (
    "elongated",
    "flat",
    "thin",
    "slender",
    "graspable",
    "at_end",
    "butt",
    "large",
    "small",
    "heavy",
    "wide",
    "along",
    "high",
    "low",
    "outlying",
    "aside",
    "before_crook",
    "winged",
    "patch",
    "apart",
    "between",
    "loop",
    "tall_hole",
    "concave",
)
# Terms that score one unit direction d; computed in scoring.py. A term that a region does not
# define (no rest of the object, no long axis) is left out.
TERMS = (
    "up",  # d . y
    "up_line",  # |d . y|
    "side",  # sqrt(1 - (d . y)^2)
    "ref",  # d . r, r from the hand region to the `toward` parts
    "ref_line",  # |d . r|
    "-ref_line",  # 1 - |d . r|
    "level_ref",  # d . h, h = r laid into the horizontal plane
    "right",  # d . (r x y): the right hand's side of who looks along r
    "forward",  # d . f, f = r without its component along the region's long axis, as far as it has one
    "right_of_grip",  # d . (f x t), t = r without its component along f: where a right hand's palm is whose
    # fingers go round towards f and whose thumb side is at t
    "across",  # sqrt(1 - (d . a)^2), a the region's long axis, scaled by how long the region is
    "broadside",  # mean alignment of the region's normals with d
    "slim",  # |d . w|, w the wider horizontal axis: thumb and fingers then meet across the thinner
    "-slim",  # 1 - |d . w|
    "flank",  # 1 - |d . t|, t the thinner horizontal axis: not onto a broad face
    "downhill",  # d . l, l horizontal, along which the object's top falls
    "spine",  # d . s, s across a blade or brush to its back
)
