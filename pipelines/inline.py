"""One task from mesh and sentence to kept grasps, in this process: `zdg.synthesize` and `zdg synth`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipelines import provenance
from pipelines.dataset import write_atomic, write_dataset, write_picture
from pipelines.drivers.tasks import TaskSpec
from pipelines.lock import locked
from pipelines.options import Settings, SynthOptions
from pipelines.runtime import output_folder, start_jax
from pipelines.stages.messages import Finished, PreparedObject, Reasoned, Refined
from pipelines.stages.prepare import loaded
from pipelines.stages.reason import ReasonStage, Store
from pipelines.stages.refine import RefineStage
from pipelines.stages.select import SelectStage, unfinished
from zdg_jax import api
from zdg_jax.errors import UserError, one_of, storable
from zdg_jax.grasps import Grasps
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sources import PREFIXES
from zdg_jax.reasoning.protocol import Reasoner

if TYPE_CHECKING:
    import pyarrow as pa


# One task through the stages in this process, one stage after the other.
Step = Callable[[str], AbstractContextManager[Any]]


def run_task(
    task: TaskSpec,
    prepared: PreparedObject,
    hand: HandModel,
    options: Settings,
    reasoner: Reasoner,
    store: Store | None = None,
    step: Step = lambda _: nullcontext(),
) -> tuple[Reasoned, Finished]:
    """Reason, refine, select.

    Args:
      task, prepared, hand: what is asked.
      options: checked.
      reasoner: is closed when it has answered.
      store: takes the pictures that were shown.
      step: told what begins, and left when it ends.
    Returns: what was reasoned, and the task as it is written.
    """
    with step("reason"):
        asked = ReasonStage(hand, reasoner, options, store).reason(task, prepared)
        reasoned = api.run_here(asked)
        api.close_reasoner(reasoner)
    if reasoned.grasp.status != "ok":
        return reasoned, unfinished(hand, reasoned)
    with step(f"refine {options.num} grasps"):
        refine = RefineStage(hand, options.refine_config(), options.num, options.num)
        (grasps,) = refine.refine([(reasoned, prepared)])
    with step("simulate and choose"):
        select = SelectStage(hand, min(options.keep, options.num), options.select_by())
        return reasoned, select.select(Refined(reasoned, grasps), prepared)


@dataclass(frozen=True, eq=False)
class Synthesis:
    """All that came of one task.

    Attributes:
      object, hand: what was asked about.
      options: as asked.
      status, reason: "ok", or why no grasp could be kept.
      grasps: the kept ones, best first, then those that failed.
      trace: every question and answer, ready for JSON.
      pictures: every visual prompt by file name.
    """

    object: ObjectModel
    hand: HandModel
    options: SynthOptions
    status: str
    reason: str
    grasps: Grasps
    trace: Mapping[str, Any]
    pictures: Mapping[str, Image.Image]

    @property
    def kept(self) -> Grasps:
        """The kept grasps, best first."""
        return self.grasps.kept

    @property
    def best(self) -> Grasps:
        """The best kept grasp: a batch of one, or of none."""
        return self.kept.best(1)

    def to_table(self) -> pa.Table:
        """The rows of `grasps.parquet`."""
        return self.grasps.to_table()

    def save(self, out: str | Path) -> Path:
        """Write what `zdg synth` writes: the data, the trace, pictures and report.

        Raises:
          UserError: a folder that can't be written, or in which somebody else writes.
        """
        folder = output_folder(str(out))
        with locked(folder):
            self.write(folder)
            self.draw(folder)
        return folder

    def show(self) -> Image.Image:
        """A contact sheet of the kept grasps, each from three sides; notebooks display it.

        Raises:
          ValueError: none was kept.
        """
        from pipelines.pictures import kept_grasps

        if not len(self.kept):
            raise ValueError(
                f"got no kept grasp ({self.status}: {self.reason}); expected at least one to show"
            )
        return kept_grasps(self.object, self.hand, self.kept.to_table().to_pylist())

    def write(self, out: Path) -> None:
        """`grasps.parquet`, `dataset_info.json`, `trace.json` and `views/`."""
        config, used = self.options.config(), provenance.versions()
        write_dataset(out, self.grasps, provenance.dataset_info(self.object, self.hand, config, used))
        views = out / "views"
        views.mkdir(exist_ok=True)
        for name, picture in self.pictures.items():
            write_picture(views / (name if Path(name).suffix else f"{name}.png"), picture)
        trace = json.dumps(self.trace, indent=2, ensure_ascii=False)
        write_atomic(out / "trace.json", storable(trace).encode() + b"\n")

    def draw(self, out: Path) -> None:
        """`grasps.png`, `closing.png`, `scene.glb` and `report.html`."""
        from pipelines.pictures import write_all

        used = provenance.versions()
        notes = [f"seed {self.options.seed}", *(f"{name} {version}" for name, version in used.items())]
        rows = self.kept.to_table().to_pylist()
        known = self.options.up is not None or self.options.object.startswith(PREFIXES)
        said = "+y up" if known else "taken as +y up"
        write_all(out, self.object, self.hand, self.trace, self.pictures, rows, notes, said)


#: Of `synthesize` by name: those of `zdg synth` that are no argument of its own.
_SETTINGS = tuple(
    f.name for f in fields(SynthOptions) if f.name not in ("object", "task", "out", "hand", "reasoner")
)


def synthesize(
    obj: ObjectModel | str | os.PathLike[str],
    task: str,
    *,
    hand: str | os.PathLike[str] = "human16",
    reasoner: Reasoner | str = "offline",
    **settings: Any,
) -> Synthesis:
    """Task-oriented grasps for one object and one sentence, simulated and chosen: what `zdg synth` gives.

    Examples:
      >>> import zdg_jax as zdg
      >>> done = zdg.synthesize("ycb:048_hammer", "hammer a nail")    # doctest: +SKIP
      >>> done.best.hand_pose, done.best["p_dep_cm"]                  # doctest: +SKIP

    Args:
      obj: an object, a mesh file, `ycb:NAME` or `zoo:CATEGORY/VARIANT`.
      task: S, the sentence.
      hand: a hand by name, or its card.
      reasoner: who answers the stages' questions: its name, or a reasoner of your own.
      settings: every other option of `zdg synth` by its name, e.g. `num=64`, `keep=8`, `seed=0`,
        `select="gravity"`, `ablate="contact"`, `view="auto"`: the fields of `pipelines.options.Settings`.
    Returns: the kept grasps and everything that led to them; a task that failed says so in `status`.
    Raises:
      UserError: what the object, the hand, the task or an option lacks.
    """
    for setting in settings:
        one_of("setting", setting, _SETTINGS, "name another; `Synthesis.save` says where files go")
    obj = os.fspath(obj) if isinstance(obj, os.PathLike) else obj
    card = os.fspath(hand) if isinstance(hand, os.PathLike) else hand
    if not isinstance(obj, (str, ObjectModel)):
        expected = "a mesh file, ycb:NAME, zoo:CATEGORY/VARIANT or what `zdg.load_object` gives"
        raise UserError(
            f"a {type(obj).__name__} as object", expected, 'write a mesh to a file: mesh.export("it.ply")'
        )
    source = obj if isinstance(obj, str) else obj.object_id
    name = reasoner if isinstance(reasoner, str) else reasoner.name
    options = SynthOptions(source, task, "", hand=card, reasoner=name, **settings)
    made = ready(options, reasoner if not isinstance(reasoner, str) else None)
    start_jax()
    model = load_hand(card)
    return run(options, loaded(spec_of(options), options) if isinstance(obj, str) else obj, model, made)


def ready(options: SynthOptions, reasoner: Reasoner | None = None) -> Reasoner:
    """Refuse what can be refused before any work starts.

    Args:
      options: as asked.
      reasoner: instead of the one that the options name.
    Returns: the reasoner, whose address, key and model were looked at.
    Raises:
      UserError: see `SynthOptions.check`; no such reasoner.
    """
    options.check()
    return reasoner or api.make_reasoner(
        options.reasoner, routes=options.route, max_usd=options.max_usd, check=True
    )


def spec_of(options: SynthOptions) -> TaskSpec:
    """The task; its id is made once it is known what was reasoned on."""
    return TaskSpec("", options.object, options.task, options.name, options.scale, options.up, options.seed)


def run(
    options: SynthOptions,
    obj: ObjectModel,
    hand: HandModel,
    reasoner: Reasoner,
    step: Step = lambda _: nullcontext(),
) -> Synthesis:
    """Reason, refine, select.

    Args:
      options: checked.
      obj, hand: those of the options.
      reasoner: is closed when it has answered.
      step: told what begins, and left when it ends.
    """
    pictures: dict[str, Image.Image] = {}

    async def keep(shown: Mapping[str, Image.Image]) -> dict[str, str]:
        pictures.update(shown)
        return {}

    prepared = PreparedObject(obj, None)
    reasoned, done = run_task(spec_of(options), prepared, hand, options, reasoner, keep, step)
    warnings = [*obj.warnings, *reasoned.trace.get("warnings", ()), *_simulated(obj, done.status)]
    trace = {**reasoned.trace, "warnings": warnings}
    return Synthesis(obj, hand, options, done.status, done.reason, done.grasps, trace, pictures)


def _simulated(obj: ObjectModel, status: str) -> tuple[str, ...]:
    """How what was simulated differs from the mesh, where it does."""
    from sim_eval import backends
    from sim_eval.select.select import BACKEND
    from sim_eval.simobject import sim_object

    if status != "ok" or obj.mesh.is_watertight:
        return ()
    try:
        note = sim_object(obj.mesh, backends.backend(BACKEND).convex).note
    except ValueError:  # the rows say why there is none
        return ()
    return (f"simulated as {note}",) if note else ()
