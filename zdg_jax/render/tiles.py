"""Pictures side by side, with captions."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from PIL import Image, ImageDraw

from zdg_jax.render.labels import font
from zdg_jax.render.palette import INK

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
    ImageDraw.Draw(out).text((8, out.height - 8), text, font=font(text_size), fill=_QUIET, anchor="ls")
    return out


def _fitted(line: str, text_size: float, width: int) -> str:
    line = unicodedata.normalize("NFKC", line)  # the font has no raised digits: cm3
    f = font(text_size)
    if f.getlength(line) <= width:
        return line
    while line and f.getlength(line + "...") > width:
        line = line[:-1]
    return line.rstrip() + "..."
