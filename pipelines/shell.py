"""What the shell sees of the commands: values that it completes, and options in groups of the help."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, field, fields, make_dataclass
from typing import Annotated, Any, get_type_hints

from tyro.conf import OmitArgPrefixes
from tyro.constructors import PrimitiveConstructorSpec


def completed(names: Callable[[], Iterable[str]]) -> PrimitiveConstructorSpec[str]:
    """An option that takes any text and is completed from some names.

    tyro refuses whatever is not among an option's choices, so it is told of them only when it writes a
    shell's script.

    Args:
      names: asked for then.
    """
    writes = bool(sys.argv[1:2]) and sys.argv[1].replace("_", "-").startswith("--tyro-")
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
        choices=tuple(names()) if writes else None,
    )


def hands() -> tuple[str, ...]:
    """Built-in hands, those of the extra `hands` among them."""
    from zdg_jax.hands import EXTRA_HANDS, HAND_NAMES

    return (*HAND_NAMES, *EXTRA_HANDS)


def reasoners() -> tuple[str, ...]:
    """Reasoners that need no file: rules, presets, and models that still answer."""
    from zdg_jax.reasoning.models.catalogue import today
    from zdg_jax.reasoning.models.factory import RULES
    from zdg_jax.reasoning.models.settings import tables

    known = tables()
    models = [row for row in known.models if row.provider in known.providers and not {*"*?"} & {*row.id}]
    living = (f"{row.provider}:{row.id}" for row in models if row.ends is None or row.ends > today())
    return (*RULES, *known.presets, *living)


def grouped(options: type, groups: Mapping[str, tuple[str, ...]]) -> Any:
    """A dataclass for `tyro`, annotated, whose `run` is `options(...).run()`.

    Args:
      options: flat dataclass of a command, with `run`; fields of no group stand first.
      groups: heading -> names of fields, in the order of the help.
    Raises:
      ValueError: a group names a field that `options` lacks.
    """
    hints = get_type_hints(options, include_extras=True)
    known = {one.name: one for one in fields(options) if one.init}
    missing = [name for names in groups.values() for name in names if name not in known]
    if missing:
        raise ValueError(f"got groups with {missing}; expected fields of {options.__name__}")

    def part(name: str) -> tuple[str, Any, Any]:
        default = known[name].default
        return (name, hints[name], field() if default is MISSING else field(default=default))

    inside = {name for names in groups.values() for name in names}
    members: list[Any] = [part(name) for name in known if name not in inside]
    members.sort(key=lambda member: member[2].default is not MISSING)
    for heading, names in groups.items():
        within = [part(name) for name in names]
        made = make_dataclass(heading.replace(" ", "_"), within, frozen=True, kw_only=True)
        made.__doc__ = ""
        members.append((heading.replace(" ", "_"), made, field(default_factory=made)))

    def run(self: Any) -> int:
        flat: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            inner = type(value) if one.name not in known else None
            flat |= {f.name: getattr(value, f.name) for f in fields(inner)} if inner else {one.name: value}
        return options(**flat).run()

    made = make_dataclass(options.__name__, members, frozen=True, namespace={"run": run})
    made.__doc__ = options.__doc__
    return Annotated[made, OmitArgPrefixes]
