"""`zdg eval`: simulate and measure the grasps of a file, ours or another's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from pipelines.dataset import write_atomic
from pipelines.formats import GraspFile, read_grasps
from pipelines.formats.objects import MeasuredObject, load_measured
from pipelines.progress import Steps
from pipelines.runtime import folder_of, output_folder, start_jax
from sim_eval import tables
from sim_eval.backends import resolve
from sim_eval.evaluate import evaluate
from sim_eval.protocols import protocol as protocol_of
from sim_eval.select.rank import LIMITS, good
from sim_eval.select.score import thumb_idle
from zdg_jax.columns import shown
from zdg_jax.errors import UserError, printable, storable
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.markdown import table
from zdg_jax.pose import compose, make_pose

# What `zdg eval` found: rows, tables and files.
SHOWN = 12  # objects on the terminal; files have all
IDENTITY = ("grasp_id", "object_id", "category", "status", "status_reason")
INTERVAL = "95 % intervals {over}."
NAME = "metrics"
SUFFIXES = (".json", ".parquet", ".md")


@dataclass(frozen=True)
class EvalReport:
    """Measures of a file.

    Attributes:
      source, format, hand: what was read.
      protocol, backend: what was run.
      rows: one a grasp, in the file's order: grasp_id, object_id, category, status, status_reason and, where
        it could be measured, every metric (None where a number has no meaning).
      diversity: entropies of each object's set of grasps, see `sim_eval.metrics.diversity`.
    """

    source: str
    format: str
    hand: str
    protocol: str
    backend: str
    rows: list[dict[str, Any]]
    diversity: dict[str, dict[str, float | int]] = field(default_factory=dict)

    @property
    def measured(self) -> int:
        """Grasps with status "ok" after all."""
        return sum(row["status"] == "ok" for row in self.rows)

    @property
    def failed(self) -> int:
        return len(self.rows) - self.measured

    def columns(self, rows: list[dict[str, Any]] | None = None) -> dict[str, np.ndarray]:
        """The rows as columns: a missing number is NaN, a missing verdict False."""
        rows = self.rows if rows is None else rows
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        return {name: _column([row.get(name) for row in rows]) for name in names}

    def means(self) -> dict[str, float]:
        """Mean of every metric of the measured grasps; of a yes/no one the share."""
        columns = self.columns([row for row in self.rows if row["status"] == "ok"])
        values = {n: v.astype(float) for n, v in columns.items() if v.dtype.kind in "fb"}
        return {n: float(np.nanmean(v)) for n, v in values.items() if np.isfinite(v).any()}

    def table(self, by: str | None = None) -> tables.Table:
        """All metrics of all grasps, or one line an object or category (`by` names the column)."""
        if by is None:
            return tables.table(
                {"all grasps": self.columns()}, known=(*shown("paper"), *shown("eval")), clusters="object_id"
            )
        names = dict.fromkeys(str(row[by]) for row in self.rows if row[by])
        lines = {name: self.columns([row for row in self.rows if str(row[by]) == name]) for name in names}
        return tables.table(lines, known=shown("paper"), clusters="object_id")

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "format": self.format,
            "hand": self.hand,
            "protocol": self.protocol,
            "backend": self.backend,
            "measured": self.measured,
            "failed": self.failed,
            "good": self.good,
            "limits": LIMITS,
            "mean": self.means(),
            "interval": self.interval(),
            "summary": tables.to_json(self.table())[0]["metrics"],
            "objects": tables.to_json(self.table("object_id")),
            "categories": tables.to_json(self.table("category")),
            "diversity": {k: {n: _finite(v) for n, v in d.items()} for k, d in self.diversity.items()},
            "grasps": self.rows,
        }

    @property
    def good(self) -> int | None:
        """Grasps within the limits; None where the protocol does not measure what they need."""
        known = [bool(row["good"]) for row in self.rows if row.get("good") is not None]
        return sum(known) if known else None

    def interval(self) -> str:
        """What the intervals stand for."""
        count = len({row["object_id"] for row in self.rows if row["status"] == "ok"})
        over = f"over {count} objects (cluster-robust)" if count > 1 else "over the grasps of this one object"
        return INTERVAL.format(over=over)

    def markdown(self) -> str:
        """The tables as a page."""
        parts = [f"# {self.source}", self.summary(), tables.upright_markdown(self.table()), self.interval()]
        for head, by in (("Objects", "object_id"), ("Categories", "category")):
            lines = self.table(by)
            if lines.lines:
                parts += [f"## {head}", tables.markdown(lines)]
        if self.diversity:
            parts += ["## Diversity (nats)", _diversity_table(self.diversity)]
        return "\n\n".join(part.strip() for part in parts) + "\n"

    def show(self, console: Console) -> None:
        """The tables on a terminal."""
        if self.measured:
            console.print(tables.upright_terminal(self.table()))
            console.print(self.interval(), highlight=False)
            by_object = self.table("object_id")
            if len(by_object.lines) > 1:
                first = tables.Table(by_object.columns, by_object.lines[:SHOWN])
                console.print(tables.terminal(first))
                if len(by_object.lines) > SHOWN:
                    console.print(f"and {len(by_object.lines) - SHOWN} more objects: --out DIR writes all")
        reasons = dict.fromkeys(
            f"{row['status']}: {row['status_reason']}" for row in self.rows if row["status"] != "ok"
        )
        for reason in list(reasons)[:SHOWN]:
            console.print(printable(reason), markup=False, highlight=False, soft_wrap=True)

    def write(self, target: Path) -> None:
        """Write a .json, .parquet or .md file, or all three into a folder; see `check_target`."""
        if not check_target(target).suffix:
            for suffix in SUFFIXES:
                self.write(target / f"{NAME}{suffix}")
            return
        if target.suffix == ".json":
            text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            data = storable(text).encode()
        elif target.suffix == ".md":
            data = storable(self.markdown()).encode()
        else:
            sink = pa.BufferOutputStream()
            pq.write_table(self.arrow(), sink, compression="zstd")
            data = sink.getvalue().to_pybytes()
        write_atomic(target, data)

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table; a row that was not measured has nulls."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        return pa.table({name: [row.get(name) for row in self.rows] for name in names})

    def summary(self) -> str:
        """One line for the terminal."""
        failed = f", {self.failed} failed" if self.failed else ""
        if not self.measured:
            return f"no grasp to measure{failed} in {self.source}"
        names = [*(c.name for c in shown("paper")), "gravity_hold_suc", "six_force_suc"]
        numbers = ", ".join(f"{n} {v:.3g}" for n, v in self.means().items() if n in names)
        good = "" if self.good is None else f"; {self.good} within the limits (no perturbed tests here)"
        return f"{self.measured} grasps measured{failed}; mean {numbers}{good}"


def check_target(target: Path) -> Path:
    """The path itself.

    Raises:
      UserError: neither a folder (no ending) nor a file of `SUFFIXES`.
    """
    if target.suffix and target.suffix not in SUFFIXES:
        raise UserError(f"--out {target}", "a .json, .parquet or .md file, or a folder", "choose another")
    return target


def _column(values: list[Any]) -> np.ndarray:
    present = [v for v in values if v is not None]
    if any(isinstance(v, str) for v in present):
        return np.array(["" if v is None else v for v in values])
    if present and all(isinstance(v, bool) for v in present):
        return np.array([bool(v) for v in values])
    return np.array([np.nan if v is None else float(v) for v in values])


def _diversity_table(sets: Mapping[str, Mapping[str, float | int]]) -> str:
    names = list(next(iter(sets.values())))
    return table(["object", *names], [[key, *(f"{d[n]:.3g}" for n in names)] for key, d in sets.items()])


def _finite(value: float | int) -> float | int | None:
    return value if np.isfinite(value) else None


NO_OBJECT = "no_object"


def evaluate_file(
    path: str,
    *,
    protocol: str = "gravity",
    backend: str = "auto",
    out: str | None = None,
    objects: str | None = None,
    hand: str | None = None,
    up: str | None = None,
) -> EvalReport:
    """Measure every grasp with status "ok"; meshes are loaded from where the file says, or from `objects`.

    Args:
      path: a grasp file of any of `pipelines.formats`, or a folder of them.
      protocol: of `sim_eval.protocols.PROTOCOLS`.
      backend: of `sim_eval.backends.BACKENDS`.
      out: where to write: a .json, .parquet or .md file, or a folder for all three.
      objects: folder of the meshes of other people's files.
      hand: of `zdg_jax.hands`; by default the file's.
      up: axis of other people's meshes that points up; by default y.

    Returns:
      The report; rows that can't be measured are in it with their status.

    Raises:
      UserError: an unknown name, an unreadable file, not one mesh found.
    """
    protocol_of(protocol)
    backend = resolve(backend)
    if up not in (None, "x", "y", "z"):
        raise UserError(f"up axis '{up}'", "x, y or z", "name the axis of the meshes that points up")
    roots = _folder(objects)
    if out is not None:
        target = check_target(Path(out).expanduser())
        output_folder(str(target.parent if target.suffix else target))
    start_jax()
    grasps = read_grasps(path, hand)
    model = load_hand(grasps.hand)
    grasps = _turned(grasps, up)
    keys, usable = np.array(grasps.object_key), np.array([s == "ok" for s in grasps.status])
    folder = folder_of(path)
    rows: list[dict[str, Any]] = [_row(grasps, i) for i in range(len(grasps))]
    chosen = list(dict.fromkeys(keys[usable]))
    refused: UserError | None = None
    with Steps(len(chosen)).running() as steps:
        for note in grasps.notes:
            steps.say(f"note: {note}")
        for key in chosen:
            index = np.flatnonzero(usable & (keys == key))
            with steps.step(f"measure {len(index)} grasps of {key}"):
                try:
                    obj = load_measured(grasps.objects[key], folder, roots)
                except UserError as error:
                    refused = refused or error
                    for i in index:
                        rows[i] |= {"status": NO_OBJECT, "status_reason": str(error)}
                    continue
                columns = _measure(model, obj, grasps, index, protocol, backend)
                for place, i in enumerate(index):
                    rows[i] |= measured_columns(columns, place)
    if refused is not None and all(row["status"] == NO_OBJECT for i, row in enumerate(rows) if usable[i]):
        raise refused
    report = EvalReport(
        str(path), grasps.format, grasps.hand, protocol, backend, rows, _diversities(model, grasps)
    )
    if out is not None:
        report.write(Path(out).expanduser())
    return report


def _measure(
    model: HandModel,
    obj: MeasuredObject,
    grasps: GraspFile,
    index: np.ndarray,
    protocol: str,
    backend: str,
) -> dict[str, np.ndarray]:
    # a file need not say how the hand closes: then the hand's own rule does
    columns = evaluate(
        model, obj, grasps.hand_pose[index], grasps.joints[index], protocol, backend=backend,
        pregrasp=grasps.pregrasp[index], squeeze=grasps.squeeze[index],
        pregrasp_pose=None if grasps.pregrasp_pose is None else grasps.pregrasp_pose[index], part=obj.part,
    )  # fmt: skip
    if grasps.grasp_type:  # a hook, say, is not asked for its thumb
        columns = {**columns, "thumb_idle": thumb_idle(model, [grasps.grasp_type[i] for i in index])}
    if all(name in columns for name in (*LIMITS, "contact_end")):
        columns = {**columns, "good": good(columns)}
    return columns


def measured_columns(columns: Mapping[str, np.ndarray], place: int) -> dict[str, Any]:
    """One grasp's measures as row values; a number that could not be measured (NaN) becomes null."""
    values = {name: np.asarray(column)[place] for name, column in columns.items()}
    lost = {name for name, v in values.items() if isinstance(v, np.floating) and not np.isfinite(v)}
    plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in values.items()}
    return {name: None if name in lost else v for name, v in plain.items()}


def _row(grasps: GraspFile, i: int) -> dict[str, Any]:
    return {
        "grasp_id": grasps.grasp_id[i],
        "object_id": grasps.object_key[i],
        "category": grasps.category[i] or None,
        "status": grasps.status[i],
        "status_reason": grasps.status_reason[i],
    }


def _folder(objects: str | None) -> Path | None:
    if objects is None:
        return None
    place = Path(objects).expanduser()
    if not place.is_dir():
        raise UserError(
            f"--objects {objects}, which is no folder", "the folder of the meshes", "check the path"
        )
    return place


def _turned(grasps: GraspFile, up: str | None) -> GraspFile:
    """Poses in the frame of the turned mesh; `up` is for files that do not say."""
    if grasps.turned:
        if up is not None:
            raise UserError(f"--up {up} for a file of ours", "no --up: the file says it", "leave it out")
        return grasps
    import dataclasses

    from zdg_jax.objects.load import UP_TO_Y

    objects = {k: dataclasses.replace(s, up=up or s.up) for k, s in grasps.objects.items()}
    pose = grasps.hand_pose.copy()
    before = None if grasps.pregrasp_pose is None else grasps.pregrasp_pose.copy()
    for key, source in objects.items():
        index = np.flatnonzero(np.array(grasps.object_key) == key)
        turn = make_pose(np.zeros(3), UP_TO_Y[source.up])
        pose[index] = compose(turn, pose[index])
        if before is not None:
            before[index] = compose(turn, before[index])
    return dataclasses.replace(grasps, hand_pose=pose, pregrasp_pose=before, objects=objects, turned=True)


def _diversities(model: Any, grasps: GraspFile) -> dict[str, dict[str, float | int]]:
    """Diversity of the palm's pose and the joints, one set an object."""
    from sim_eval.metrics.diversity import diversity

    palm = compose(grasps.hand_pose, make_pose(model.p_base_palm, model.R_base_palm))
    keys, usable = np.array(grasps.object_key), np.array([s == "ok" for s in grasps.status])
    return {
        str(key): diversity(
            palm[usable & (keys == key)], grasps.joints[usable & (keys == key)], model.lower, model.upper
        ).to_json()
        for key in dict.fromkeys(keys[usable])
    }


def object_again(object_id: str, info: Mapping[str, Any], mesh_sha256: str) -> Any:
    """The object of stored rows, loaded from where `dataset_info.json` says it came from.

    Raises:
      UserError: unknown there, gone, or with another mesh than the rows'.
    """
    from zdg_jax.objects import load_object

    known = info.get("objects", {}).get(object_id)
    if known is None:
        raise UserError(f"object {object_id}", "an entry in dataset_info.json", "synthesize it again")
    obj = load_object(known["source"], scale=known["scale"], up=known["up"], name=known["name"])
    if obj.mesh_sha256 != mesh_sha256:
        raise UserError(
            f"{known['source']} with other contents",
            f"the mesh that {object_id} had",
            "restore it or synthesize again",
        )
    return obj
