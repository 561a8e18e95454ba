"""`zdg list`: the names that other commands take."""

from __future__ import annotations

import json as json_
from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from pipelines.options import PrintJson
from zdg_jax.errors import one_of

KINDS = ("hands", "objects", "reasoners", "protocols", "formats")


@dataclass(frozen=True)
class List:
    """List hands, objects, reasoners, protocols or formats by the names that commands take."""

    what: Annotated[
        Positional[str | None], arg(metavar="|".join(KINDS), help="One kind; all without it.")
    ] = None
    json: PrintJson = False

    def run(self) -> int:
        if self.what is not None:
            one_of("kind", self.what, KINDS, "e.g. zdg list hands")
        found = {kind: names(kind) for kind in KINDS if self.what in (None, kind)}
        print(json_.dumps(found, indent=2) if self.json else "\n".join(map(_text, found.items())))
        return 0


def names(kind: str) -> dict[str, str]:
    """Name -> a few words about it, from the registries themselves.

    Args:
      kind: of `KINDS`.
    """
    found: dict[str, Any] = {
        "hands": _hands,
        "objects": _objects,
        "reasoners": _reasoners,
        "protocols": _protocols,
        "formats": _formats,
    }
    return found[kind]()


def _text(kind: tuple[str, dict[str, str]]) -> str:
    head, found = kind
    wide = max(map(len, found), default=0)
    return "\n".join([f"{head}:", *(f"  {name:<{wide}}  {said}".rstrip() for name, said in found.items())])


def _hands() -> dict[str, str]:
    from zdg_jax.errors import UserError
    from zdg_jax.hands import EXTRA_HANDS, HAND_NAMES
    from zdg_jax.hands.io.hand_spec import read_card
    from zdg_jax.hands.io.model_files import find_model
    from zdg_jax.hands.load import card_path

    found: dict[str, str] = dict.fromkeys(HAND_NAMES, "")
    for name in EXTRA_HANDS:
        path = card_path(name)
        try:
            find_model(read_card(path).model, path.parent, name)
            found[name] = ""
        except UserError:
            found[name] = "its model is missing: pip install 'zdg-jax[hands]'"
    return found


def _objects() -> dict[str, str]:
    from zdg_jax.objects import ycb_names
    from zdg_jax.objects.zoo import VARIANTS, category_names

    made = {f"zoo:{name}/0": f"to /{VARIANTS - 1}, generated" for name in category_names()}
    return {"FILE": "any mesh that trimesh reads", **{f"ycb:{n}": "scan" for n in ycb_names()}, **made}


def _reasoners() -> dict[str, str]:
    from zdg_jax.api import REASONER_NAMES

    said = {
        "offline": "rules and geometry, no model: the default",
        "paper": "the paper's models, one a stage; needs keys",
        "openai:MODEL": "needs OPENAI_API_KEY; `zdg models` has the names",
        "openai-chat:MODEL": "the same by the chat API",
        "openai-responses:MODEL": "the same by the responses API",
        "gemini:MODEL": "needs GEMINI_API_KEY",
        "local:PATH_OR_ID": "a model on this machine; pip install 'zdg-jax[local]'",
        "replay:FILE": "what a trace.json says, again",
        "oracle:FILE": "labels",
    }
    return {name: said.get(name, "") for name in REASONER_NAMES}


def _protocols() -> dict[str, str]:
    from sim_eval.protocols import PROTOCOLS, protocol

    return {name: ", ".join(protocol(name).columns) for name in PROTOCOLS}


def _formats() -> dict[str, str]:
    from pipelines.export import WRITERS
    from pipelines.formats.registry import FORMATS

    read = dict.fromkeys(FORMATS, "read")
    return read | {name: "read, written" if name in read else "written" for name in WRITERS}
