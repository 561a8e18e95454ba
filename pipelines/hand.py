"""What `zdg hand` does: first cards, found grasp types, pictures."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float
from PIL import Image

from pipelines.runtime import output_folder
from zdg_jax.errors import UserError
from zdg_jax.hands.authoring.propose import first_card
from zdg_jax.hands.authoring.validate import check_card
from zdg_jax.hands.io.hand_spec import HandCard, card_text, parse_card, read_card, write_types
from zdg_jax.hands.io.model_files import compile_model, find_model
from zdg_jax.hands.kinematics import posed_in_palm
from zdg_jax.hands.load import REFERENCE, from_card, load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.reasoning.pictures import hand_colors
from zdg_jax.render import sheets
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import TARGET, Surface, join, look

# Pictures of a hand for whoever writes its card: zero pose with frames and pads, and its grasp types.
#: x (D_finger), y and z (D_palm).
AXES = ((0.86, 0.16, 0.14), (0.18, 0.62, 0.22), (0.12, 0.32, 0.86))


def hand_sheet(hand: HandModel, *, size: int = 320) -> Image.Image:
    """Zero pose with palm frame and pads, then every grasp type, each from palm, thumb's side and above.

    Arrows: D_finger red, y green, D_palm blue; pads are blue dots with their normals.

    Args:
      hand: any hand.
      size: side of each picture, pixels.
    """
    poses = {"zero pose: D_finger red, D_palm blue": hand.open_joints}
    poses |= {name: kind.joints for name, kind in hand.grasp_types.items()}
    cards = []
    for name, joints in poses.items():
        strip = sheets.row(list(_views(hand, joints, size)), gap=3)
        cards.append(sheets.captioned(strip, (f"{hand.name}: {name}",), text_size=size / 18))
    return sheets.grid(cards, 2, gap=14)


def _views(hand: HandModel, joints: Float[np.ndarray, " active"], size: int):
    """The palm frame is drawn as x to the right, y towards the thumb's other side, z to the viewer."""

    place = partial(posed_in_palm, hand, joints)
    skin = place("skin")
    surfaces = [Surface.from_arrays(skin, hand.skin_faces, hand_colors(hand), smooth=True)]
    surfaces += [
        _arrow(np.zeros(3), axis * 0.06, 0.0016, rgb) for axis, rgb in zip(np.eye(3), AXES, strict=True)
    ]
    for p, n in zip(place("pad"), place("pad_normal"), strict=True):
        surfaces += [_arrow(p, n * 0.02, 0.001, TARGET), _dot(p, 0.003, TARGET)]
    scene, _ = join(surfaces)
    thumb = np.sign(skin[hand.skin_finger == hand.thumb, 1].mean()) or -1.0
    for front, up in (((0.25, 0.2 * thumb, 1.0), (1.0, 0.0, 0.0)), ((0.15, thumb, 0.45), (1.0, 0.0, 0.0)),
                      ((1.0, 0.35 * thumb, 0.75), (0.0, 0.0, 1.0))):  # fmt: skip
        camera = look(skin, np.array(front), size=size, margin=0.1, up=up)
        yield Image.fromarray(render(scene, camera).rgb)


def _arrow(start: np.ndarray, along: np.ndarray, radius: float, rgb: tuple[float, float, float]) -> Surface:
    shaft = trimesh.creation.cylinder(radius, segment=[start, start + along], sections=12)
    tip = trimesh.creation.cone(2.4 * radius, 5 * radius, sections=12)
    tip.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], along))
    tip.apply_translation(start + along)
    whole, _ = join([Surface.of(shaft, rgb), Surface.of(tip, rgb)])
    return whole


def _dot(center: np.ndarray, radius: float, rgb: tuple[float, float, float]) -> Surface:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=radius)
    ball.apply_translation(center)
    return Surface.of(ball, rgb)


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
    """Write the hand's sheet there.

    Raises:
      UserError: a name that is no picture's.
    """
    known = Image.registered_extensions()
    if path.suffix.lower() not in known:
        raise UserError(f"{path}, no picture's name", "one that ends in .png or .jpg", "change --out")
    hand_sheet(hand).save(path)
    return path
