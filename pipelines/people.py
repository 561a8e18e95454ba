"""`zdg judge --people`: a page of blinded pictures that people score, and what their sheets say (paper IV-A).

The paper's user study: P.Score from 1 to 5 by several participants, each of whom sees every grasp. The page
is one file that needs no server; what a participant saves is a CSV. Which method a picture is of stands in a
file of its own, which stays with whoever asks.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from pipelines.dataset import load_grasps, write_atomic
from pipelines.judge import best_of_each_task, check_count, exhibits_of
from pipelines.report.html import TEMPLATES, data_uri
from pipelines.runtime import folder_of, start_jax
from sim_eval.tables import summarise
from zdg_jax.errors import UserError, storable
from zdg_jax.foreign import load_json, read_text
from zdg_jax.reasoning.judge import Exhibit

PAGE, KEY = "people.html", "people.key.json"
COLUMNS = ("rater", "id", "score", "remark")
SCORES = {
    5: "as a person would hold it for this task",
    4: "fits the task, with a small flaw",
    3: "the right part, but one clear flaw",
    2: "the wrong part, the wrong way around, or it would fail",
    1: "no grasp for this task at all",
}


@dataclass(frozen=True)
class Shown:
    """A grasp on the page: what it is called there, and what it is of."""

    blind: str
    source: str
    exhibit: Exhibit
    object_id: str


def write_page(sources: Sequence[str], out: str | None = None, *, grasps: int = 3, seed: int = 0) -> Path:
    """A page with each task's best grasps of every source in one random order, and the key to it.

    Args:
      sources: folders that `zdg synth` wrote, or their grasps.parquet; one a method and object.
      out: folder for page and key; the first source's by default.
      grasps: of each task, by rank.
      seed: of the order.

    Returns: the page.

    Raises:
      UserError: no source, less than one grasp, nothing kept in any, or as `load_grasps`.
    """
    if not sources:
        raise UserError("no folder", "one or more that `zdg synth` wrote", "name them")
    check_count(grasps)
    start_jax()
    shown = [one for source in sources for one in _shown(source, grasps, seed)]
    if not shown:
        raise UserError(f"no kept grasp in {', '.join(sources)}", "at least one", "synthesize them again")
    order = np.random.default_rng(seed).permutation(len(shown))
    shown = [shown[k] for k in order]
    folder = Path(out).expanduser() if out else folder_of(sources[0])
    folder.mkdir(parents=True, exist_ok=True)
    study = hashlib.sha256("".join(sorted(s.blind for s in shown)).encode()).hexdigest()[:12]
    key = {
        "study": study,
        "grasps": {
            s.blind: {
                "source": s.source, "grasp_id": s.exhibit.name, "object_id": s.object_id,
                "task": s.exhibit.task,
            }
            for s in shown
        },
    }  # fmt: skip
    write_atomic(folder / KEY, storable(json.dumps(key, indent=1, ensure_ascii=False)).encode() + b"\n")
    page = TEMPLATES.get_template("people.html.j2").render(
        study=study, scores=SCORES, columns=COLUMNS,
        grasps=[
            {"id": s.blind, "task": s.exhibit.task, "picture": data_uri(s.exhibit.picture)} for s in shown
        ],
    )  # fmt: skip
    return write_atomic(folder / PAGE, storable(page).encode())


def _shown(source: str, grasps: int, seed: int) -> list[Shown]:
    place = Path(source).expanduser()
    given, info = load_grasps(place)
    rows = given.take(best_of_each_task(given, grasps)).to_table().to_pylist()
    found = []
    for row, exhibit in zip(rows, exhibits_of(rows, info), strict=True):
        told = f"{seed}\0{source}\0{exhibit.name}".encode(errors="surrogateescape")
        blind = hashlib.sha256(told).hexdigest()[:12]
        found.append(Shown(blind, source, exhibit, row["object_id"]))
    return found


@dataclass(frozen=True)
class Study:
    """What participants said.

    Attributes:
      raters: their names.
      sources: by source the mean score of each rater who scored any of it, in the raters' order.
      objects: by source and object the mean of all scores.
      within_one: share of pairs of raters who differ by at most one point on a grasp; None without a pair.
      scored, asked: scores that were given, and grasps times raters.
    """

    raters: tuple[str, ...]
    sources: Mapping[str, tuple[float, ...]]
    objects: Mapping[str, Mapping[str, float]]
    within_one: float | None
    scored: int
    asked: int

    def summary(self) -> str:
        """A line a source and one on all of it."""
        lines = []
        for source, means in self.sources.items():
            found = summarise(np.array(means, np.float64))
            spread = f" ± {found.half:.2f}" if len(means) > 1 else ""
            lines.append(f"{source}: P.Score {found.mean:.2f}{spread}, {len(means)} participant(s)")
        agree = (
            "" if self.within_one is None else f", {100 * self.within_one:.0f} % of pairs within one point"
        )
        return "\n".join([*lines, f"{self.scored} of {self.asked} scores{agree}"])


def read_sheets(key: Path, sheets: Sequence[Path]) -> Study:
    """The participants' sheets, put together with the key of their page.

    Args:
      key: people.key.json, or its folder.
      sheets: one CSV a participant; a row without a score is one that was passed over.

    Raises:
      UserError: a file that can't be read, columns that are not `COLUMNS`, a score that is none of 1 to 5, a
        grasp that is on another page, or one that the same participant scored twice.
    """
    known = load_json(key / KEY if key.is_dir() else key)
    grasps = known.get("grasps") if isinstance(known, dict) else None
    fields = {"source", "object_id"}
    if not isinstance(grasps, dict) or not all(
        isinstance(g, dict) and fields <= set(g) for g in grasps.values()
    ):
        raise UserError(f"{key} without grasps", f"a {KEY} of `zdg judge --people`", "write the page again")
    said: dict[str, dict[str, int]] = {}
    for sheet in sheets:
        for rater, blind, score in _rows(sheet):
            if blind not in grasps:
                raise UserError(
                    f"{sheet}: grasp {blind!r}",
                    f"one of the {len(grasps)} of {key}",
                    "pair each sheet with its page",
                )
            mine = said.setdefault(rater, {})
            if blind in mine:
                raise UserError(
                    f"{sheet}: {rater!r} on grasp {blind} again",
                    "one score each",
                    "give every participant a name, each sheet once",
                )
            mine[blind] = score
    raters: dict[str, dict[str, list[int]]] = {g["source"]: {} for g in grasps.values()}
    objects: dict[str, dict[str, list[int]]] = {source: {} for source in raters}
    for rater, mine in said.items():
        for blind, score in mine.items():
            of = grasps[blind]
            raters[of["source"]].setdefault(rater, []).append(score)
            objects[of["source"]].setdefault(str(of["object_id"]), []).append(score)
    pairs = [
        abs(a[blind] - b[blind]) <= 1
        for a, b in combinations(said.values(), 2)
        for blind in a.keys() & b.keys()
    ]
    return Study(
        tuple(said),
        {source: tuple(float(np.mean(x)) for x in own.values()) for source, own in raters.items()},
        {source: {k: float(np.mean(x)) for k, x in sorted(own.items())} for source, own in objects.items()},
        float(np.mean(pairs)) if pairs else None,
        sum(map(len, said.values())), len(grasps) * len(said),
    )  # fmt: skip


def _rows(sheet: Path) -> list[tuple[str, str, int]]:
    """(rater, grasp, score) of each row with a score."""
    reader = csv.DictReader(io.StringIO(read_text(sheet).removeprefix("\ufeff")))
    found = []
    try:
        if not set(COLUMNS[:3]) <= set(reader.fieldnames or ()):
            had = ", ".join(reader.fieldnames or ()) or "none"
            raise UserError(
                f"{sheet}: columns {had[:120]}", ", ".join(COLUMNS), "save it from the page again"
            )
        for number, row in enumerate(reader, start=2):
            score = (row["score"] or "").strip()
            if not score:
                continue
            if score not in {str(s) for s in SCORES}:
                raise UserError(
                    f"{sheet}, line {number}: score {score[:20]!r}", "a whole number from 1 to 5", "mend it"
                )
            found.append(((row["rater"] or "").strip() or sheet.stem, (row["id"] or "").strip(), int(score)))
    except csv.Error as error:
        raise UserError(f"{sheet} ({error})", "a CSV file", "save it from the page again") from error
    return found
