"""The imagination-based visual prompt: hands at candidate rotations, fused and labelled (paper III-C)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image
from scipy import ndimage

from zdg_jax.render import tiles
from zdg_jax.render.cameras import look
from zdg_jax.render.frame import Camera
from zdg_jax.render.palette import SKIN
from zdg_jax.render.raycast import render
from zdg_jax.render.surface import Surface

_GHOST = 0.5  # weight of the hand where the object hides it


def fused(
    obj: Surface, hand: Surface, camera: Camera
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]]:
    """(I_k, I_k^h): the hand at the object, seen through it where it hides the hand; the hand alone.

    I_k = I_k^{h,o} where the hand or nothing is in front, and a blend of I_k^{h,o} and I_k^h with a
    dark rim where the object is in front of the hand.
    """
    both, alone = render([obj, hand], camera), render(hand, camera)
    hidden = alone.mask & (both.face < len(obj.faces)) & both.mask
    image = both.rgb.astype(np.float64)
    image[hidden] = (1 - _GHOST) * image[hidden] + _GHOST * alone.rgb[hidden]
    rim = alone.mask & ~np.asarray(ndimage.binary_erosion(alone.mask, iterations=2), dtype=bool) & hidden
    image[rim] = 0.4 * image[rim] + 0.6 * np.array([120, 62, 40])
    return np.rint(image).astype(np.uint8), alone.rgb


def rotation_prompt(
    obj: Surface,
    hand_vertices: Sequence[Float[np.ndarray, "vertices 3"]],
    hand_faces: Int[np.ndarray, "faces 3"],
    labels: Sequence[str],
    front: Float[np.ndarray, "3"] | Sequence[float],
    *,
    hand_rgb: Sequence[float] | Float[np.ndarray, "n 3"] = SKIN,
    size: int = 320,
    columns: int = 2,
) -> Image.Image:
    """I^imag: one labelled panel for each candidate, hand with object beside hand alone.

    All panels share one camera, framed to the object and every hand.

    Args:
      obj: the object, world frame.
      hand_vertices: the skin at each candidate rotation R_k, world frame, metres.
      hand_faces: of the skin.
      labels: the number of each candidate; numbers of filtered ones are simply absent.
      front: from the object towards the camera.
      hand_rgb: one colour, or one a vertex or face (to tell thumb and index from the others).
      size: side of each of a panel's two pictures, pixels.
      columns: panels a row.

    Raises:
      ValueError: if there is no candidate or not one label for each.
    """
    if not hand_vertices or len(labels) != len(hand_vertices):
        raise ValueError(
            f"got {len(hand_vertices)} hands and {len(labels)} labels; expected one label a hand"
        )
    camera = look(np.concatenate([obj.vertices, *hand_vertices]), front, size=size, margin=0.05)
    panels = []
    for vertices, label in zip(hand_vertices, labels, strict=True):
        hand = Surface.from_arrays(vertices, hand_faces, hand_rgb, smooth=True)
        both, alone = (Image.fromarray(picture) for picture in fused(obj, hand, camera))
        left = tiles.badge(tiles.corner(both, "hand and object"), label)
        panels.append(tiles.row([left, tiles.corner(alone, "hand alone")], gap=2))
    return tiles.grid(panels, columns, gap=12)
