"""What one task is asked with, and what can be refused at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.settings import expand

if TYPE_CHECKING:
    from zdg_jax.reasoning.protocol import Reasoner


@dataclass(frozen=True)
class SynthOptions:
    """What `zdg synth` was asked; see `zdg synth --help`."""

    object: str
    task: str
    out: str
    hand: str = "human16"
    reasoner: str = "offline"
    num: int = 64
    keep: int = 8
    seed: int = 0
    scale: float = 1.0
    up: str | None = None
    name: str | None = None
    ablate: str | None = None
    optimizer: str = "adam"
    view: str = "ask"
    route: tuple[str, ...] = ()
    max_usd: float | int | None = None
    segmenter: str = "geometric"
    features: str = "geometric"
    select: str = "gravity"

    def __post_init__(self) -> None:
        # Stored rows say who is asked, not a preset's name, which may stand for others tomorrow.
        reasoner, route = expand(self.reasoner, self.route)
        object.__setattr__(self, "reasoner", reasoner)
        object.__setattr__(self, "route", route)

    def config(self) -> dict[str, Any]:
        """Everything that can change the result, as it is stored and hashed."""
        values = asdict(self)
        del values["out"], values["max_usd"]
        return values


def check_options(options: SynthOptions, reasoner: Reasoner | None = None) -> Reasoner:
    """Refuse what can be refused before any work starts.

    Args:
      options: as asked.
      reasoner: instead of the one that the options name.
    Returns: the reasoner, whose address, key and model were looked at.
    Raises:
      UserError: empty task, num or keep out of range, unknown hand, reasoner, ablation or optimiser.
    """
    if not options.task.strip():
        raise UserError("an empty task", 'a sentence such as "hammer a nail"', "say what the hand shall do")
    if not 1 <= options.num <= 65536:
        raise UserError(f"--num {options.num}", "1 to 65536", "choose another number")
    if not 1 <= options.keep <= options.num:
        raise UserError(f"--keep {options.keep}", f"1 to --num ({options.num})", "choose another number")
    if not 0 <= options.seed < 2**31:
        raise UserError(f"--seed {options.seed}", "0 to 2147483647", "choose another number")
    from sim_eval.select import check_select

    check_select(options.select)

    from zdg_jax.api import make_reasoner, refine_config
    from zdg_jax.hands import load_hand
    from zdg_jax.reasoning.config import parse_view
    from zdg_jax.reasoning.segmenters.segmenter import make_segmenter

    parse_view(options.view)
    make_segmenter(options.segmenter)
    refine_config(options.ablate, options.optimizer)
    load_hand(options.hand)
    return reasoner or make_reasoner(
        options.reasoner, routes=options.route, max_usd=options.max_usd, check=True
    )
