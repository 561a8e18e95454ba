"""`zdg judge`: P.Score of stored grasps by a multimodal model (paper IV-A)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipelines.dataset import load_grasps, write_atomic, write_dataset, write_picture
from pipelines.evaluate import object_again
from pipelines.lock import locked
from pipelines.pictures import judged_grasp
from pipelines.progress import Steps
from pipelines.runtime import folder_of, start_jax
from zdg_jax.errors import UserError, storable
from zdg_jax.foreign import file_name
from zdg_jax.grasps import Grasps
from zdg_jax.reasoning.judge import Exhibit, Summary, Verdict, judge, summarize
from zdg_jax.reasoning.models.factory import RULES
from zdg_jax.reasoning.protocol import Reasoner

JUDGE_FILE = "judge.json"
PICTURES = "judge"


@dataclass(frozen=True)
class JudgeReport:
    """Scores of a file.

    Attributes:
      source: the folder.
      reasoner: the judge's name.
      verdicts: one a judged grasp, in the file's order.
      objects: for each object the mean and spread of its grasps.
      total: mean and spread of the objects' means, so that each object counts once.
    """

    source: str
    reasoner: str
    verdicts: list[Verdict]
    objects: dict[str, Summary]
    total: Summary

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "reasoner": self.reasoner,
            "total": asdict(self.total),
            "objects": {name: asdict(summary) for name, summary in self.objects.items()},
            "grasps": [asdict(verdict) for verdict in self.verdicts],
        }

    def summary(self) -> str:
        """One line for the terminal."""
        failed = sum(v.score is None for v in self.verdicts)
        lost = f", {failed} without a score: {_first_failure(self.verdicts)}" if failed else ""
        if self.total.mean is None:
            return f"no grasp judged{lost}"
        spread = "" if self.total.spread is None else f" +- {self.total.spread:.2f} over objects"
        within = [s.spread for s in self.objects.values() if s.spread is not None]
        inner = f", +- {sum(within) / len(within):.2f} within one" if within else ""
        done = f"{len(self.verdicts) - failed} grasps of {len(self.objects)} object(s) judged"
        return f"{done}: P.Score {self.total.mean:.2f}{spread}{inner}{lost}"


def judge_file(
    path: str, reasoner: Reasoner, *, grasps: int = 3, reorder: bool = False, steps: Steps | None = None
) -> JudgeReport:
    """Show each task's best grasps to a judge and store what it says.

    `p_score` and the judge's calls are written into `grasps.parquet`; the pictures go to `judge/`, and
    reasons and trace to `judge.json`. Grasps that are not judged keep the `p_score` they had.

    Args:
      path: `grasps.parquet`, or its folder.
      reasoner: the judge; it must look at pictures.
      grasps: how many of each task, by rank.
      reorder: whether `rank` follows the scores, see `ranked_by_score`.
      steps: where progress goes; stderr by default.
    Raises:
      UserError: a judge that sees no pictures, an unreadable file, a mesh that is gone or has changed, or
        another process that writes there.
    """
    if reasoner.name in RULES:
        raise UserError(
            f"the judge {reasoner.name!r}, which looks at no pictures",
            "a multimodal model",
            "choose one with --reasoner, e.g. openai:MODEL, gemini:MODEL or local:PATH",
        )
    check_count(grasps)
    place = Path(path).expanduser()
    folder = folder_of(place)
    start_jax()
    with locked(folder, command="zdg judge") if folder.is_dir() else nullcontext():
        return _judged(place, folder, str(path), reasoner, grasps, reorder, steps)


def _judged(
    place: Path,
    folder: Path,
    source: str,
    reasoner: Reasoner,
    grasps: int,
    reorder: bool,
    steps: Steps | None,
) -> JudgeReport:
    given, info = load_grasps(place)
    chosen = best_of_each_task(given, grasps)
    rows = given.take(chosen).to_table().to_pylist()
    with (steps or Steps(2)).running() as steps:
        with steps.step(f"draw {len(chosen)} grasps"):
            exhibits = exhibits_of(rows, info)
            (folder / PICTURES).mkdir(exist_ok=True)
            for exhibit in exhibits:
                write_picture(folder / PICTURES / f"{file_name(exhibit.name)}.png", exhibit.picture)
        with steps.step("judge"):
            verdicts = asyncio.run(judge(exhibits, reasoner))
    scored = _scored(given, chosen, verdicts)
    write_dataset(folder, ranked_by_score(scored, chosen) if reorder else scored, info)
    report = report_of(source, reasoner.name, [row["object_id"] for row in rows], verdicts)
    text = json.dumps(report.to_json(), indent=2, ensure_ascii=False)
    write_atomic(folder / JUDGE_FILE, storable(text).encode() + b"\n")
    return report


def check_count(grasps: int) -> None:
    """Raises:
    UserError: it is no number of grasps to show of a task.
    """
    if grasps < 1:
        raise UserError(f"--grasps {grasps}", "1 or more", "choose another number")


def best_of_each_task(grasps: Grasps, count: int) -> Int[np.ndarray, " chosen"]:
    """Numbers of the kept grasps with status "ok" and a rank below `count`, in the file's order.

    The rank is within one task and seed; several seeds of a task give `count` each.
    """
    return np.flatnonzero(grasps.ok & (_ranks(grasps) < count))


def _ranks(grasps: Grasps) -> Float[np.ndarray, " grasps"]:
    """A copy of the ranks; NaN where a file knows none."""
    return np.array(grasps.columns.get("rank", np.full(len(grasps), np.nan)), float)


def ranked_by_score(grasps: Grasps, judged: Int[np.ndarray, " judged"]) -> Grasps:
    """The ranks of each task's judged grasps dealt anew: the best score first, equal ones as they were.

    A judge that looks sees what no measure of a grasp tells: a thumb that stands off, a hand the wrong way
    round. A grasp without a score comes after those with one; grasps that were not judged keep their rank.

    Args:
      grasps: with `rank` and `p_score`.
      judged: numbers of those that were.
    """
    rank = _ranks(grasps)
    score = np.nan_to_num(np.asarray(grasps["p_score"], float), nan=-np.inf)
    of = grasps.task_index[judged]
    for task in np.unique(of):
        rows = judged[of == task]
        rank[rows[np.lexsort((rank[rows], -score[rows]))]] = np.sort(rank[rows])
    return grasps.with_columns({"rank": rank})


def _scored(grasps: Grasps, chosen: np.ndarray, verdicts: Sequence[Verdict]) -> Grasps:
    """With the scores, and the judge's calls behind those that each row had."""
    score = np.array(grasps.columns.get("p_score", np.full(len(grasps), np.nan)), float)
    calls = np.empty(len(grasps), object)
    calls[:] = [list(grasps.tasks[task]["calls"]) for task in grasps.task_index]
    if "calls" in grasps:  # judged before
        calls[:] = [list(own) for own in grasps["calls"]]
    for i, verdict in zip(chosen, verdicts, strict=True):
        score[i] = score[i] if verdict.score is None else float(verdict.score)
        calls[i] = [*calls[i], *verdict.calls]
    return grasps.with_columns({"p_score": score, "calls": calls})


def report_of(
    source: str, reasoner: str, object_ids: Sequence[str], verdicts: Sequence[Verdict]
) -> JudgeReport:
    """Mean and spread for each object, and of the objects' means.

    Args:
      source, reasoner: for the record.
      object_ids: one a verdict.
      verdicts: of the judge.
    """
    objects: dict[str, Summary] = {}
    for name in dict.fromkeys(object_ids):
        pairs = zip(verdicts, object_ids, strict=True)
        objects[name] = summarize([verdict.score for verdict, own in pairs if own == name])
    total = summarize([summary.mean for summary in objects.values()])
    return JudgeReport(source, reasoner, list(verdicts), objects, total)


def exhibits_of(rows: Sequence[Mapping[str, Any]], info: Mapping[str, Any]) -> list[Exhibit]:
    """What a judge sees of each row of a file."""
    from zdg_jax.hands import load_hand

    hand = load_hand(info["hand"])
    objects: dict[str, Any] = {}
    exhibits = []
    for row in rows:
        name = row["object_id"]
        if name not in objects:
            objects[name] = object_again(name, info, row["mesh_sha256"])
        picture = judged_grasp(objects[name], hand, row)
        exhibits.append(Exhibit(row["grasp_id"], row["task"], objects[name].name, picture))
    return exhibits


def _first_failure(verdicts: Sequence[Verdict]) -> str:
    return next(f"{v.status}: {v.reason}" for v in verdicts if v.score is None)
