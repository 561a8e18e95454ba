"""The visual prompts that the stages show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from zdg_jax.hands.model import HandModel
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.render import composite, marks, sheets, surface
from zdg_jax.render.surface import Surface

_TEXT = 19.0


def plain(state: ReasonState) -> Image.Image:
    """The object in the chosen view, unmarked."""
    return state.once(("plain", state.view), lambda: Image.fromarray(state.frame.rgb))


def marked_parts(state: ReasonState, view: int | None = None) -> Image.Image:
    """Set-of-Mark: the parts that can be chosen in a view (the chosen one if None), coloured, numbered."""
    index = state.view if view is None else view
    if index not in state.marked:
        numbers = sorted(state.visible_pixels(index))
        frame, part_map = state.frames[index], state.part_maps[index]
        state.marked[index] = marks.part_marks(frame.rgb, part_map, numbers, min_pixels=1).image
    return state.marked[index]


def view_sheet(state: ReasonState) -> Image.Image:
    """The side views with their part marks, as numbered panels."""

    def sheet() -> Image.Image:
        views = range(len(state.frames))
        return sheets.grid([sheets.badge(marked_parts(state, view), str(view + 1)) for view in views], 2)

    return state.once("views", sheet)


def marked_points(state: ReasonState, uv: Int[np.ndarray, "n 2"]) -> Image.Image:
    """The contour points of M_func^2d with their numbers."""
    return state.once(
        ("points", state.view, state.func_parts, uv.tobytes()),
        lambda: marks.point_marks(state.frame.rgb, uv, mask=state.mask_2d(state.func_parts)).image,
    )


def completed_mask(state: ReasonState, parts: tuple[int, ...]) -> Image.Image:
    """M^2d over the plain view, for people; no stage is shown it."""
    rgb = state.frame.rgb.astype(np.float64)
    mask = state.mask_2d(parts)
    rgb[mask] = 0.5 * rgb[mask] + 0.5 * 255 * np.array(surface.TARGET)
    return Image.fromarray(np.rint(rgb).astype(np.uint8))


def marked_center(state: ReasonState) -> Image.Image:
    """The marked parts with a dot at C, the centre of the hand region."""
    return state.once(("center", state.view, state.hand_parts), lambda: _marked_center(state))


def _marked_center(state: ReasonState) -> Image.Image:
    picture = marked_parts(state)
    uv, _ = state.camera.project(state.region.center[None])
    label = marks.Label("C", (float(uv[0, 0]), float(uv[0, 1])), surface.INK)
    spot = marks.place([label], _TEXT, (picture.height, picture.width), avoid=state.frame.mask, dot=6.0)
    return marks.draw(picture, [label], spot, _TEXT, dot=6.0)


def imagination(
    state: ReasonState,
    skins: Mapping[int, Float[np.ndarray, "vertices 3"]],
    d_palm: Float[np.ndarray, "3"],
) -> Image.Image:
    """I^imag of paper III-C: for each candidate hand with object and hand alone, side by side.

    Args:
      state: direction known.
      skins: candidate number to skin vertices, metres, object frame.
      d_palm: D_palm of eq. 2, unit; the camera turns from the chosen view until the palm is not edge-on.
    """
    held = np.isin(state.obj.face_part, state.hand_parts)
    return composite.rotation_prompt(
        Surface.painted(state.obj.mesh, state.obj.paint, surface.tinted(held), held),
        list(skins.values()),
        state.hand.skin_faces,
        [str(number) for number in skins],
        state.camera.front,
        d_palm=d_palm,
        hand_rgb=hand_colors(state.hand),
    )


def hand_colors(hand: HandModel) -> Float[np.ndarray, "vertices 3"]:
    """Skin colour, with thumb and index (the functional fingers) in colours of their own."""
    colors = np.tile(np.array(surface.SKIN), (len(hand.skin_finger), 1))
    for name, color in zip(hand.functional_fingers, (surface.THUMB, surface.INDEX), strict=False):
        colors[hand.skin_finger == hand.finger_names.index(name)] = color
    return colors
