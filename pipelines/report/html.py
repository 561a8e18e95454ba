"""`report.html`: one file that shows what was asked, how it was reasoned, and what came of it."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from pipelines.dataset import write_atomic
from pipelines.report.scene import Solid
from zdg_jax.columns import shown
from zdg_jax.errors import storable

_SPELLED = {
    "p_vol_cm3": "penetration volume",
    "p_dep_cm": "penetration depth",
    "sim_dis_cm": "way in the gravity test",
}
# The numbers of a report, as text.
_ABSENT = "–"


@dataclass(frozen=True)
class Cell:
    """Text of a table cell; `kind` is "", "good", "bad" or "dim"."""

    text: str
    kind: str = ""


@dataclass(frozen=True, eq=False)
class Shown:
    """A grasp's picture, its title and the lines below it."""

    picture: Image.Image
    title: str
    caption: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Column heads with an explanation each, and rows of cells."""

    heads: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]


def grasp_table(grasps: Sequence[Mapping[str, Any]], limits: Mapping[str, float]) -> Table:
    """One row a grasp: type, metrics, contact, total energy and its terms, status."""
    from zdg_jax.refine.energies import TERMS  # here: commands that only ask import no JAX

    heads = [("#", "rank"), ("grasp type", ""), ("good", "within every limit, held, reached freely")]
    measures = shown("report")
    heads += [
        (c.short, f"{c.hint}; good up to {limits[c.name]:g}" if c.name in limits else c.hint)
        for c in measures
    ]
    heads += [
        ("contact", "still touching after the gravity test"),
        ("approach", "free of the object by 5 mm at the pregrasp, and on the way from there"),
        ("six forces", "withstands 1 N along all six axes"),
        ("E", "weighted sum of the energy terms (eq. 8)"),
    ]
    heads += [(term.name.replace("_", " "), term.caption) for term in TERMS.values()]
    heads += [("status", "")]
    rows = []
    for place, grasp in enumerate(grasps, 1):
        row = [Cell(str(place)), Cell(str(grasp.get("grasp_type") or _ABSENT))]
        row.append(_flag(grasp.get("good"), "no"))
        row += [_judged(grasp.get(c.name), limits.get(c.name), c.digits) for c in measures]
        row.append(_flag(grasp.get("contact_end"), "lost"))
        row.append(_flag(grasp.get("approach_free"), "blocked"))
        row.append(_flag(grasp.get("six_force_suc"), "no"))
        row.append(Cell(number(grasp.get("energy_total"), 3)))
        energy = grasp.get("energy") or {}
        row += [Cell(number(energy.get(key), 4), "dim") for key in TERMS]
        status = str(grasp.get("status") or _ABSENT)
        row.append(Cell(status, "good" if status == "ok" else "bad"))
        rows.append(tuple(row))
    return Table(tuple(heads), tuple(rows))


def headline(
    trace: Mapping[str, Any], grasps: Sequence[Mapping[str, Any]], limits: Mapping[str, float]
) -> list[tuple[str, str]]:
    """The few figures at the top: (caption, value)."""
    figures = [("grasps kept", str(len(grasps)))]
    if grasps and grasps[0].get("good") is not None:
        good = sum(bool(g["good"]) for g in grasps)
        figures.append(("good: within every limit, held, reached freely", str(good)))
    elif limits and grasps:
        figures.append(("within all limits", str(sum(_within(g, limits) for g in grasps))))
    if grasps:
        first = grasps[0]
        figures += [
            (f"{_SPELLED.get(c.name, c.short)} of #1", f"{number(first.get(c.name), c.digits)} {c.hint}")
            for c in shown("report")
            if "paper" in c.shown and first.get(c.name) is not None
        ]
    if trace.get("seconds") is not None:
        figures.append(("reasoning", f"{trace['seconds']:.1f} s"))
    return figures


def number(value: Any, digits: int) -> str:
    """A number with so many decimals; a dash where there is none."""
    if value is None or not math.isfinite(float(value)):
        return _ABSENT
    return f"{float(value):.{digits}f}"


def _judged(value: Any, limit: float | None, digits: int) -> Cell:
    text = number(value, digits)
    if text == _ABSENT or limit is None:
        return Cell(text)
    return Cell(text, "good" if float(value) <= limit else "bad")


def _flag(value: Any, if_not: str) -> Cell:
    return Cell(_ABSENT) if value is None else Cell("yes", "good") if value else Cell(if_not, "bad")


def _within(grasp: Mapping[str, Any], limits: Mapping[str, float]) -> bool:
    values = [grasp.get(key) for key in limits]
    return all(v is not None and float(v) <= limits[k] for k, v in zip(limits, values, strict=True)) and (
        grasp.get("contact_end") is not False and grasp.get("approach_free") is not False
    )


_TITLES = {
    "view": ("View", "IV-B"),
    "hand_part": ("Part(s) the hand holds", "III-A"),
    "func_part": ("Part(s) that thumb and index touch", "III-A"),
    "points": ("Contact points of thumb and index", "III-A"),
    "direction": ("Approach direction", "III-B"),
    "grasp_type": ("Grasp type", "III-B"),
    "rotation": ("Hand rotation", "III-C"),
}
#: How `sim_eval.select.rank` orders what is kept, in words.
RANKING = (
    "Best first: grasps that withstand six forces, on the reasoned part and freely reached, before others; "
    "among them good ones (within every limit, thumb on the object, held in at least half of the tests with "
    "pose, friction and mass a little off), then those with single fingers where the task asks them. What "
    "is equal by these goes by one sum: energy over the best of its grasp type, more without force closure, "
    "off the regions, or far from the reasoned pose. A number below its limit is not ranked further."
)
#: Of text that others wrote; a page shows turned writing as it is.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _harmless(value: object) -> object:
    """Control characters of plain text as escapes; what is HTML of ours stays."""
    return _CONTROL.sub(lambda c: repr(c[0])[1:-1], value) if type(value) is str else value


TEMPLATES = jinja2.Environment(
    finalize=_harmless,
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def build_report(
    trace: Mapping[str, Any],
    grasps: Sequence[Mapping[str, Any]],
    pictures: Mapping[str, Image.Image],
    *,
    object_picture: Image.Image | None = None,
    shown: Sequence[Shown] = (),
    closing_picture: Image.Image | None = None,
    solid: Solid | None = None,
    limits: Mapping[str, float] | None = None,
    files: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The report as one HTML page that loads nothing from outside; its one script is the 3D view's.

    Args:
      trace: what the reasoning chain wrote: task, object_id, hand, reasoner and, in order, stages
        with stage, prompt, images, candidates, answer and attempts; status, status_reason, warnings
        and seconds are shown where present.
      grasps: rows of `grasps.parquet` to be listed, best first; may be empty.
      pictures: every picture that a stage names.
      object_picture: the plain object, at the top.
      shown: the grasps from three sides each.
      closing_picture: the best grasp's pregrasp, grasp and squeeze.
      solid: object and hands in 3D.
      files: what lies beside the page and is linked, by name, with what it holds.
      limits: column -> largest good value; values within are marked.
      notes: further lines of small print (versions, seed).

    Raises:
      ValueError: if a stage names a picture that is not among `pictures`.
    """
    named = {name for stage in trace["stages"] for name in stage["images"]}
    if missing := sorted(named - set(pictures)):
        raise ValueError(f"the trace names pictures that were not given: {', '.join(missing)}")
    stages = [_stage(number, stage) for number, stage in enumerate(trace["stages"], 1)]
    return TEMPLATES.get_template("report.html.j2").render(
        trace={"status": "ok", "status_reason": "", "warnings": [], "seconds": None, **trace},
        stages=stages,
        uris={name: data_uri(pictures[name]) for name in sorted(named)},
        object_uri=None if object_picture is None else data_uri(object_picture),
        shown=[(data_uri(s.picture), s.title, s.caption) for s in shown],
        solid=None if solid is None else solid.page(),
        files=dict(files or {}),
        ranking=RANKING,
        closing_uri=None if closing_picture is None else data_uri(closing_picture),
        headline=headline(trace, grasps, limits or {}),
        table=grasp_table(grasps, limits or {}),
        notes=list(notes),
    )


def write_report(path: Path, page: str) -> None:
    """Write the page as UTF-8."""
    write_atomic(path, storable(page).encode())


def data_uri(picture: Image.Image) -> str:
    """The picture inside a URI; JPEG, a fifth of the PNG's size for shaded surfaces."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=90, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _stage(number: int, stage: Mapping[str, Any]) -> dict[str, Any]:
    """One stage in the template's terms: chosen candidates, refused attempts, who answered."""
    title, section = _TITLES.get(stage["stage"], (str(stage["stage"]).replace("_", " "), ""))
    answer = stage.get("answer") or {}
    fields = {name: value for name, value in answer.items() if name != "reasoning"}
    chosen = {str(v) for value in fields.values() for v in (value if isinstance(value, list) else [value])}
    attempts = stage.get("attempts") or []
    call = next((a["call"] for a in reversed(attempts) if a.get("call")), {})
    return {
        "number": number,
        "title": title,
        "section": section,
        "images": list(stage["images"]),
        "prompt": stage["prompt"],
        "candidates": [(str(c), str(c) in chosen) for c in stage["candidates"]],
        "fields": [(name.replace("_", " "), _shown(value)) for name, value in fields.items()],
        "reasoning": answer.get("reasoning", ""),
        "refused": [_refusal(a) for a in attempts if a.get("refused")],
        "answered": bool(answer),
        "asked": len(attempts),
        "credit": _credit(stage, call),
    }


def _refusal(attempt: Mapping[str, Any]) -> dict[str, str]:
    answer = attempt.get("answer") or {}
    said = "; ".join(f"{k.replace('_', ' ')}: {_shown(v)}" for k, v in answer.items() if k != "reasoning")
    return {"said": said or "no usable answer", "why": str(attempt["refused"])}


def _credit(stage: Mapping[str, Any], call: Mapping[str, Any]) -> str:
    """Who answered, how long it took and what it cost, as far as known."""
    seconds = call.get("latency_s", stage.get("latency_s"))
    cost = call.get("cost_usd")
    parts: Iterable[str | None] = (
        call.get("model") or call.get("provider") or stage.get("reasoner"),
        None if seconds is None else f"{seconds:.2f} s",
        f"${cost:.4f}" if cost else None,
    )
    return " · ".join(part for part in parts if part)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)
    return str(value)
