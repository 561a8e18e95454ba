"""`python -m pipelines.generate`: a table of tasks to a dataset, on this machine or a Ray cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pipelines.options import GenerateOptions
from pipelines.runtime import program
from zdg_jax.errors import printable


def run(options: GenerateOptions) -> int:
    """Make the dataset and say how far it came.

    Returns: as `main`.
    """
    from pipelines.drivers.run import generate
    from pipelines.runtime import interrupted_status
    from zdg_jax.status import STOPPING, Status

    result = generate(options)
    written = printable(f"{result.done} of {result.total} tasks are written in {result.out}")
    if result.why == "interrupt":
        print(f"stopped: {written}; run the same command again to go on", file=sys.stderr)
        return interrupted_status()
    if result.why == "budget":
        print(f"--max-usd reached: {written}; run the same command again to go on", file=sys.stderr)
        return 3
    why = printable(result.why)
    kind, _, said = why.partition(": ")
    if kind == Status.MACHINE_FAULT:
        print(f"generate: {said}; {written}", file=sys.stderr)
        return 2
    if kind in STOPPING:
        print(f"{why}; {written}; run the same command again to go on", file=sys.stderr)
        return 3
    if result.why:
        print(f"zdg: {why}; {written}; run the same command again to go on", file=sys.stderr)
        return 1
    print(f"{written}: see README.md there")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run it.

    Returns: 0 all tasks written (failed ones included), 1 given up, 2 mend something (a full disk too), 3
      stopped at `--max-usd` or because a model was there no more, 130 after Ctrl-C, 143 after SIGTERM.
    """
    return program("pipelines.generate", GenerateOptions, argv, run)


if __name__ == "__main__":
    sys.exit(main())
