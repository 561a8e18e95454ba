"""What `zdg hand` does: first cards, found grasp types, pictures."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pipelines.hand_pictures import hand_sheet
from pipelines.runtime import output_folder
from zdg_jax.errors import UserError
from zdg_jax.hands.authoring.propose import first_card
from zdg_jax.hands.authoring.validate import check_card
from zdg_jax.hands.io.hand_spec import HandCard, card_text, parse_card, read_card, write_types
from zdg_jax.hands.io.model_files import compile_model, find_model
from zdg_jax.hands.load import REFERENCE, from_card, load_hand
from zdg_jax.hands.model import HandModel

NOTE = """First card, by `zdg hand new`. Look at hand.png, mend what is wrong here, then run `zdg hand fit`.
Metres; directions and points in the frame of the link named beside them; angles in degrees."""


def new_hand(
    reference: str, *, name: str | None = None, base: str | None = None, out: str | None = None
) -> tuple[Path, list[str]]:
    """Inspect a model, write its first card with found grasp types, and draw it.

    Args:
      reference: as in a card's `model`; a path is stored relative to the card.
      name: of the hand; by default the model's file or folder name.
      base: link that the fingers branch from; guessed if None.
      out: folder of the card; must not hold one yet.
    Returns: the card, and what `check_card` says of it.
    Raises:
      UserError: no usable model, or a card that is there already.
    """
    path = find_model(reference, Path.cwd(), name or "new")
    source = compile_model(path)
    name = name or re.sub(r"\W+", "_", path.stem).lower()
    folder = output_folder(out or name)
    card = folder / "card.yaml"
    if card.exists():
        raise UserError(f"{card}, which is there already", "a new folder", "choose another --out, or edit it")
    if ":" not in reference:
        reference = os.path.relpath(path.resolve(), folder.resolve())
    fields = first_card(source.model, reference, name, base)
    if fields["skin"] == "collision":
        del fields["skin"]
    card.write_text(card_text(fields, NOTE), encoding="utf-8")
    hand = from_card(read_card(card), folder)
    write_types(card, hand)
    draw(hand, folder / "hand.png")
    return card, check_card(card)


def fit_types(path: Path) -> HandModel:
    """Find a card's grasp types anew, those of the reference hand; types of its own stay as they are.

    Returns: the hand with them; they are in the card.
    """
    values = parse_card(path)
    if values.get("name") == REFERENCE:
        raise UserError(f"{REFERENCE}, whose types are the reference", "another hand", "edit its card")
    example = load_hand(REFERENCE)
    own = {k: v for k, v in (values.get("grasp_types") or {}).items() if k not in example.grasp_types}
    told = read_card(path)
    card = HandCard.model_validate({**told.model_dump(), "grasp_types": own})
    hand = from_card(card, path.parent)
    write_types(path, hand)
    return hand


def draw(hand: HandModel, path: Path) -> Path:
    """Write the hand's sheet there."""
    hand_sheet(hand).save(path)
    return path
