"""Pictures side by side with captions: the kept grasps, each from three sides, and the zoo."""

from __future__ import annotations

import argparse
import os
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int
from PIL import Image, ImageDraw

from zdg_jax.objects.zoo import VARIANTS, ZooObject, category_names, zoo_object
from zdg_jax.render.marks import font
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import INK, SKIN, Surface, look, part_color, side_views

_PAPER = (255, 255, 255)
_QUIET = (92, 99, 110)


def grid(tiles: Sequence[Image.Image], columns: int, *, gap: int = 10) -> Image.Image:
    """Tiles of one size in rows, on white; the last row may be shorter."""
    width, height = tiles[0].size
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), _PAPER)
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (gap + i % columns * (width + gap), gap + i // columns * (height + gap)))
    return sheet


def row(tiles: Sequence[Image.Image], *, gap: int = 4) -> Image.Image:
    """Tiles of one height in one row, without an outer margin."""
    width = sum(t.width for t in tiles) + gap * (len(tiles) - 1)
    strip = Image.new("RGB", (width, tiles[0].height), _PAPER)
    left = 0
    for tile in tiles:
        strip.paste(tile, (left, 0))
        left += tile.width + gap
    return strip


def captioned(picture: Image.Image, lines: Sequence[str], *, text_size: float = 15.0) -> Image.Image:
    """The picture with lines of text under it, the first one dark, cut where they get too long."""
    pitch = round(1.4 * text_size)
    out = Image.new("RGB", (picture.width, picture.height + pitch * len(lines) + pitch // 2), _PAPER)
    out.paste(picture, (0, 0))
    pen = ImageDraw.Draw(out)
    for i, line in enumerate(lines):
        top = picture.height + pitch // 4 + i * pitch
        pen.text(
            (4, top),
            _fitted(line, text_size, picture.width - 8),
            font=font(text_size),
            fill=_QUIET if i else INK,
        )
    return out


def badge(picture: Image.Image, text: str, *, text_size: float = 26.0) -> Image.Image:
    """The picture with a number in its top left corner."""
    out = picture.copy()
    pen = ImageDraw.Draw(out)
    height = round(1.45 * text_size)
    width = max(height, round(pen.textlength(text, font=font(text_size)) + 0.8 * text_size))
    pen.rounded_rectangle([8, 8, 8 + width, 8 + height], radius=8, fill=INK)
    pen.text((8 + width / 2, 8 + height / 2), text, font=font(text_size), fill=(255, 255, 255), anchor="mm")
    return out


def corner(picture: Image.Image, text: str, *, text_size: float = 14.0) -> Image.Image:
    """The picture with a quiet note in its bottom left corner."""
    out = picture.copy()
    pen, spot = ImageDraw.Draw(out), (8, out.height - 8)
    pen.text(spot, text, font=font(text_size), fill=_QUIET, anchor="ls", stroke_width=2, stroke_fill=_PAPER)
    return out


def _fitted(line: str, text_size: float, width: int) -> str:
    line = unicodedata.normalize("NFKC", line)  # the font has no raised digits: cm3
    f = font(text_size)
    if f.getlength(line) <= width:
        return line
    while line and f.getlength(line + "...") > width:
        line = line[:-1]
    return line.rstrip() + "..."


_UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class GraspPicture:
    """One grasp to be drawn, in the object's frame.

    Attributes:
      vertices: the hand's skin, metres.
      d_finger, d_palm: x and z axes of the palm frame.
      d_thumb: unit vector across the palm towards the thumb's side.
      title: one line, e.g. "#1  kept".
      caption: lines of metrics.
    """

    vertices: Float[np.ndarray, "vertices 3"]
    d_finger: Float[np.ndarray, "3"]
    d_palm: Float[np.ndarray, "3"]
    d_thumb: Float[np.ndarray, "3"]
    title: str
    caption: tuple[str, ...] = ()


def viewpoints(
    grasp: GraspPicture,
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Directions to three cameras: thumb side, fingertip side, and 45 degrees above the hand's back.

    The first shows thumb and fingers close around the object, the second how fingers wrap it, the
    third hand and object as a person standing by would see them.
    """
    thumb = grasp.d_thumb - 0.35 * grasp.d_palm + 0.25 * _UP
    wrap = 0.9 * grasp.d_palm + 0.75 * grasp.d_finger + 0.3 * grasp.d_thumb + 0.2 * _UP
    back = -grasp.d_palm + 0.4 * grasp.d_thumb
    level = np.array([back[0], 0.0, back[2]])
    if np.linalg.norm(level) < 0.5:  # palm down: stand where the fingers point; palm up: at the wrist
        ahead = -np.sign(grasp.d_palm[1]) * grasp.d_finger + 0.4 * grasp.d_thumb
        level = np.array([ahead[0], 0.0, ahead[2]])
    above = level / np.linalg.norm(level) + _UP
    return thumb, wrap, above


def grasp_views(
    obj: Surface,
    grasp: GraspPicture,
    hand_faces: Int[np.ndarray, "faces 3"],
    *,
    hand_rgb: Sequence[float] | Float[np.ndarray, "n 3"] = SKIN,
    size: int = 256,
) -> Image.Image:
    """One grasp without a word: two close views of the hand and one of hand and whole object."""
    hand = Surface.from_arrays(grasp.vertices, hand_faces, hand_rgb, smooth=True)
    everything = np.concatenate([obj.vertices, grasp.vertices])
    pictures = []
    for front, points in zip(viewpoints(grasp), (grasp.vertices, grasp.vertices, everything), strict=True):
        margin = 0.06 if points is everything else 0.16
        camera = look(points, front, size=size, margin=margin)
        pictures.append(Image.fromarray(render([obj, hand], camera).rgb))
    return row(pictures, gap=3)


def grasp_card(
    obj: Surface,
    grasp: GraspPicture,
    hand_faces: Int[np.ndarray, "faces 3"],
    *,
    hand_rgb: Sequence[float] | Float[np.ndarray, "n 3"] = SKIN,
    size: int = 256,
) -> Image.Image:
    """`grasp_views` with the grasp's title and caption below."""
    views = grasp_views(obj, grasp, hand_faces, hand_rgb=hand_rgb, size=size)
    return captioned(views, (grasp.title, *grasp.caption), text_size=size / 14)


def grasp_sheet(
    obj: Surface,
    grasps: Sequence[GraspPicture],
    hand_faces: Int[np.ndarray, "faces 3"],
    *,
    hand_rgb: Sequence[float] | Float[np.ndarray, "n 3"] = SKIN,
    size: int = 256,
    columns: int = 2,
) -> Image.Image:
    """`grasps.png`: a card for every grasp.

    Args:
      obj: the object, its target part tinted by the caller (`scene.tinted`).
      grasps: what to draw, best first.
      hand_faces: triangles of the skin.
      hand_rgb: one colour, or one a vertex or face.
      size: side of each picture, pixels.
      columns: cards a row.

    Raises:
      ValueError: if there is nothing to draw.
    """
    if not grasps:
        raise ValueError("got no grasps; expected at least one to draw")
    # casting rays and most of shading leave the interpreter lock alone
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        card = partial(grasp_card, obj, hand_faces=hand_faces, hand_rgb=hand_rgb, size=size)
        cards = list(pool.map(card, grasps))
    height = max(card.height for card in cards)
    even = []
    for card in cards:
        tile = Image.new("RGB", (card.width, height), (255, 255, 255))
        tile.paste(card, (0, 0))
        even.append(tile)
    return grid(even, columns, gap=16)


# Pictures of the zoo, parts in colours: `python -m zdg_jax.render.sheets FILE [--all]`.
_TURN, _RISE = np.radians(-29.0), 0.43  # a little from the side, at least 26 degrees from above


def portrait(made: ZooObject, size: int = 128) -> Image.Image:
    """One object from its broad side, turned a little, each part in its own pale colour."""
    colors = np.array([part_color(i + 1) for i in range(len(made.part_names))])[made.face_part]
    front = side_views(made.mesh)[0].front
    c, s = np.cos(_TURN), np.sin(_TURN)
    level = np.array([c * front[0] + s * front[2], 0.0, c * front[2] - s * front[0]])
    level /= np.linalg.norm(level)
    rise = max(float(front[1]), _RISE)
    camera = look(np.asarray(made.mesh.vertices), level * np.sqrt(1 - rise**2) + [0, rise, 0], size=size)
    return Image.fromarray(render([Surface.of(made.mesh, 0.55 * colors + 0.35)], camera).rgb)


def contact_sheet(names: Sequence[str], columns: int, size: int = 128) -> Image.Image:
    """A captioned grid of objects."""
    cards = [
        captioned(portrait(zoo_object(name), size), (name.partition("/")[0].replace("_", " "),), text_size=12)
        for name in names
    ]
    return grid(cards, columns, gap=5)


def main() -> None:
    """Write one PNG: variant 0 of every category, or all variants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--all", action="store_true", help="all variants, one category a row")
    given = parser.parse_args()
    variants = range(VARIANTS) if given.all else (0,)
    names = [f"{category}/{k}" for category in category_names() for k in variants]
    sheet = contact_sheet(names, 4 * VARIANTS if given.all else 11)
    sheet.quantize(256, dither=Image.Dither.NONE).save(given.file, optimize=True)


if __name__ == "__main__":
    main()
