"""The visual prompts that the stages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from zdg_jax.hands.kinematics import posed_in_palm
from zdg_jax.hands.model import HandModel
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.render import composite, marks, raycast, scene, sheets
from zdg_jax.render.scene import Surface, look

_TEXT = 19.0
_TYPE = 210  # pixels of a grasp type's picture: eight stay below 1024 x 512
_FAINT = 0.15  # tint of parts that are not held, where the held ones matter
_REACH = 0.32  # of the object's diagonal: length of the arrows


def plain(state: ReasonState) -> Image.Image:
    """The object in the chosen view, unmarked."""
    return state.once(("plain", state.view), lambda: Image.fromarray(state.shown.rgb))


def marked_parts(state: ReasonState) -> Image.Image:
    """Set-of-Mark: the parts that can be chosen in the chosen view, coloured and numbered."""
    return _marked(state, ("shown", state.view), {}, {})


def marked_held(state: ReasonState) -> Image.Image:
    """The same, with the held part(s) in full colour and named so, the others faint."""
    faint = {number: _FAINT for number in state.visible_pixels(state.view) if number not in state.hand_parts}
    notes = dict.fromkeys(state.hand_parts, "held")
    return _marked(state, ("held", state.view, state.hand_parts), faint, notes)


def _marked(
    state: ReasonState, key: tuple[object, ...], tint: Mapping[int, float], notes: Mapping[int, str]
) -> Image.Image:
    if key not in state.marked:
        numbers = sorted(state.visible_pixels(state.view))
        state.marked[key] = marks.part_marks(
            state.shown.rgb,
            state.shown_parts,
            numbers,
            min_pixels=1,
            text_size=_text(state),
            tint=tint,
            notes=notes,
        ).image
    return state.marked[key]


def view_sheet(state: ReasonState) -> Image.Image:
    """The side views with their part marks, as numbered panels."""

    def panel(view: int) -> Image.Image:
        frame, parts, numbers = state.frames[view], state.part_maps[view], sorted(state.visible_pixels(view))
        return sheets.badge(marks.part_marks(frame.rgb, parts, numbers, min_pixels=1).image, str(view + 1))

    return state.once("views", lambda: sheets.grid([panel(view) for view in range(len(state.frames))], 2))


def marked_points(state: ReasonState, uv: Int[np.ndarray, "n 2"]) -> Image.Image:
    """The contour points of M_func^2d with their numbers; held and touched part(s) tinted and named so."""
    scale = state.config.shown_scale

    def draw() -> Image.Image:
        held, touched = state.hand_parts, state.func_parts
        parts = np.where(np.isin(state.shown_parts, (*held, *touched)), state.shown_parts, 0)
        whole = state.completed.get(touched)
        if whole is not None:
            parts = np.where(state.enlarged(whole) & ~np.isin(parts, touched), touched[0], parts)
        notes = {
            n: ", ".join(["held"] * (n in held) + ["touched"] * (n in touched)) for n in (*held, *touched)
        }
        return marks.point_marks(
            state.shown.rgb, scale * uv + scale // 2, parts=parts, notes=notes, text_size=15.0 * scale**0.5
        ).image

    key = ("points", state.view, state.hand_parts, state.func_parts, uv.tobytes())
    return state.once(key, draw)


def _text(state: ReasonState) -> float:
    """Size of numbers: larger in a larger picture, but not as much."""
    return _TEXT * state.config.shown_scale**0.5


def completed_mask(state: ReasonState, parts: tuple[int, ...]) -> Image.Image:
    """M^2d over the plain view, for people; no stage is shown it."""
    rgb = state.frame.rgb.astype(np.float64)
    mask = state.mask_2d(parts)
    rgb[mask] = 0.5 * rgb[mask] + 0.5 * 255 * np.array(scene.TARGET)
    return Image.fromarray(np.rint(rgb).astype(np.uint8))


def marked_center(state: ReasonState, named: Mapping[str, Float[np.ndarray, "3"]]) -> Image.Image:
    """The held part(s) tinted, and arrows with names from C, the centre of the hand region.

    Args:
      state: hand region known.
      named: unit vectors by name.
    """

    def draw() -> Image.Image:
        camera = raycast.scaled(state.camera, state.config.shown_scale)
        length = _REACH * float(np.linalg.norm(state.obj.mesh.extents))
        return composite.named_arrows(
            marked_held(state), camera, state.region.center, named, length, _text(state)
        )

    return state.once(("center", state.view, state.hand_parts), draw)


def imagination(
    state: ReasonState,
    skins: Mapping[int, Float[np.ndarray, "vertices 3"]],
    d_palm: Float[np.ndarray, "3"],
    d_finger: Mapping[int, Float[np.ndarray, "3"]],
) -> Image.Image:
    """I^imag of paper III-C: for each candidate hand with object and hand alone, side by side.

    Args:
      state: direction known.
      skins: candidate number to skin vertices, metres, object frame.
      d_finger: D_finger of each candidate, unit.
      d_palm: D_palm of eq. 2, unit; the camera turns from the chosen view until the palm is not edge-on.
    """
    hands, shared = list(skins.values()), _candidates(state, list(skins), d_palm, d_finger)
    return composite.rotation_prompt(
        _held_blue(state), hands, state.hand.skin_faces, [str(n) for n in skins], **shared
    )


def closing(
    state: ReasonState,
    skins: Mapping[int, Float[np.ndarray, "vertices 3"]],
    closed: Mapping[int, Float[np.ndarray, "vertices 3"]],
    d_palm: Float[np.ndarray, "3"],
    d_finger: Mapping[int, Float[np.ndarray, "3"]],
) -> Image.Image:
    """The candidates of `imagination` with their fingers closed, by its camera and from another side.

    Args:
      closed: candidate number to skin vertices in the grasp type's posture theta', metres, object frame.
      state, skins, d_palm, d_finger: as for `imagination`.
    """
    hands, shared = list(closed.values()), _candidates(state, list(closed), d_palm, d_finger)
    open_hands = [skins[number] for number in closed]
    return composite.closing_prompt(
        _held_blue(state), open_hands, hands, state.hand.skin_faces, [str(n) for n in closed], **shared
    )


def _held_blue(state: ReasonState) -> Surface:
    held = np.isin(state.obj.face_part, state.hand_parts)
    return Surface.painted(state.obj.mesh, state.obj.paint, scene.tinted(held), held)


def _candidates(
    state: ReasonState,
    numbers: Sequence[int],
    d_palm: Float[np.ndarray, "3"],
    d_finger: Mapping[int, Float[np.ndarray, "3"]],
) -> dict[str, Any]:
    """What both pictures of the candidates are drawn with."""
    return {
        "front": state.camera.front,
        "d_palm": d_palm,
        "d_finger": [d_finger[number] for number in numbers],
        "focus": state.obj.samples.points[state.known_hand_mask | state.obj.part_mask(state.func_parts)],
        "points": state.p_obj_points,
        "size": 224 * state.config.shown_scale,
        "hand_rgb": hand_colors(state.hand),
    }


@lru_cache(maxsize=8)
def grasp_types(hand: HandModel, names: tuple[str, ...]) -> Image.Image:
    """The hand alone in the posture theta' of each grasp type, seen between thumb and palm, name below.

    Args:
      hand: drawn once for all objects and tasks.
      names: of its types, in the order in which they are offered.
    """
    colors, tiles = hand_colors(hand), []
    skins = [posed_in_palm(hand, hand.grasp_types[n].joints, "skin").astype(np.float64) for n in names]
    thumb = float(np.sign(skins[0][hand.skin_finger == hand.thumb, 1].mean())) or -1.0
    # one camera, so that types can be compared
    front, up = (0.35, 0.85 * thumb, 0.75), (1.0, 0.0, 0.0)
    camera = look(np.concatenate(skins), front, size=_TYPE, margin=0.04, up=up)
    for name, skin in zip(names, skins, strict=True):
        body = Surface.from_arrays(skin, hand.skin_faces, colors, smooth=True)
        picture = Image.fromarray(raycast.render(body, camera).rgb)
        tiles.append(sheets.captioned(picture, (name,), text_size=17.0))
    return sheets.grid(tiles, 4, gap=6)


def hand_colors(hand: HandModel) -> Float[np.ndarray, "vertices 3"]:
    """Skin colour, with thumb and index (the functional fingers) in colours of their own."""
    colors = np.tile(np.array(scene.SKIN), (len(hand.skin_finger), 1))
    for name, color in zip(hand.functional_fingers, (scene.THUMB, scene.INDEX), strict=False):
        colors[hand.skin_finger == hand.finger_names.index(name)] = color
    return colors
