"""What a run was asked, and what of it decides the result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipelines.provenance import config_sha
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.settings import expand

# These say how, how fast and where to, not what; a run may go on with others.
_HOW = ("tasks", "out", "address", "max_usd", "in_flight", "concurrency", "shard", "reasoners")
_HOW += ("simulators", "preparers", "refiners", "pictures")


@dataclass(frozen=True)
class GenerateOptions:
    """See `python -m pipelines.generate --help`."""

    tasks: str
    out: str
    hand: str = "human16"
    reasoner: str = "offline"
    num: int = 64
    keep: int = 8
    seed: int = 0
    steps: int = 600
    ablate: str | None = None
    optimizer: str = "adam"
    view: str = "ask"
    select: str = "gravity"
    route: tuple[str, ...] = ()
    address: str | None = None
    max_usd: float | int | None = None
    in_flight: int = 256
    concurrency: int | None = None
    batch: int | None = None
    shard: int = 64
    reasoners: int | None = None
    refiners: int | None = None
    simulators: int | None = None
    preparers: int | None = None
    pictures: bool = True

    def __post_init__(self) -> None:
        # Stored rows say who is asked, not a preset's name, which may stand for others tomorrow.
        reasoner, route = expand(self.reasoner, self.route)
        object.__setattr__(self, "reasoner", reasoner)
        object.__setattr__(self, "route", route)

    def config(self) -> dict[str, Any]:
        """All that can change a row."""
        values = {k: v for k, v in asdict(self).items() if k not in _HOW}
        return {**values, "route": list(self.route)}

    def sha(self) -> str:
        """Of `config`; two runs with different ones never write into one folder."""
        return config_sha(self.config())

    def check(self) -> None:
        """Refuse what can be refused at once.

        Raises:
          UserError: a number out of range, or an unknown hand, view, ablation or optimiser.
        """
        ranges = {
            "num": (1, 65536),
            "keep": (1, self.num),
            "seed": (0, 2**31 - 1),
            "steps": (1, 100_000),
            "in_flight": (1, 100_000),
            "shard": (1, 100_000),
            "concurrency": (1, 10_000),
            "batch": (1, 1 << 20),
            "reasoners": (1, 1000),
            "refiners": (1, 1000),
            "simulators": (1, 10_000),
            "preparers": (1, 10_000),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                option = "--" + name.replace("_", "-")
                raise UserError(f"{option} {value}", f"{low} to {high}", f"choose another {option}")
        from sim_eval.select import check_select
        from zdg_jax.api import refine_config
        from zdg_jax.hands import load_hand
        from zdg_jax.reasoning.config import parse_view

        parse_view(self.view)
        check_select(self.select)
        refine_config(self.ablate, self.optimizer)
        load_hand(self.hand)
