"""How far a run is: what the terminal, the plain lines, the log and Ray's dashboard all show."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipelines.stages.messages import Finished

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
        self.started = time.time()
        self._first: dict[str, float] = {}
        self.on_written: Callable[[Sequence[Finished]], None] = lambda _: None

    def begin(self, stage: str, units: int = 1) -> None:
        self.busy[stage] += units
        self._first.setdefault(stage, time.time())

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
        return self.done[stage] / max(time.time() - since, 1e-9) if since is not None else 0.0

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
