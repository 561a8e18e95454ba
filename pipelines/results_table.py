"""The table of docs/results.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.report.tables import number
from sim_eval.select.rank import LIMITS, good

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """One pair's outcome.

    Attributes:
      number: place in `PAIRS`, from 1.
      object, task: what was asked.
      status: of the task.
      rows: kept grasps, best first.
      seconds: wall time of the whole line, the first of a process compiles.
      warnings: what the object's checks said.
    """

    number: int
    object: str
    task: str
    status: str
    rows: tuple[Row, ...]
    seconds: float
    warnings: tuple[str, ...]

    @property
    def slug(self) -> str:
        return f"{self.number:02d}_{self.object}_{self.task.replace(' ', '_')}"

    @property
    def num_good(self) -> int:
        """Kept grasps that meet the numeric criteria."""
        return sum(is_good(row) for row in self.rows)


def is_good(row: Row) -> bool:
    """P.Dep, P.Vol and displacement within `LIMITS` and still in contact."""
    names = (*LIMITS, "contact_end")
    free = row.get("approach_free") is not False
    return bool(good({name: np.array([row[name]], float) for name in names})[0]) and free


def mean(pairs: Sequence[Pair], column: str) -> float:
    """Mean of a column over the kept grasps of all pairs; NaN if there is none."""
    rows = [row for pair in pairs for row in pair.rows]
    values = np.array([row[column] for row in rows], dtype=float)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def markdown(pairs: Sequence[Pair], verdicts: Mapping[str, Mapping[str, Any]], note: str) -> str:
    """The table of docs/results.md.

    Args:
      pairs: outcomes in order.
      verdicts: slug -> {"right": bool, "note": str}, what a person said of the picture; may lack some.
      note: one line on how it was run.
    """
    head = (
        "| # | object | task | part, direction, type | P.Dep cm | P.Vol cm³ | Sim.Dis cm | contact "
        "| good kept | numbers | looks right |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    lines = [head, *(_line(pair, verdicts.get(pair.slug, {})) for pair in pairs)]
    numeric = sum(pair.num_good > 0 for pair in pairs)
    both = sum(pair.num_good > 0 and verdicts.get(pair.slug, {}).get("right") is True for pair in pairs)
    limits = "P.Dep ≤ {p_dep_cm:g} cm, P.Vol ≤ {p_vol_cm3:g} cm³, displacement ≤ {sim_dis_cm:g} cm".format(
        **LIMITS
    )
    summary = [
        f"Numbers: {numeric} of {len(pairs)} pairs have a kept grasp with {limits}, still in contact.",
        f"Numbers and looks: {both} of {len(pairs)}." if verdicts else "Looks: not judged yet.",
        "",
        "| mean over kept grasps | initial | refined | refined / initial |",
        "|---|---|---|---|",
        *(
            _ratio(pairs, name, label)
            for name, label in (("p_dep_cm", "P.Dep cm"), ("p_vol_cm3", "P.Vol cm³"))
        ),
    ]
    notes = [f"- {p.slug}: {v['note']}" for p in pairs if (v := verdicts.get(p.slug, {})) and v.get("note")]
    initial = "P.Dep and P.Vol: initial → refined, of the best kept grasp."
    return "\n".join([note, "", initial, "", *lines, "", *summary, "", *notes]).rstrip() + "\n"


def _line(pair: Pair, verdict: Mapping[str, Any]) -> str:
    looks = {True: "yes", False: "no"}.get(verdict.get("right", ""), "?")
    cells = [str(pair.number), pair.object, pair.task]
    if not pair.rows:
        return "| " + " | ".join([*cells, pair.status, *["–"] * 4, "0", "fail", looks]) + " |"
    best = pair.rows[0]
    parts = "+".join(map(str, best["part_ids"]))
    cells += [
        f"{parts}, {best['direction']}, {best['grasp_type']}",
        *(f"{number(best[f'initial_{m}'], 2)} → {number(best[m], 2)}" for m in ("p_dep_cm", "p_vol_cm3")),
        number(best["sim_dis_cm"], 2),
        "yes" if best["contact_end"] else "no",
        f"{pair.num_good}/{len(pair.rows)}",
        "pass" if pair.num_good else "fail",
        looks,
    ]
    return "| " + " | ".join(cells) + " |"


def _ratio(pairs: Sequence[Pair], column: str, label: str) -> str:
    before, after = mean(pairs, f"initial_{column}"), mean(pairs, column)
    share = after / before if before else float("nan")
    return f"| {label} | {before:.3f} | {after:.3f} | {share:.2f} |"
