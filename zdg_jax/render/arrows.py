"""Directions of space drawn into a picture: arrows with names, discs for what points along the view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import trimesh
from jaxtyping import Float
from PIL import Image, ImageDraw

from zdg_jax.render.cameras import Camera
from zdg_jax.render.marks import Label, box_size, draw, font, place
from zdg_jax.render.surface import INK, Surface

_FINE = 3
_SLEEVE = (0.45, 0.50, 0.58)
_SHORT = 0.12  # of an arrow's length: one seen shorter than that is a disc (towards) or a cross (away)


def project_ends(
    camera: Camera, origin: Float[np.ndarray, "3"], directions: Float[np.ndarray, "n 3"], length: float
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "n 2"]]:
    """Pixels of an origin and of the heads of arrows from it, foreshortened as seen.

    Args:
      camera: of the picture.
      origin: metres.
      directions: unit.
      length: metres.
    """
    uv, _ = camera.project(np.concatenate([origin[None], origin + length * directions]))
    return uv[0], uv[1:]


def named_arrows(
    picture: Image.Image,
    camera: Camera,
    origin: Float[np.ndarray, "3"],
    named: Mapping[str, Float[np.ndarray, "3"]],
    length: float,
    text_size: float,
    center: str = "C",
) -> Image.Image:
    """The picture with an arrow and its name for each direction from a point, and the point's own label.

    Args:
      picture: taken by `camera`.
      origin: where the arrows start, metres; what is in front of it does not hide them.
      named: unit vectors by name.
      length: of the arrows, metres.
      text_size: pixels.
      center: the point's label.
    """
    start, heads = project_ends(camera, origin, np.stack(list(named.values())), length)
    full = camera.focal * length / max(float(camera.project(origin[None])[1][0]), 1e-6)
    f = _FINE
    layer = Image.new("RGBA", (picture.width * f, picture.height * f), (255, 255, 255, 0))
    pen = ImageDraw.Draw(layer)
    labels, along_view = [], []
    for (name, direction), head in zip(named.items(), heads, strict=True):
        if np.linalg.norm(head - start) < _SHORT * full:
            towards = bool(direction @ camera.front > 0)
            along_view.append(f"{name} = {'towards you' if towards else 'away from you'}")
            continue
        head = _inside(start, head, picture.size, 1.8 * text_size)
        _arrow(pen, start * f, head * f, f * text_size)
        labels.append(Label(name, (float(head[0]), float(head[1])), INK))
    r = 0.4 * text_size * f
    x, y = start * f
    pen.ellipse([x - r, y - r, x + r, y + r], fill=(255, 255, 255, 255), outline=(*INK, 255), width=2 * f)
    pen.ellipse([x - r / 3, y - r / 3, x + r / 3, y + r / 3], fill=(*INK, 255))
    layer = layer.resize(picture.size, Image.Resampling.BOX)
    out = Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
    labels.append(Label(center, (float(start[0]), float(start[1])), INK))
    spots = place(labels, text_size, (picture.height, picture.width), dot=0.5 * text_size)
    out = draw(out, labels, spots, text_size)
    return _noted(out, along_view, text_size)


def _inside(
    start: Float[np.ndarray, "2"], head: Float[np.ndarray, "2"], size: tuple[int, int], margin: float
) -> Float[np.ndarray, "2"]:
    """A head, drawn back along its arrow until it is off the picture's border; at least a third is left."""
    way, share = head - start, 1.0
    for axis in (0, 1):
        low, high = margin - start[axis], size[axis] - margin - start[axis]
        if way[axis] > max(high, 0.0) or way[axis] < min(low, 0.0):
            share = min(share, (high if way[axis] > 0 else low) / way[axis])
    return start + max(share, 1 / 3) * way


def up_arrow(picture: Image.Image, camera: Camera, text_size: float) -> Image.Image:
    """The picture with the world's up, as the camera sees it, in its lower right corner; not if end-on."""
    across = camera.R_world_cam[1, :2]  # of +y, along the picture's u and v
    length = 2.6 * text_size
    if np.linalg.norm(across) < _SHORT:
        return picture
    f = _FINE
    layer = Image.new("RGBA", (picture.width * f, picture.height * f), (255, 255, 255, 0))
    foot = np.array([picture.width - 1.6 * text_size, picture.height - 1.2 * text_size])
    _arrow(ImageDraw.Draw(layer), foot * f, (foot + length * across) * f, f * text_size)
    layer = layer.resize(picture.size, Image.Resampling.BOX)
    out = Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
    pen = ImageDraw.Draw(out)
    pen.text(
        (float(foot[0]), float(foot[1]) + 0.2 * text_size),
        "up",
        font=font(0.8 * text_size),
        fill=INK,
        anchor="mt",
    )
    return out


def forearm(
    skin: Float[np.ndarray, "vertices 3"],
    d_finger: Float[np.ndarray, "3"],
    rgb: Sequence[float] = _SLEEVE,
    *,
    length: float = 0.10,
    radius: float = 0.026,
) -> Surface:
    """A stub of an arm behind a hand, in the colour of a sleeve, so that a picture tells where it comes from.

    Args:
      skin: of the hand, metres; its end away from the fingers is the wrist.
      d_finger: D_finger, unit.
      length, radius: metres.
    """
    behind = -(skin @ d_finger)
    wrist = skin[behind >= np.quantile(behind, 0.97)].mean(axis=0)
    ends = [wrist, wrist - length * d_finger]
    return Surface.of(trimesh.creation.cylinder(radius, segment=ends, sections=24), rgb)


def _arrow(pen: ImageDraw.ImageDraw, start: np.ndarray, head: np.ndarray, text: float) -> None:
    """In fine pixels; white rim, dark line."""
    way = head - start
    unit = way / max(float(np.linalg.norm(way)), 1e-9)
    side = np.array([-unit[1], unit[0]])
    tip = 0.55 * text
    for width, fill, grow in ((0.26, (255, 255, 255, 235), 0.10), (0.13, (*INK, 255), 0.0)):
        base = head - tip * unit
        pen.line([tuple(start), tuple(base)], fill=fill, width=max(1, round(width * text)))
        wide = (0.30 + grow) * text
        nose = head + grow * text * unit
        pen.polygon([tuple(nose), tuple(base + wide * side), tuple(base - wide * side)], fill=fill)


def _noted(picture: Image.Image, lines: Sequence[str], text_size: float) -> Image.Image:
    """Lines on white in the corner that has least to show."""
    if not lines:
        return picture
    out = picture.copy()
    pen = ImageDraw.Draw(out)
    text = "\n".join(f"at C: {line}" for line in lines)
    small = 0.8 * text_size
    box = pen.multiline_textbbox((0, 0), text, font=font(small))
    wide, high = round(box[2] - box[0] + small), round(box[3] - box[1] + box_size("C", small)[1] / 2)
    rgb = np.asarray(picture, dtype=np.float64)
    corners = [(x, y) for y in (picture.height - high - 6, 6) for x in (6, picture.width - wide - 6)]
    left, top = min(corners, key=lambda c: rgb[c[1] : c[1] + high, c[0] : c[0] + wide].std(axis=(0, 1)).sum())
    pen.rectangle([left, top, left + wide, top + high], fill=(255, 255, 255))
    pen.multiline_text((left + small / 2, top + small / 4), text, font=font(small), fill=INK)
    return out
