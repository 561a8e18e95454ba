"""Experiments whose outcome the docs show: suites as data, one runner, one page each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import trimesh
import yaml
from trimesh.exchange.obj import export_obj

from pipelines.dataset import GRASPS_FILE, load_grasps, read_dataset, write_atomic
from pipelines.options import SynthOptions
from pipelines.retarget import REPORT, retarget_file
from pipelines.synth import synth
from sim_eval import backends
from sim_eval.protocols import protocol
from sim_eval.simobject import sim_object
from zdg_jax.errors import UserError, one_of
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.objects.zoo.kit import slab
from zdg_jax.objects.zoo.outline import ellipse, rectangle

Route = Literal["direct", "retargeted"]
FILE = Path(__file__).with_name("suites.yaml")
KEY = "made:key"
"""A house key: neither the scans nor the generated objects have anything that is held like one."""


@dataclass(frozen=True)
class Suite:
    """One experiment; see suites.yaml.

    Attributes:
      name: of the suite.
      docs: page that shows it.
      page: what is written, a name of `pages.PAGES`.
      pairs: (OBJECT, sentence); an object of `zdg synth`, or `made:key`.
      hands: names or cards; others than the first may be retargeted from it.
      routes: how grasps of a hand are found.
      settings: options of `zdg synth` by name.
      nudge_m: the second judge moves the hand by so much before `six_force`; None: there is none.
    """

    name: str
    docs: str
    page: str
    pairs: tuple[tuple[str, str], ...]
    hands: tuple[str, ...]
    routes: tuple[Route, ...] = ("direct",)
    settings: dict[str, Any] = field(default_factory=dict)
    nudge_m: float | None = None

    def routes_of(self, hand: str) -> tuple[Route, ...]:
        """The first hand's grasps are what others are retargeted from."""
        return ("direct",) if hand == self.hands[0] else self.routes

    def options(self, pair: tuple[str, str], hand: str, out: str = "") -> SynthOptions:
        """What one pair is asked with."""
        return SynthOptions(*pair, out, hand=hand, **self.settings)

    def asked(self, only: tuple[str, ...]) -> list[int]:
        """Numbers of the pairs, from 1, that one of the words names: by number, or by a part of the object.

        Raises:
          UserError: a word that names none.
        """
        chosen: list[int] = []
        for word in only:
            mine = [n for n, (name, _) in enumerate(self.pairs, 1) if word == str(n) or _names(word, name)]
            if not mine:
                raise UserError(f"--only {word}", f"1 to {len(self.pairs)}, or objects", "choose other pairs")
            chosen += mine
        return chosen or list(range(1, len(self.pairs) + 1))


def _names(word: str, name: str) -> bool:
    return not word.isdigit() and word in name


@dataclass(frozen=True)
class Run:
    """One pair with one hand by one route.

    Attributes:
      number: of the pair, from 1.
      object, task: the pair.
      hand, route: by which it was run.
      status: of the task.
      rows: kept grasps as rows of `grasps.parquet`, best first.
      seconds: wall time of the whole line; the first of a process compiles.
      warnings: what the object's checks said.
      nudged: share of the kept grasps that pass the second judge.
      tips: (error in mm, within reach) of each retargeted fingertip.
    """

    number: int
    object: str
    task: str
    hand: str
    route: Route
    status: str
    rows: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    nudged: float | None = None
    tips: tuple[tuple[float, bool], ...] = ()

    @property
    def name(self) -> str:
        """The object's name without who has it."""
        return self.object.partition(":")[2] or self.object

    @property
    def slug(self) -> str:
        """Name of its folder and picture."""
        return f"{self.number:02d}_{self.name}_{self.task}".replace(" ", "_").replace("/", "_")

    @property
    def num_good(self) -> int:
        """Kept grasps that meet the numeric criteria."""
        return sum(bool(row["good"]) for row in self.rows)


def suite(name: str, file: Path = FILE, **changes: Any) -> Suite:
    """The suite of that name.

    Args:
      name: of the file.
      file: suites as YAML.
      changes: fields to replace; `settings` are added to the suite's own. None changes nothing.

    Raises:
      UserError: unknown; the message lists the valid ones.
    """
    known = yaml.safe_load(file.read_text(encoding="utf-8"))
    given = known[one_of("suite", name, known)]
    given |= {key: tuple(given[key]) for key in ("hands", "routes") if key in given}
    made = Suite(**given | {"name": name, "pairs": tuple(map(tuple, given["pairs"]))})
    changes = {key: value for key, value in changes.items() if value is not None}
    more = {key: value for key, value in changes.pop("settings", {}).items() if value is not None}
    return replace(made, settings={**made.settings, **more}, **changes)


RECORD = "run.json"


def run_suite(suite: Suite, only: tuple[str, ...], out: Path) -> Iterator[Run]:
    """Every run of a suite, hand by hand; one whose folder is there is read, not run again.

    Args:
      suite: what is run.
      only: pairs, see `Suite.asked`; all by default.
      out: the suite's folder; a run lies in HAND/ROUTE/SLUG.
    Raises:
      UserError: what an option, an object or a hand lacks.
    """
    numbers = suite.asked(only)
    for hand in suite.hands:
        for route in suite.routes_of(hand):
            for number in numbers:
                yield _run(suite, number, hand, route, out)


def _run(suite: Suite, number: int, hand: str, route: Route, out: Path) -> Run:
    """One pair; what is kept of it says which settings made it."""
    pair = suite.pairs[number - 1]
    run = Run(number, *pair, hand, route, "no_grasp")
    folder = out / hand / route / run.slug
    folder.mkdir(parents=True, exist_ok=True)
    key = {"config_sha": suite.options(pair, hand).config_sha(), "nudge_m": suite.nudge_m}
    try:
        kept = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    if kept.pop("key", None) != key:
        ours = _direct(suite, run, folder) if route == "direct" else _retargeted(suite, run, folder, out)
        kept = {k: v for k, v in asdict(ours).items() if k not in ("rows", "tips")}
        write_atomic(folder / RECORD, json.dumps({"key": key, **kept}, indent=2).encode() + b"\n")
    kept["warnings"] = tuple(kept["warnings"])
    return replace(run, **kept, rows=_rows(folder), tips=_tips(folder))


def mesh_of(name: str, folder: Path) -> str:
    """An object as `load_object` takes it; of `made:key` a file in the run's folder, made once."""
    if name != KEY:
        return name
    file = folder / "key.obj"
    if not file.is_file():
        write_atomic(file, export_obj(_key()).encode())
    return str(file)


def _key() -> trimesh.Trimesh:
    """A bow of 25 mm with a hole and a notched blade of 35 x 7.6 mm, all 2.2 mm thick, flat on y = 0."""
    notches = ((0.024, 0.0021), (0.0335, 0.0027), (0.04125, 0.0017))
    outline = ellipse(0.025, 0.025) - ellipse(0.007, 0.007).translate((-0.006, 0))
    outline += rectangle(0.035, 0.0076).translate((0.0275, 0))
    for x, deep in notches:
        outline -= rectangle(0.0045, 2 * deep).translate((x, -0.0038))
    solid = slab(outline, 0.0022, "key").solid.refine_to_length(0.002).to_mesh()
    return trimesh.Trimesh(solid.vert_properties[:, :3], solid.tri_verts)


def _direct(suite: Suite, run: Run, folder: Path) -> Run:
    """Synthesized for the hand, and put before the second judge."""
    asked = mesh_of(run.object, folder)
    options = suite.options((asked, run.task), run.hand, str(folder))
    result = synth(options)
    obj = load_object(asked, seed=options.seed)
    nudged = None
    if suite.nudge_m is not None and len(result.kept):
        nudged = _nudged(folder, obj.mesh, suite.nudge_m, options.seed)
    seconds = sum(result.seconds.values())
    return replace(run, status=result.status, seconds=seconds, warnings=tuple(obj.warnings), nudged=nudged)


def _retargeted(suite: Suite, run: Run, folder: Path, out: Path) -> Run:
    """From the first hand's grasps, which were run before."""
    source = out / suite.hands[0] / "direct" / run.slug
    if not _rows(source):
        return replace(run, status="nothing to retarget")
    options = suite.options((run.object, run.task), run.hand)
    report = retarget_file(str(source), run.hand, str(folder), loop=options)
    return replace(run, status="ok" if report.kept else "no_grasp")


def _nudged(folder: Path, mesh: Any, distance: float, seed: int) -> float:
    """Share of the kept grasps that pass `six_force` with the hand moved in a direction drawn for each."""
    grasps, info = load_grasps(folder)
    kept = grasps.kept.best(len(grasps))
    simulator = backends.backend("c")
    direction = np.random.default_rng(seed).normal(size=(len(kept), 3))
    direction *= distance / np.linalg.norm(direction, axis=1, keepdims=True)
    moved = np.concatenate([direction, np.zeros((len(kept), 4))], axis=1)
    kept = replace(
        kept,
        hand_pose=kept.hand_pose + moved,
        pregrasp_pose=kept.pregrasp_pose + moved,
        object_index=np.zeros(len(kept), np.int64),
    )
    target = sim_object(mesh, simulator.convex)
    judged = protocol("six_force").test(load_hand(info["hand"]), (target,), kept, simulator)
    return float(np.mean(judged["six_force_suc"]))


def _rows(folder: Path) -> tuple[dict[str, Any], ...]:
    """Kept grasps with status "ok", best first."""
    if not (folder / GRASPS_FILE).is_file():
        return ()
    rows = [r for r in read_dataset(folder)[0].to_pylist() if r["status"] == "ok" and r["rank"] is not None]
    return tuple(sorted(rows, key=lambda row: row["rank"]))


def _tips(folder: Path) -> tuple[tuple[float, bool], ...]:
    file = folder / REPORT
    if not file.is_file():
        return ()
    report = json.loads(file.read_text(encoding="utf-8"))
    return tuple((e, f not in row["unreachable"]) for row in report for f, e in row["tip_error_mm"].items())
