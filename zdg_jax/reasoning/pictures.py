"""The visual prompts that the stages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from zdg_jax.reasoning.state import ReasonState
from zdg_jax.render import cameras, labels, marks, palette, raycast
from zdg_jax.render.surface import Surface

_TEXT = 19.0
_IMAGINED_SIZE = 320
_GAP = 6


def plain(state: ReasonState) -> Image.Image:
    """The object in the chosen view, unmarked."""
    return Image.fromarray(state.frame.rgb)


def marked_parts(state: ReasonState, view: int | None = None) -> Image.Image:
    """Set-of-Mark: the parts that can be chosen, coloured and numbered."""
    index = state.view if view is None else view
    numbers = sorted(state.visible_pixels(index))
    return marks.part_marks(state.frames[index].rgb, state.part_maps[index], numbers, min_pixels=1).image


def view_sheet(state: ReasonState) -> Image.Image:
    """The side views with their part marks, as numbered panels."""
    panels = [marked_parts(state, view) for view in range(len(state.frames))]
    return sheet({number + 1: panel for number, panel in enumerate(panels)}, columns=2, title="view")


def marked_points(state: ReasonState, uv: Int[np.ndarray, "n 2"]) -> Image.Image:
    """The contour points of M_func^2d with their numbers."""
    mask = np.isin(state.part_map, state.func_parts)
    return marks.point_marks(state.frame.rgb, uv, mask=mask).image


def marked_center(state: ReasonState) -> Image.Image:
    """The marked parts with a cross at C, the centre of the hand region."""
    picture = marked_parts(state)
    uv, _ = state.camera.project(state.region.center[None])
    label = labels.Label("C", (float(uv[0, 0]), float(uv[0, 1])), palette.INK)
    spot = labels.place([label], _TEXT, (picture.height, picture.width), avoid=state.frame.mask, dot=6.0)
    return labels.draw(picture, [label], spot, _TEXT, dot=6.0)


def imagination(state: ReasonState, skins: Mapping[int, Float[np.ndarray, "vertices 3"]]) -> Image.Image:
    """I^imag of paper III-C: for each candidate hand with object and hand alone, side by side.

    Args:
      state: direction known.
      skins: candidate number to skin vertices, metres, object frame.
    """
    body = Surface.of(state.obj.mesh)
    everything = np.concatenate([np.asarray(state.obj.mesh.vertices), *skins.values()])
    camera = cameras.look(everything, state.camera.front, size=_IMAGINED_SIZE)
    panels = {}
    for number, skin in skins.items():
        hand = Surface.from_arrays(skin, state.hand.skin_faces, palette.SKIN)
        pair = [raycast.render([body, hand], camera), raycast.render(hand, camera)]
        panels[number] = _row([Image.fromarray(frame.rgb) for frame in pair])
    return sheet(panels, columns=1 if len(panels) == 1 else 2, title="hand")


def sheet(panels: Mapping[int, Image.Image], columns: int, title: str) -> Image.Image:
    """Panels in a grid, each with its title and number in the upper left corner."""
    numbered = []
    for number, panel in panels.items():
        text = f"{title} {number}"
        wide, high = labels.box_size(text, _TEXT)
        spot = (wide / 2 + 5, high / 2 + 5)
        numbered.append(labels.draw(panel, [labels.Label(text, spot, palette.INK)], [spot], _TEXT))
    rows = [_row(numbered[i : i + columns]) for i in range(0, len(numbered), columns)]
    width = max(row.width for row in rows)
    whole = Image.new("RGB", (width, sum(row.height for row in rows) + _GAP * (len(rows) - 1)), "white")
    top = 0
    for row in rows:
        whole.paste(row, (0, top))
        top += row.height + _GAP
    return whole


def _row(pictures: Sequence[Image.Image]) -> Image.Image:
    width = sum(picture.width for picture in pictures) + _GAP * (len(pictures) - 1)
    row = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        row.paste(picture, (left, 0))
        left += picture.width + _GAP
    return row
