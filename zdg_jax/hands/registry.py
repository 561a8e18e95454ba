"""Hands by name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from zdg_jax.errors import UserError
from zdg_jax.hands.card import read_card
from zdg_jax.hands.load import build_hand
from zdg_jax.hands.model import HandModel

_ASSETS = Path(__file__).parent / "assets"
HAND_NAMES = tuple(sorted(p.parent.name for p in _ASSETS.glob("*/card.yaml")))


@lru_cache(maxsize=4)
def load_hand(name: str) -> HandModel:
    """The built-in hand of that name.

    Raises:
      UserError: unknown name; the message lists the valid ones.
    """
    if name not in HAND_NAMES:
        raise UserError(f"hand {name!r}", f"one of {', '.join(HAND_NAMES)}", "choose one with --hand")
    folder = _ASSETS / name
    return build_hand(read_card(folder / "card.yaml"), folder)
