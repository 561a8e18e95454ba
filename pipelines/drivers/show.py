"""A live table on a terminal, plain lines elsewhere, and gauges on Ray's dashboard."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipelines.drivers.journal import now
from pipelines.stages.messages import Finished
from zdg_jax.errors import printable

# How far a run is: what the terminal, the plain lines, the log and Ray's dashboard all show.
STAGES = ("prepare", "reason", "refine", "simulate", "write")


class Meter:
    """Counts of one run.

    Attributes:
      total: tasks and objects to go through, those of earlier runs included.
      done: units through each stage in this run: objects in prepare, tasks elsewhere.
      busy: units in each stage now.
      seconds: of work in each stage, over all workers.
      statuses: of written tasks; grasps: what became of their grasps.
      gateway: its last `state`.
      notes: what a person should hear once, oldest first.
    """

    def __init__(self, tasks: int, objects: int, done_before: int, num: int) -> None:
        """Args:
        tasks: to do in this run.
        objects: of these tasks.
        done_before: tasks of earlier runs.
        num: starts a task.
        """
        self.tasks, self.objects, self.done_before, self.num = tasks, objects, done_before, num
        self.done: Counter[str] = Counter()
        self.busy: Counter[str] = Counter()
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.statuses: Counter[str] = Counter()
        self.grasps: Counter[str] = Counter()
        self.gateway: dict[str, Any] = {}
        self.notes: list[str] = []
        self.started = now()
        self._first: dict[str, float] = {}
        self.on_written: Callable[[Sequence[Finished]], None] = lambda _: None

    def begin(self, stage: str, units: int = 1) -> None:
        self.busy[stage] += units
        self._first.setdefault(stage, now())

    def end(self, stage: str, units: int, seconds: float) -> None:
        self.busy[stage] = max(0, self.busy[stage] - units)
        self.done[stage] += units
        self.seconds[stage] += seconds

    def heed(self, calls: Sequence[Mapping[str, Any]]) -> None:
        """Note, once a run, that another model answered than was asked."""
        for call in calls:
            note = f"warning: {call.get('asked')} was asked and {call['model']} answered"
            if call.get("asked") is not None and note not in self.notes:
                self.notes.append(note)

    def wrote(self, shard: Sequence[Finished]) -> None:
        self.begin("write", len(shard))
        self.end("write", len(shard), 0.0)
        self.statuses.update(each.status for each in shard)
        for each in shard:
            self.grasps.update(each.counts)
        self.on_written(shard)

    def rate(self, stage: str) -> float:
        """Units a second since the stage's first."""
        since = self._first.get(stage)
        return self.done[stage] / max(now() - since, 1e-9) if since is not None else 0.0

    def eta(self, stage: str) -> float | None:
        """Seconds until the stage is through, at its rate so far."""
        left = (self.objects if stage == "prepare" else self.tasks) - self._through(stage)
        rate = self.rate(stage)
        return 0.0 if left <= 0 else left / rate if rate > 0 else None

    def _through(self, stage: str) -> int:
        """Units that have passed: a task that reasoning ended passes refinement and simulation too."""
        if stage in ("refine", "simulate"):
            return max(self.done[stage], self.done["write"])
        return self.done[stage]

    def snapshot(self) -> dict[str, Any]:
        """For the log."""
        return {
            "done": {stage: self.done[stage] for stage in STAGES},
            "busy": {stage: self.busy[stage] for stage in STAGES if stage != "write"},
            **{f"calls_{k}": v for k, v in self.gateway.items()},
        }


PLAIN_S = 10.0


class Show:
    """What a person sees of a `Meter`."""

    def __init__(self, meter: Meter, console: Console | None = None) -> None:
        self._meter = meter
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._last = 0.0
        self._said = 0

    def running(self) -> AbstractContextManager[Any]:
        """Shows the table for as long as the block runs; off a terminal there is none."""
        if not self._console.is_terminal:
            return nullcontext()
        self._live = Live(self._table(), console=self._console, refresh_per_second=2, transient=True)
        return self._live

    def update(self, last: bool = False) -> None:
        """New notes and numbers; off a terminal a line now and then."""
        for note in self._meter.notes[self._said :]:
            self.say(note)
        self._said = len(self._meter.notes)
        if self._live is not None:
            self._live.update(self._table())
        elif last or time.monotonic() - self._last >= PLAIN_S:
            self._last = time.monotonic()
            self.say(self.line())

    def say(self, line: str) -> None:
        """One plain line on stderr, above the table if there is one."""
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

    def line(self) -> str:
        """Everything on one line."""
        m, done = self._meter, self._meter.done
        parts = [f"{m.done_before + done['write']}/{m.done_before + m.tasks} tasks written"]
        parts += [f"{stage} {done[stage]}" for stage in STAGES[:-1]]
        parts.append(f"{m.num * m.rate('refine'):.1f} grasps/s refined")
        if m.gateway:
            parts.append(f"{m.gateway['in_flight']} calls in flight, {m.gateway['sent']} sent")
            parts.append(f"${m.gateway['usd']:.4f}")
        etas = [eta for stage in STAGES if (eta := m.eta(stage)) is not None]
        parts.append(f"ETA {_clock(max(etas))}" if len(etas) == len(STAGES) else "ETA unknown")
        return ", ".join(parts)

    def _table(self) -> Table:
        m = self._meter
        calls = ""
        if m.gateway:
            g = m.gateway
            calls = f"; {g['in_flight']} calls in flight, {g['sent']} sent, ${g['usd']:.4f}"
        grasps = f"{m.num * m.rate('refine'):.1f} grasps/s refined"
        bad = {status: n for status, n in m.statuses.items() if status != "ok"}
        failed = f"; failed: {', '.join(f'{n} {status}' for status, n in sorted(bad.items()))}" if bad else ""
        table = Table(title=f"{grasps}{calls}{failed}", title_justify="left")
        for column in ("stage", "done", "of", "in it", "a second", "ETA"):
            table.add_column(column, justify="left" if column == "stage" else "right")
        for stage in STAGES:
            total, eta = (m.objects if stage == "prepare" else m.tasks), m.eta(stage)
            cells = (str(m.done[stage]), str(total), str(m.busy[stage]), f"{m.rate(stage):.2f}")
            table.add_row(stage, *cells, "" if eta is None else _clock(eta))
        return table


class Dashboard:
    """The same numbers as gauges, `zdg_*`, on the dashboard of the driver's cluster."""

    def __init__(self) -> None:
        from ray.util.metrics import Gauge

        done = "Objects or tasks through a stage."
        self._stage = Gauge("zdg_units_done", description=done, tag_keys=("stage",))
        self._busy = Gauge("zdg_units_busy", description="Objects or tasks in a stage.", tag_keys=("stage",))
        self._plain = {
            name: Gauge(f"zdg_{name}", description=text)
            for name, text in (
                ("calls_in_flight", "Requests sent to models and not yet answered."),
                ("calls_sent", "Requests sent to models."),
                ("cost_usd", "USD spent by this gateway."),
                ("grasps_per_second", "Grasps refined a second, since the first."),
            )
        }

    def update(self, meter: Meter) -> None:
        for stage in STAGES:
            self._stage.set(meter.done[stage], tags={"stage": stage})
            self._busy.set(meter.busy[stage], tags={"stage": stage})
        gateway = meter.gateway or {"in_flight": 0, "sent": 0, "usd": 0.0}
        self._plain["calls_in_flight"].set(gateway["in_flight"])
        self._plain["calls_sent"].set(gateway["sent"])
        self._plain["cost_usd"].set(gateway["usd"])
        self._plain["grasps_per_second"].set(meter.num * meter.rate("refine"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
