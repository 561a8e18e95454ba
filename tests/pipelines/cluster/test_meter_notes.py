"""Another model that answers is told once a run."""

from __future__ import annotations

import io

from rich.console import Console

from pipelines.drivers.show import Meter, Show


def test_a_substitution_is_one_line_a_run() -> None:
    meter, said = Meter(2, 1, 0, 4), io.StringIO()
    show = Show(meter, Console(file=said))
    for _ in range(3):
        meter.heed([{"model": "b", "asked": "a"}, {"model": "c", "asked": None}])
        show.update(last=True)
    assert said.getvalue().count("warning: a was asked and b answered") == 1
    assert "c answered" not in said.getvalue()
