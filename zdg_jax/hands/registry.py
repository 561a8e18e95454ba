"""Hands by name, or by the path of their card."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from zdg_jax.errors import UserError
from zdg_jax.hands.card import HandCard, read_card
from zdg_jax.hands.load import build_hand
from zdg_jax.hands.model import HandModel

_ASSETS = Path(__file__).parent / "assets"
REFERENCE = "human16"
#: Hands that need no other package than ours, and those of the extra `hands`.
HAND_NAMES = (REFERENCE, "shadow")
EXTRA_HANDS = tuple(sorted({p.parent.name for p in _ASSETS.glob("*/card.yaml")} - set(HAND_NAMES)))


def card_path(name: str) -> Path:
    """The card of a built-in hand, or `name` itself where it is a card file or a folder that holds one.

    Raises:
      UserError: neither; the message lists the valid names.
    """
    if name in HAND_NAMES + EXTRA_HANDS:
        return _ASSETS / name / "card.yaml"
    path = Path(name).expanduser()
    path = path / "card.yaml" if path.is_dir() else path
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    raise UserError(
        f"hand {name!r}",
        f"one of {', '.join(HAND_NAMES)}, or with the extra `hands` {', '.join(EXTRA_HANDS)}, or a card file",
        "choose one with --hand, or make a card with `zdg hand new MODEL`",
    )


def load_hand(name: str) -> HandModel:
    """A built-in hand by name, or any hand by its card.

    Raises:
      UserError: unknown name, a package or file that is missing, or what the card or model lacks.
    """
    path = card_path(name)
    return _load(path.resolve(), path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _load(path: Path, _changed: int) -> HandModel:
    hand = from_card(read_card(path), path.parent)
    return hand if path.is_relative_to(_ASSETS.resolve()) else replace(hand, card=str(path))


def from_card(card: HandCard, folder: Path) -> HandModel:
    """A hand from a card that is not (yet) a file; model and skin are looked for in `folder`."""
    reference = None if card.name == REFERENCE else lambda: load_hand(REFERENCE)
    return build_hand(card, folder, reference)
