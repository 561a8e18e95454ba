"""The command `zdg judge`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from pipelines.options import MaxUsd
from zdg_jax.errors import printable


@dataclass(frozen=True)
class Judge:
    """Let a multimodal model score stored grasps from 1 to 5 (P.Score)."""

    folder: Annotated[Positional[str], arg(metavar="DIR", help="A folder that `zdg synth` wrote.")]
    reasoner: Annotated[str, arg(metavar="NAME", help="The judge; offline sees no pictures and can't.")]
    grasps: Annotated[int, arg(help="Grasps of each task, best first.")] = 3
    max_usd: MaxUsd = None

    def run(self) -> int:
        from pipelines.judge import judge_file
        from zdg_jax import api

        reasoner = api.make_reasoner(self.reasoner, max_usd=self.max_usd, check=True)
        report = judge_file(self.folder, reasoner, grasps=self.grasps)
        print(printable(report.summary(), keep="\n"))
        return 0 if report.total.judged else 1
