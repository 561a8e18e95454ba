"""`zdg synth`: the whole line for one object and one task, on this machine."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.dataset import INFO_FILE
from pipelines.lock import locked
from pipelines.options import SynthOptions
from pipelines.progress import Steps
from pipelines.runtime import new_folder, start_jax
from zdg_jax.errors import UserError, printable
from zdg_jax.foreign import load_json
from zdg_jax.grasps import Grasps
from zdg_jax.objects.sources import check_source

if TYPE_CHECKING:
    from zdg_jax.reasoning.protocol import Reasoner

STEPS = 6


@dataclass(frozen=True)
class SynthResult:
    """What came of it.

    Attributes:
      out: the folder with all files.
      status, reason: "ok", or why reasoning, refinement or simulation left no grasp.
      grasps: the kept ones, best first, then those that failed; a kept one that could not be simulated has
        another status than "ok".
      seconds: duration of each step.
    """

    out: Path
    status: str
    reason: str
    grasps: Grasps
    seconds: dict[str, float]

    @property
    def kept(self) -> Grasps:
        """The kept grasps, best first."""
        return self.grasps.kept

    @property
    def succeeded(self) -> int:
        """Kept grasps with status "ok"."""
        return int(self.kept.ok.sum())

    @property
    def failed(self) -> int:
        """Rows with another status than "ok", kept or not."""
        return int((~self.grasps.ok).sum())

    @property
    def num_good(self) -> int:
        """Kept grasps that meet all of `rank.LIMITS`, still touch, and are reached freely."""
        return _count(self.kept, "good")

    @property
    def num_firm(self) -> int:
        """Kept grasps that withstand six forces."""
        return _count(self.kept, "six_force_suc")

    def facts(self) -> dict[str, Any]:
        """What a script would want, ready for JSON."""
        return {
            "out": str(self.out),
            "status": self.status,
            "reason": self.reason,
            "kept": len(self.kept),
            "good": self.num_good,
            "withstand_six_forces": self.num_firm,
            "failed": self.failed,
            "seconds": {name: round(seconds, 2) for name, seconds in self.seconds.items()},
        }

    def summary(self) -> str:
        """One line for the terminal."""
        failed = f", {self.failed} failed" if self.failed else ""
        if not self.succeeded:
            return f"no grasp{failed}: {self.status}: {self.reason} (rows in {self.out})"
        firm = f"{self.num_firm} hold against six forces"
        counts = f"{self.succeeded} grasps kept, {self.num_good} good, {firm}{failed}"
        line = f"{counts}: see {self.out / 'report.html'}"
        if self.num_good:
            return line
        return f"{line}\nno kept grasp is good: {self._why_not_good()}"

    def _why_not_good(self) -> str:
        from sim_eval.select.rank import LIMITS, lacks

        columns = self.kept.columns
        if not set(LIMITS) <= set(columns):
            return "they were not measured"
        counts = {why: int(lacking.sum()) for why, lacking in lacks(columns).items()}
        return ", ".join(f"{n} {why}" for why, n in counts.items() if n)


def _count(grasps: Grasps, flag: str) -> int:
    return int((np.asarray(grasps.columns.get(flag, np.zeros(len(grasps))), float) > 0).sum())


def free_of_others(options: SynthOptions) -> SynthOptions:
    """The same with a folder that holds nothing of another run: DIR-2, DIR-3, ... where DIR does.

    The same command writes into its own folder again, since it would write the same.

    Raises:
      UserError: `out` is empty.
    """
    if not options.out.strip():
        raise UserError("an empty --out", "a folder", "name one, e.g. --out out/first")
    wanted = place = Path(options.out).expanduser()
    whole = Path(os.path.abspath(wanted))  # "." has a name too
    for k in range(2, 1000):
        if not (place / INFO_FILE).is_file() or _config_of(place) == options.config():
            break
        place = whole.with_name(f"{whole.name or 'out'}-{k}")
    if place == wanted:
        return options
    print(printable(f"note: {options.out} holds another run; writing into {place}"), file=sys.stderr)
    return replace(options, out=str(place))


def _config_of(folder: Path) -> Any:
    try:
        return load_json(folder / INFO_FILE).get("config")
    except (UserError, AttributeError):
        return None


def ready(options: SynthOptions) -> Reasoner:
    """Refuse what can be refused before any work starts, what is quickly told before seconds of imports.

    Returns: the reasoner, whose address, key and model were looked at.
    Raises:
      UserError: no such object; see `inline.ready`.
    """
    check_source(options.object)
    options.check()
    from pipelines import inline

    return inline.ready(options)


def synth(options: SynthOptions, steps: Steps | None = None, reasoner: Reasoner | None = None) -> SynthResult:
    """Load, reason, refine, simulate, choose, picture and write.

    Args:
      options: as asked; same options, same grasps.
      steps: where progress goes; stderr by default.
      reasoner: what `ready` gave, if it was asked already.
    Returns: the result; everything is in `options.out` too.
    Raises:
      UserError: what the object or an option lacks, or another process that writes into `out`.
    """
    reasoner = reasoner or ready(options)
    from pipelines.inline import run, spec_of
    from pipelines.stages.prepare import loaded
    from zdg_jax.hands import load_hand
    from zdg_jax.objects.load import TAKEN, axis_notes

    start_jax()
    with (
        new_folder(options.out) as out,
        locked(out, command="zdg synth"),
        (steps or Steps(STEPS)).running() as steps,
    ):
        with steps.step("load object and hand"):
            obj, hand = loaded(spec_of(options), options), load_hand(options.hand)
        told = any(warning.startswith(TAKEN) for warning in obj.warnings)
        axis = () if told else axis_notes(options.object, options.up, obj.mesh)
        for warning in (*obj.warnings, *axis):
            steps.say(f"note: {warning}")
        done = run(options, obj, hand, reasoner, steps.step)
        for warning in done.trace["warnings"]:
            if warning not in obj.warnings:  # those were told before
                steps.say(f"note: {warning}")
        with steps.step("write the data"):
            done.write(out)
        with steps.step("draw"):
            done.draw(out)
    return SynthResult(out, done.status, done.reason, done.grasps, steps.seconds)
