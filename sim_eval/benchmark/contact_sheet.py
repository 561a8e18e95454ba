"""Pictures of the zoo, parts in colours: `python -m sim_eval.benchmark.contact_sheet FILE [--all]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from PIL import Image

from zdg_jax.objects.zoo import VARIANTS, ZooObject, category_names, zoo_object
from zdg_jax.render import sheets
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import Surface, look, part_color, side_views

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
        sheets.captioned(
            portrait(zoo_object(name), size), (name.partition("/")[0].replace("_", " "),), text_size=12
        )
        for name in names
    ]
    return sheets.grid(cards, columns, gap=5)


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
