"""The imagination-based visual prompt: hands at candidate rotations, fused and labelled (paper III-C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import trimesh
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw
from scipy import ndimage

from zdg_jax.render import sheets
from zdg_jax.render.marks import Label, box_size, draw, font, place
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import INDEX, INK, SKIN, THUMB, Camera, Frame, Surface, join, look

# Directions of space drawn into a picture: arrows with names, discs for what points along the view.
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


def finger_points(
    picture: Image.Image, camera: Camera, points: Float[np.ndarray, "2 3"], size: float
) -> Image.Image:
    """The picture with a disc T at the thumb's point and I at the index finger's, over all that is in front.

    Args:
      picture: taken by `camera`.
      points: (thumb, index), metres; one outside the picture stays out.
      size: of a disc, pixels.
    """
    out = picture.copy()
    pen = ImageDraw.Draw(out)
    for (x, y), name, rgb in zip(camera.project(points)[0], "TI", (THUMB, INDEX), strict=True):
        fill = tuple(round(255 * c) for c in rgb)
        box = [x - size / 2, y - size / 2, x + size / 2, y + size / 2]
        pen.ellipse(box, fill=fill, outline=INK, width=max(2, round(size / 9)))
        pen.text((float(x), float(y)), name, font=font(0.62 * size), fill=(255, 255, 255), anchor="mm")
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


_HAND_GHOST = 0.5  # weight of the hand where the object hides it
_OBJECT_GHOST = 0.3  # weight of the object where the hand hides it
_OBLIQUE = float(np.sin(np.radians(35.0)))
_ABOVE = float(np.radians(25.0))  # of the second camera
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


def other_side(
    front: Float[np.ndarray, "3"],
    d_palm: Float[np.ndarray, "3"],
    d_finger: Sequence[Float[np.ndarray, "3"]],
) -> Float[np.ndarray, "3"]:
    """A second camera's direction, 50 to 130 degrees from the first and from 25 degrees above.

    Of all around, the one that minimises max_k |c . D_finger,k| + 0.5 max(c . D_palm, 0): no hand is seen
    end-on, hidden by its own forearm, nor, if that can be helped, behind what it holds.

    Args:
      front: of the first camera, unit.
      d_palm: D_palm of the candidates.
      d_finger: D_finger of each.
    """
    turns = np.arange(0.0, 2 * np.pi, np.pi / 12)
    around = np.stack([np.sin(turns), np.zeros(len(turns)), np.cos(turns)], axis=1)
    around = np.cos(_ABOVE) * around + np.sin(_ABOVE) * np.array([0.0, 1.0, 0.0])
    cost = np.abs(around @ np.stack(d_finger).T).max(axis=1) + 0.5 * np.maximum(around @ d_palm, 0.0)
    apart = np.abs(around @ front) <= np.cos(np.radians(50.0))
    return around[np.argmin(np.where(apart, cost.round(9), np.inf))]


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
    points: Float[np.ndarray, "2 3"] | None = None,
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
      points: (thumb, index) key points to mark, metres; none if None.
      size: side of each of a panel's two pictures, pixels.
      columns: panels a row.

    Raises:
      ValueError: if there is no candidate or not one label for each.
    """
    _check_labels(hand_vertices, labels)
    direction = np.asarray(front, dtype=np.float64) if d_palm is None else oblique(front, d_palm)
    camera = _framed(obj, hand_vertices, direction, focus, size)
    object_alone = render(obj, camera)
    panels = []
    for k, (vertices, label) in enumerate(zip(hand_vertices, labels, strict=True)):
        hand = _armed(vertices, hand_faces, hand_rgb, None if d_finger is None else d_finger[k])
        alone = render(hand, camera)
        both = Image.fromarray(fused(object_alone, alone, render([obj, hand], camera)))
        if d_finger is not None:
            both = up_arrow(both, camera, size / 24)
        if points is not None:
            both = finger_points(both, camera, points, size / 18)
        left = sheets.badge(sheets.corner(both, "hand and object"), label)
        right = sheets.corner(Image.fromarray(alone.rgb), "hand alone")
        panels.append(sheets.row([left, right], gap=2))
    return sheets.grid(panels, columns, gap=12)


def closing_prompt(
    obj: Surface,
    open_vertices: Sequence[Float[np.ndarray, "vertices 3"]],
    closed_vertices: Sequence[Float[np.ndarray, "vertices 3"]],
    hand_faces: Int[np.ndarray, "faces 3"],
    labels: Sequence[str],
    front: Float[np.ndarray, "3"] | Sequence[float],
    *,
    d_palm: Float[np.ndarray, "3"],
    d_finger: Sequence[Float[np.ndarray, "3"]],
    hand_rgb: Sequence[float] | Float[np.ndarray, "n 3"] = SKIN,
    focus: Float[np.ndarray, "points 3"] | None = None,
    points: Float[np.ndarray, "2 3"] | None = None,
    size: int = 448,
    columns: int = 2,
) -> Image.Image:
    """The panels of `rotation_prompt` once more, fingers closed: by the same camera, and from another side.

    Args:
      open_vertices: the skins that `rotation_prompt` shows: they frame the first camera.
      closed_vertices: of the same hands, closed, world frame, metres.
      obj, hand_faces, labels, front, d_palm, d_finger, hand_rgb, focus, points, size, columns: as for
        `rotation_prompt`.

    Raises:
      ValueError: if there is no candidate or not one label for each.
    """
    _check_labels(closed_vertices, labels)
    first = oblique(front, d_palm)
    cameras = (
        _framed(obj, open_vertices, first, focus, size),
        _framed(obj, closed_vertices, other_side(first, d_palm, d_finger), focus, size),
    )
    objects = [render(obj, camera) for camera in cameras]
    notes = ("closed", "closed, from another side")
    panels = []
    for vertices, finger, label in zip(closed_vertices, d_finger, labels, strict=True):
        hand = _armed(vertices, hand_faces, hand_rgb, finger)
        tiles = []
        for alone, camera, note in zip(objects, cameras, notes, strict=True):
            both = Image.fromarray(fused(alone, render(hand, camera), render([obj, hand], camera)))
            both = up_arrow(both, camera, size / 24)
            if points is not None:
                both = finger_points(both, camera, points, size / 18)
            tiles.append(sheets.corner(both, note))
        panels.append(sheets.row([sheets.badge(tiles[0], label), tiles[1]], gap=2))
    return sheets.grid(panels, columns, gap=12)


def _check_labels(hands: Sequence[object], labels: Sequence[str]) -> None:
    """Raises ValueError if there is no hand or not one label for each."""
    if not hands or len(labels) != len(hands):
        raise ValueError(f"got {len(hands)} hands and {len(labels)} labels; expected one label a hand")


def _framed(
    obj: Surface,
    hands: Sequence[Float[np.ndarray, "vertices 3"]],
    front: Float[np.ndarray, "3"],
    focus: Float[np.ndarray, "points 3"] | None,
    size: int,
) -> Camera:
    framed = np.concatenate([obj.vertices if focus is None else focus, *hands])
    return look(framed, front, size=size, margin=0.05)


def _armed(
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    rgb: Sequence[float] | Float[np.ndarray, "n 3"],
    d_finger: Float[np.ndarray, "3"] | None,
) -> Surface:
    """A hand, with its forearm where its direction is given."""
    hand = Surface.from_arrays(vertices, faces, rgb, smooth=True)
    return hand if d_finger is None else join([hand, forearm(vertices, d_finger)])[0]
