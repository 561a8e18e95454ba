"""Values that a shell completes, beside the commands and options that tyro completes by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

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
    """Reasoners that need no file: `offline`, presets, and models that still answer."""
    from zdg_jax.reasoning.models.catalogue import today
    from zdg_jax.reasoning.models.settings import tables

    known = tables()
    models = [row for row in known.models if row.provider in known.providers and not {*"*?"} & {*row.id}]
    living = (f"{row.provider}:{row.id}" for row in models if row.ends is None or row.ends > today())
    return ("offline", *known.presets, *living)
