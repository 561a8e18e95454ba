"""The primitives of the zoo: revolved, swept, lofted and rounded bodies, +y up, metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from manifold3d import CrossSection, Manifold, Mesh64

from zdg_jax.objects.zoo.outline import Points, curve, grown, polygon, silhouette
from zdg_jax.objects.zoo.shape import Number, Shape, steady

Size = Number | Sequence[Number] | Float[np.ndarray, " n"]


def revolve(profile: Points | CrossSection, part: str, segments: int = 48) -> Shape:
    """Turn an (r, y) profile, bottom to top, about the y axis."""
    section = profile if isinstance(profile, CrossSection) else silhouette(profile)
    return Shape.of(Manifold.revolve(section, segments).rotate((-90, 0, 0)), part)


def cylinder(radius: Number, height: Number, part: str, bevel: Number = 0.0, segments: int = 48) -> Shape:
    """Upright, its base at y = 0, edges cut by `bevel`."""
    r, h, b = radius, height, bevel
    profile = [(r - b, 0), (r, b), (r, h - b), (r - b, h)] if b else [(r, 0), (r, h)]
    return revolve(profile, part, segments)


def vessel(
    profile: Points, wall: Number, part: str, inside: str = "inside", floor: Number = 0.0, segments: int = 56
) -> tuple[Shape, Shape]:
    """A revolved body open at the top: (its full outer solid, the cutter that hollows it).

    Add handles to the first, then subtract the second.

    Args:
      profile: outer (r, y), bottom to top.
      wall: its thickness.
      part, inside: names of the outer and the inner faces.
      floor: thickness of the bottom, if more than the wall.
    """
    outer = revolve(profile, part, segments)
    top = float(np.asarray(profile, dtype=np.float64)[-1, 1])
    hollow = grown(silhouette(profile, 20 * wall), -wall)
    low = float(np.asarray(profile)[0, 1]) + max(floor, wall)
    wide = 4 * float(np.asarray(profile)[:, 0].max())
    above = CrossSection.square((wide, top + 10 * wall - low)).translate((-wide / 2, low))
    return outer, revolve(hollow ^ above, inside, segments)


def slab(outline: CrossSection, height: Number, part: str, bevel: Number = 0.0) -> Shape:
    """Lies on y = 0: the outline's x is x, its y points to -z; `bevel` cuts the upper and lower edges."""
    return Shape.of(_prism(outline, height, bevel).rotate((-90, 0, 0)), part)


def panel(outline: CrossSection, thickness: Number, part: str, bevel: Number = 0.0) -> Shape:
    """Stands: the outline in x and y, thickness along z, centred."""
    return Shape.of(_prism(outline, thickness, bevel).translate((0, 0, -thickness / 2)), part)


def box(x: Number, y: Number, z: Number, part: str, round_by: Number = 0.0, segments: int = 16) -> Shape:
    """Centred on x and z, its base at y = 0, all edges rounded."""
    if round_by <= 0:
        return Shape.of(Manifold.cube((x, y, z), True).translate((0, y / 2, 0)), part)
    r = round_by
    ball = _points(Manifold.sphere(r, segments))
    corners = [
        ball + np.array([i * (x / 2 - r), y / 2 + j * (y / 2 - r), k * (z / 2 - r)])
        for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)
    ]  # fmt: skip
    return Shape.of(Manifold.hull_points(np.concatenate(corners)), part)


def ellipsoid(x: Number, y: Number, z: Number, part: str, segments: int = 40) -> Shape:
    """Centred at the origin, full axes."""
    return Shape.of(Manifold.sphere(0.5, segments).scale((x, y, z)), part)


def blend(part: str, *shapes: Shape) -> Shape:
    """Convex hull of several shapes as one part."""
    return Shape.of(Manifold.batch_hull([shape.solid for shape in shapes]), part)


def tube(
    path: Points,
    width: Size,
    part: str,
    height: Size | None = None,
    *,
    normal: Sequence[Number] = (0.0, 1.0, 0.0),
    smooth: int = 6,
    closed: bool = False,
    round_ends: bool = True,
    sides: int = 20,
    square: Number = 2.0,
) -> Shape:
    """Sweep an oval section along a curve through `path`.

    Args:
      path: points of the centre line, metres.
      width: full size of the section across `normal`, one number or one for each point of the path.
      part: name.
      height: full size along `normal`; the width if None.
      normal: what the section's height points to, where the curve allows it.
      smooth: places drawn between two points; 0 keeps the corners.
      closed: a ring.
      round_ends: half-oval ends instead of flat ones.
      sides: of the section.
      square: exponent of the section's superellipse: 2 an oval, 4 nearly a rounded rectangle.
    """
    p = np.asarray(path, dtype=np.float64)
    w = np.broadcast_to(np.asarray(width, dtype=np.float64), len(p))
    h = w if height is None else np.broadcast_to(np.asarray(height, dtype=np.float64), len(p))
    rows = np.column_stack([p, w / 2, h / 2])
    if smooth:
        rows = curve(rows, smooth, closed)
        low = min(w.min(), h.min()) / 2
        rows[:, 3:] = np.maximum(rows[:, 3:], 0.5 * low)
    line, a, b = rows[:, :3], rows[:, 3], rows[:, 4]
    along = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    if not closed:
        along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    if round_ends and not closed:
        line, along, a, b = _with_caps(line, along, a, b)
    up = _carried(along, np.asarray(normal, dtype=np.float64))
    across = np.cross(along, up)
    angle = 2 * np.pi * np.arange(sides) / sides
    cos, sin = np.cos(angle), np.sin(angle)
    bulge = (np.abs(cos) ** square + np.abs(sin) ** square) ** (-1 / square)
    rings = (
        line[:, None]
        + (a[:, None] * (cos * bulge))[:, :, None] * across[:, None]
        + (b[:, None] * (sin * bulge))[:, :, None] * up[:, None]
    )
    return loft(rings, part, closed=closed)


def loft(rings: Float[np.ndarray, "rings n 3"], part: str, closed: bool = False) -> Shape:
    """Skin over a row of closed rings, ends capped (or joined, if `closed`)."""
    count, n = rings.shape[:2]
    vertices = [rings.reshape(-1, 3)]
    i = np.arange(n)
    j = (i + 1) % n
    faces = []
    for r in range(count if closed else count - 1):
        s = (r + 1) % count
        faces += [np.column_stack([r * n + i, r * n + j, s * n + j])]
        faces += [np.column_stack([r * n + i, s * n + j, s * n + i])]
    if not closed:
        vertices += [rings[[0]].mean(axis=1), rings[[-1]].mean(axis=1)]
        first, last = count * n, count * n + 1
        faces += [np.column_stack([np.full(n, first), j, i])]
        base = (count - 1) * n
        faces += [np.column_stack([np.full(n, last), base + i, base + j])]
    corners, triangles = steady(np.concatenate(vertices)), np.concatenate(faces).astype(np.uint64)
    solid = Manifold(Mesh64(corners, triangles))
    if solid.volume() < 0:
        solid = Manifold(Mesh64(corners, np.ascontiguousarray(triangles[:, ::-1])))
    return Shape.of(solid, part)


def loop(width: Number, height: Number, wire: Number, part: str, depth: Number | None = None) -> Shape:
    """An upright oval ring in the x-y plane, its middle at the origin; outer size width x height."""
    t = np.radians(np.arange(0, 360, 30))
    path = np.column_stack(
        [(width - wire) / 2 * np.cos(t), (height - wire) / 2 * np.sin(t), np.zeros(len(t))]
    )
    return tube(path, wire if depth is None else depth, part, wire, closed=True, smooth=4,
                normal=(1, 0, 0))  # fmt: skip


def ear(points: Points, width: Size, part: str, depth: Size | None = None, sides: int = 18) -> Shape:
    """A handle in the x-y plane through (x, y) points; `depth` is its size along z."""
    p = np.asarray(points, dtype=np.float64)
    path = np.column_stack([p, np.zeros(len(p))])
    return tube(path, width if depth is None else depth, part, width, normal=(1, 0, 0), smooth=5, sides=sides)


def strip(points: Points, thickness: Number, depth: Number, part: str, round_by: Number = 0.0) -> Shape:
    """A band of even thickness along (x, y) points, extruded along z."""
    p = np.asarray(points, dtype=np.float64)
    along = np.gradient(p, axis=0)
    side = np.column_stack([-along[:, 1], along[:, 0]]) / np.linalg.norm(along, axis=1, keepdims=True)
    edge = np.concatenate([p + side * thickness / 2, (p - side * thickness / 2)[::-1]])
    return panel(polygon(edge, round_by), depth, part)


def _points(solid: Manifold) -> Float[np.ndarray, "n 3"]:
    return np.asarray(solid.to_mesh64().vert_properties, dtype=np.float64)[:, :3]


def _prism(outline: CrossSection, height: Number, bevel: Number) -> Manifold:
    if bevel <= 0:
        return Manifold.extrude(outline, height)
    inner = grown(outline, -bevel)
    middle = Manifold.extrude(outline, height - 2 * bevel).translate((0, 0, bevel))
    # a chamfer that follows any outline: thin steps would do for looks, one step is enough for hands
    core = Manifold.extrude(inner, height)
    half = Manifold.extrude(grown(outline, -0.4 * bevel), height - bevel).translate((0, 0, bevel / 2))
    return middle + half + core


def _with_caps(line, along, a, b):
    """Half-oval ends: rings that shrink as they move out by the smaller half axis."""
    t = np.radians([75.0, 50.0, 25.0])
    reach = [min(a[0], b[0]), min(a[-1], b[-1])]
    head = line[0] - np.sin(t)[:, None] * reach[0] * along[0]
    tail = line[-1] + np.sin(t[::-1])[:, None] * reach[1] * along[-1]
    line = np.concatenate([head, line, tail])
    shrink = np.cos(t)
    a = np.concatenate([a[0] * shrink, a, a[-1] * shrink[::-1]])
    b = np.concatenate([b[0] * shrink, b, b[-1] * shrink[::-1]])
    along = np.concatenate([np.repeat(along[:1], 3, axis=0), along, np.repeat(along[-1:], 3, axis=0)])
    return line, along, a, b


def _carried(along, normal):
    """`normal` made orthogonal to the curve; where they are parallel, carried on from the last place."""
    up = np.empty_like(along)
    spare = np.array([0.0, 0.0, 1.0]) if abs(normal[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    last = normal if np.linalg.norm(np.cross(along[0], normal)) > 0.1 else spare
    for i, t in enumerate(along):
        # the last direction, not `normal`: it never flips on the way
        v = last - (last @ t) * t
        last = up[i] = v / np.linalg.norm(v)
    return up
