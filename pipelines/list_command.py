"""Commands that only look things up: `zdg list`, `zdg models`, `zdg prompts show`."""

from __future__ import annotations

import json as json_
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from pipelines.options import PrintJson
from zdg_jax.errors import one_of

if TYPE_CHECKING:
    from zdg_jax.reasoning.models.catalogue import Model
    from zdg_jax.reasoning.protocol import Question


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
        "offline-seen": "the same rules on what the pictures show, no more",
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
    from pipelines.formats import FORMATS

    read = dict.fromkeys(FORMATS, "read")
    return read | {name: "read, written" if name in read else "written" for name in WRITERS}


_HEAD = "model,state,successor,in,cached,out,batch,a task,context,output,sent,read".split(",")


@dataclass(frozen=True)
class Models:
    """Print the table of models: who is current, what it costs, what a task costs."""

    provider: Annotated[
        Positional[str | None], arg(metavar="PROVIDER", help="openai, gemini, local or compatible; all.")
    ] = None
    calls: Annotated[float | None, arg(metavar="N", help="Requests a task; pipelines.plan's number.")] = None
    input_tokens: Annotated[float | None, arg(metavar="N", help="Tokens in, a request.")] = None
    output_tokens: Annotated[
        float | None, arg(metavar="N", help="Tokens out, a request, hidden reasoning included.")
    ] = None
    json: PrintJson = False

    def run(self) -> int:
        rows = model_rows(self)
        print(json_.dumps(rows, indent=2, default=str) if self.json else table(rows, _counts(self)))
        return 0


def model_rows(options: Models) -> list[dict[str, Any]]:
    """The rows of a provider or of all, ready for JSON, with state and costs of today.

    Raises:
      UserError: unknown provider, a number of the task below 0, or a wrong file of the user's.
    """
    from zdg_jax.errors import UserError, one_of
    from zdg_jax.reasoning.models.settings import tables

    if options.provider is not None:
        one_of("provider", options.provider, tables().provider_names(), "choose one")
    counts = _counts(options)
    if min(counts) < 0:
        raise UserError(f"a task of {counts}", "numbers of 0 or more", "choose others")
    wanted = [m for m in tables().catalogue.models if options.provider in (None, m.provider)]
    return [_row(model, counts) for model in wanted]


def table(rows: list[dict[str, Any]], counts: tuple[float, float, float]) -> str:
    """For people: prices in USD per million tokens, a task in USD."""
    from zdg_jax.reasoning.models.settings import tables

    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    calls, read, written = counts
    changes = [
        f"{row['id']}: from {price['since']} on {price['input']:g} in, {price['output']:g} out"
        for row in rows
        for price in row["prices_to_come"]
    ]
    notes = [
        "",
        "USD per million tokens, today. ?: neither in the provider's own words nor in two lists. -: unknown.",
        f"A task: {calls:g} requests of {read:g} tokens in and {written:g} out (--calls, --input-tokens, "
        "--output-tokens); hidden reasoning counts as output.",
        *changes,
        *(f"--reasoner {name}: {', '.join((p.reasoner, *p.route))}" for name, p in tables().presets.items()),
    ]
    return "\n".join([*lines, *notes])


def _counts(options: Models) -> tuple[float, float, float]:
    from pipelines.plan import DEFAULTS

    given = (options.calls, options.input_tokens, options.output_tokens)
    usual = (DEFAULTS.calls, DEFAULTS.input_tokens, DEFAULTS.output_tokens)
    return tuple(u if g is None else g for g, u in zip(given, usual, strict=True))  # pyright: ignore[reportReturnType]


def _row(model: Model, counts: tuple[float, float, float]) -> dict[str, Any]:
    from zdg_jax.reasoning.models.budget import task_usd
    from zdg_jax.reasoning.models.catalogue import today
    from zdg_jax.reasoning.models.settings import tables

    price = tables().catalogue.price(model.provider, model.id)
    able = tables().abilities_of(model.id)
    return {
        **model.model_dump(mode="json", exclude={"takes", "prices"}),
        "state": model.state(),
        "price": price.model_dump(mode="json") if price is not None else None,
        "prices_to_come": [
            later.model_dump(mode="json") for later in model.prices if later.since and later.since > today()
        ],
        "task_usd": task_usd(price, *counts),
        "sent": able.model_dump(mode="json", exclude={"models"}),
        "thinking": list(model.takes.thinking),
    }


def _cells(row: dict[str, Any]) -> list[str]:
    price, state = row["price"] or {}, row["state"]
    when = state if state == "current" else f"{'retires' if state == 'retiring' else state} {row['ends']}"
    heat, limit = row["sent"]["temperature"], row["sent"]["max_tokens_name"]
    sent = f"temperature {heat:g}" if heat is not None else "no temperature"
    if row["provider"] == "local":
        sent = ""
    elif row["provider"] == "openai":
        sent += f", {limit}"
    if row["thinking"]:
        sent += f"; thinks {'/'.join(row['thinking'])}"
    numbers = [_number(price.get(name)) for name in ("input", "cached", "output")]
    batch = f"{_number(price.get('batch_input'))}/{_number(price.get('batch_output'))}"
    return [
        f"{row['provider']}:{row['id']}",
        when,
        (row["replacement"] or "") + (" (by itself)" if row["rerouted"] else ""),
        *numbers,
        batch,
        "-" if row["task_usd"] is None else f"{row['task_usd']:.4f}",
        _number(row["context"]),
        _number(row["output"]),
        sent,
        f"{row['read']}{'' if row['verified'] else ' ?'}",
    ]


def _number(value: float | int | None) -> str:
    return "-" if value is None else f"{value:.10g}"


# `zdg prompts show`: the question of one stage, pictures included.
def shown_question(
    stage: str,
    source: str,
    task: str,
    *,
    hand: str = "human16",
    scale: float = 1.0,
    up: str | None = None,
    name: str | None = None,
) -> Question:
    """What the stage would send; the offline reasoner answers the stages before it.

    The judge's question comes without its picture, since there is no grasp yet.

    Args:
      stage: one of `prompts.PROMPTS`.
      source, task, hand, scale, up, name: as for `zdg synth`.
    Raises:
      UserError: unknown stage, or what the object or the task lacks.
    """
    import asyncio

    import prompts
    from pipelines.runtime import start_jax
    from zdg_jax import api
    from zdg_jax.hands import load_hand
    from zdg_jax.objects import load_object
    from zdg_jax.reasoning.chain import question_of

    one_of("stage", stage, prompts.PROMPTS)
    start_jax()
    obj = load_object(source, scale=scale, up=up, name=name)
    if stage == prompts.Stage.JUDGE:
        return _judges_question(task, obj.name)
    return asyncio.run(question_of(stage, obj, load_hand(hand), task, api.make_reasoner("offline")))


def write_question(question: Question, out: str) -> None:
    """Write `STAGE.md` and `STAGE_1.png` ... into a folder.

    Raises:
      UserError: the folder can't be made or written.
    """
    from pipelines.runtime import output_folder

    folder = output_folder(out)
    (folder / f"{question.stage}.md").write_text(question.prompt, encoding="utf-8")
    for number, image in enumerate(question.images, start=1):
        image.save(folder / f"{question.stage}_{number}.png")


def _judges_question(task: str, object_name: str | None) -> Question:
    import prompts
    from zdg_jax.reasoning.judge import SCORES
    from zdg_jax.reasoning.protocol import Observations, Question

    text = prompts.render("judge", task=task, object_name=object_name, candidates=SCORES)
    facts = Observations(task=task, object_name=object_name)
    return Question("judge", text, (), SCORES, prompts.answer_schema("judge"), facts)
