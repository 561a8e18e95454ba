"""The imagination-based visual prompt: hands at candidate rotations, fused and labelled (paper III-C)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image
from scipy import ndimage

from zdg_jax.render import sheets
from zdg_jax.render.arrows import forearm, up_arrow
from zdg_jax.render.cameras import Frame, look
from zdg_jax.render.raycast import render
from zdg_jax.render.surface import SKIN, Surface, join

_HAND_GHOST = 0.5  # weight of the hand where the object hides it
_OBJECT_GHOST = 0.3  # weight of the object where the hand hides it
_OBLIQUE = float(np.sin(np.radians(35.0)))
_RIM = np.array([70.0, 52.0, 46.0])


def fused(obj: Frame, hand: Frame, both: Frame) -> UInt8[np.ndarray, "h w 3"]:
    """I_k: hand and object in one picture, either faintly visible through the other, with a dark rim.

    I_k = (1 - a) I_k^{h,o} + a I_k^h where the object hides the hand, and the same with the object's
    own picture where the hand hides it; a = 0.5 and 0.3.

    Args:
      obj, hand: each alone, by one camera.
      both: the object (first) and the hand, by the same camera.
    """
    image = both.rgb.astype(np.float64)
    differs = np.abs(both.depth - np.where(hand.mask, hand.depth, 0.0))
    in_front = hand.mask & (differs < 1e-9)
    for frame, hidden, weight in (
        (hand, hand.mask & ~in_front, _HAND_GHOST),
        (obj, obj.mask & in_front, _OBJECT_GHOST),
    ):
        image[hidden] = (1 - weight) * image[hidden] + weight * frame.rgb[hidden]
        inner = np.asarray(ndimage.binary_erosion(frame.mask, iterations=2), dtype=bool)
        rim = hidden & ~inner
        image[rim] = 0.4 * image[rim] + 0.6 * _RIM
    return np.rint(image).astype(np.uint8)


def oblique(
    front: Float[np.ndarray, "3"] | Sequence[float], d_palm: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
    """`front`, turned towards the back of the hand as far as needed to see which way fingers point.

    A palm seen edge-on (|front . d_palm| < sin 35 deg) is looked at from 35 degrees on its back's side.

    Args:
      front: from the object towards the camera.
      d_palm: D_palm of the candidates; they share it (eq. 2).
    """
    unit = np.asarray(front, dtype=np.float64) / np.linalg.norm(front)
    across = float(unit @ d_palm)
    if abs(across) >= _OBLIQUE:
        return unit
    level = unit - across * d_palm
    return np.sqrt(1 - _OBLIQUE**2) * level / np.linalg.norm(level) - _OBLIQUE * d_palm


def rotation_prompt(
    obj: Surface,
    hand_vertices: Sequence[Float[np.ndarray, "vertices 3"]],
    hand_faces: Int[np.ndarray, "faces 3"],
    labels: Sequence[str],
    front: Float[np.ndarray, "3"] | Sequence[float],
    *,
    d_palm: Float[np.ndarray, "3"] | None = None,
    hand_rgb: Sequence[float] | Float[np.ndarray, "n 3"] = SKIN,
    d_finger: Sequence[Float[np.ndarray, "3"]] | None = None,
    focus: Float[np.ndarray, "points 3"] | None = None,
    size: int = 448,
    columns: int = 2,
) -> Image.Image:
    """I^imag: one labelled panel for each candidate, hand with object beside hand alone.

    All panels share one camera, framed to every hand and what it is to hold.

    Args:
      obj: the object, world frame.
      hand_vertices: the skin at each candidate rotation R_k, world frame, metres.
      hand_faces: of the skin.
      labels: the number of each candidate; numbers of filtered ones are simply absent.
      front: from the object towards the camera.
      d_palm: D_palm of the candidates; if given, the camera is turned so that no hand is seen edge-on
        (`oblique`).
      hand_rgb: one colour, or one a vertex or face (to tell thumb and index from the others).
      d_finger: D_finger of each candidate: its forearm is drawn, and the world's up; neither if None.
      focus: what of the object must be in the picture, metres; all of it if None.
      size: side of each of a panel's two pictures, pixels.
      columns: panels a row.

    Raises:
      ValueError: if there is no candidate or not one label for each.
    """
    if not hand_vertices or len(labels) != len(hand_vertices):
        raise ValueError(
            f"got {len(hand_vertices)} hands and {len(labels)} labels; expected one label a hand"
        )
    direction = np.asarray(front, dtype=np.float64) if d_palm is None else oblique(front, d_palm)
    framed = np.concatenate([obj.vertices if focus is None else focus, *hand_vertices])
    camera = look(framed, direction, size=size, margin=0.05)
    object_alone = render(obj, camera)
    panels = []
    for k, (vertices, label) in enumerate(zip(hand_vertices, labels, strict=True)):
        hand = Surface.from_arrays(vertices, hand_faces, hand_rgb, smooth=True)
        if d_finger is not None:
            hand, _ = join([hand, forearm(vertices, d_finger[k])])
        alone = render(hand, camera)
        both = Image.fromarray(fused(object_alone, alone, render([obj, hand], camera)))
        if d_finger is not None:
            both = up_arrow(both, camera, size / 24)
        left = sheets.badge(sheets.corner(both, "hand and object"), label)
        right = sheets.corner(Image.fromarray(alone.rgb), "hand alone")
        panels.append(sheets.row([left, right], gap=2))
    return sheets.grid(panels, columns, gap=12)
