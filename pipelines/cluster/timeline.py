"""When which stage was at work: `python -m pipelines.cluster.timeline DIR` makes a table of a run's log."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pipelines.cluster.files import Folder
from pipelines.cluster.journal import read_log
from zdg_jax.errors import UserError, printable

STAGES = ("prepare", "reason", "refine", "simulate")


def timeline(log: Sequence[dict[str, Any]], rows: int = 12) -> str:
    """Markdown: by interval of the last run in the log, tasks through each stage and how busy it was.

    Busy is the time of all its work over the interval's; over 100 % are several workers, or, in reasoning,
    tasks that wait for answers together.

    Args:
      log: of `read_log`.
      rows: intervals.
    """
    first = max(i for i, record in enumerate(log) if record["event"] == "start")
    run = log[first:]
    begin, end = run[0]["at"], max(run[-1]["at"], run[0]["at"] + 1e-3)
    spans = [record for record in run if record["event"] == "span"]
    ticks = [record for record in run if record["event"] == "tick"]
    heads = "".join(f" {stage} done / busy |" for stage in STAGES)
    lines = [f"| until s | calls in flight, mean / most |{heads}", "|" + "---|" * (2 + len(STAGES))]
    for number in range(rows):
        low, high = (begin + (end - begin) * (number + k) / rows for k in (0, 1))
        flying = [t.get("calls_in_flight", 0) for t in ticks if low <= t["at"] < high] or [0]
        cells = [f"{high - begin:.0f}", f"{sum(flying) / len(flying):.1f} / {max(flying)}"]
        for stage in STAGES:
            mine = [span for span in spans if span["stage"] == stage]
            done = sum(len(span["tasks"]) for span in mine if span["end"] <= high)
            busy = sum(max(0.0, min(span["end"], high) - max(span["begin"], low)) for span in mine)
            cells.append(f"{done} / {100 * busy / (high - low):.0f} %")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns: 0 printed, 2 there is no log."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.cluster.timeline", description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--rows", type=int, default=12)
    asked = parser.parse_args(argv)
    try:
        log = read_log(Folder(asked.out, make=False))
    except (OSError, UserError):
        log = []
    if not any(record["event"] == "start" for record in log):
        print(printable(f"zdg: no log of a run in {asked.out}"), file=sys.stderr)
        return 2
    print(printable(timeline(log, max(1, asked.rows)), keep="\n"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
