"""A system clock that is set during a run: no duration, rate or order in the log turns negative."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipelines.drivers import line as line_module
from pipelines.drivers.files import Folder
from pipelines.drivers.journal import read_log
from pipelines.drivers.show import Meter
from pipelines.stages.messages import Timed, timed
from tests.pipelines.cluster.test_line import Crew, many, ran


class Timing(Crew):
    def told(self, stage: str, name: str, value: Any) -> Timed[Any]:
        return timed(stage, lambda: value)


@pytest.mark.parametrize("jump_s", [-1e7, 1e7])
def test_a_clock_that_is_set_changes_no_duration(
    jump_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "LINGER_S", 0.02)
    monkeypatch.setattr(line_module, "SHARD_S", 0.05)
    real, looks, rates = time.time, Counter[str](), list[float]()

    def jumping() -> float:
        looks["n"] += 1
        return real() + jump_s * looks["n"]

    def wrote(self: Meter, shard: Any) -> None:
        told(self, shard)
        rates.extend((self.rate("write"), self.seconds["prepare"], self.eta("simulate") or 0.0))

    told = Meter.wrote
    monkeypatch.setattr(Meter, "wrote", wrote)
    monkeypatch.setattr(time, "time", jumping)
    assert set(ran(Timing(), many(12), tmp_path)) == {f"t{i}" for i in range(12)}
    log = read_log(Folder(str(tmp_path)))
    spans = [
        record for record in log if record["event"] == "span" and record["stage"] in ("prepare", "reason")
    ]
    assert spans
    assert all(0.0 <= span["end"] - span["begin"] < 1e5 for span in spans)
    at = [record["at"] for record in log]
    assert at == sorted(at)
    assert at[-1] - at[0] < 1e5
    assert rates
    assert min(rates) >= 0.0
