"""Plane outlines: what is revolved, extruded and swept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from manifold3d import CrossSection, FillRule, JoinType

from zdg_jax.objects.zoo.shape import Number, steady

Points = Sequence[Sequence[Number]] | Float[np.ndarray, "n d"]
_ROUND = 24  # segments of a full turn where corners are rounded


def curve(points: Points, per_span: int = 8, closed: bool = False) -> Float[np.ndarray, "m d"]:
    """Catmull-Rom spline through points of any dimension; open ends take their neighbour's direction.

    Args:
      points: at least two.
      per_span: places drawn between two points.
      closed: join the last point to the first.
    """
    p = np.asarray(points, dtype=np.float64)
    if closed:
        a, b, c, d = np.roll(p, 1, axis=0), p, np.roll(p, -1, axis=0), np.roll(p, -2, axis=0)
    else:
        e = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
        a, b, c, d = e[:-3], e[1:-2], e[2:-1], e[3:]
    t = (np.arange(per_span) / per_span)[None, :, None]
    a, b, c, d = (q[:, None, :] for q in (a, b, c, d))
    spans = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    out = spans.reshape(-1, p.shape[1])
    return out if closed else np.concatenate([out, p[-1:]])


def polygon(points: Points, round_by: Number = 0.0) -> CrossSection:
    """A filled outline; convex and concave corners rounded by that radius, metres."""
    return rounded(CrossSection([steady(np.asarray(points, dtype=np.float64))], FillRule.EvenOdd), round_by)


def rectangle(width: Number, height: Number, round_by: Number = 0.0) -> CrossSection:
    """Centred; `round_by` rounds its corners."""
    w, h = width / 2, height / 2
    return polygon([(-w, -h), (w, -h), (w, h), (-w, h)], round_by)


def ellipse(width: Number, height: Number, segments: int = 48) -> CrossSection:
    """Centred, full axes `width` and `height`."""
    return CrossSection.circle(0.5, segments).scale((width, height))


def rounded(section: CrossSection, by: Number) -> CrossSection:
    """Corners rounded: opened, then closed by a disc of that radius."""
    if by <= 0:
        return section
    for step in (-by, 2 * by, -by):
        section = section.offset(step, JoinType.Round, 2.0, _ROUND)
    return section.simplify(1e-5)


def grown(section: CrossSection, by: Number) -> CrossSection:
    """Offset outward (inward if negative), corners round."""
    return section.offset(by, JoinType.Round, 2.0, _ROUND).simplify(1e-5)


def silhouette(profile: Points, top_column: Number = 0.0) -> CrossSection:
    """Both halves of a revolved body's section from its (r, y) points, bottom to top.

    Args:
      profile: radius and height, metres.
      top_column: prolong the top upward by so much, for cutters of open vessels.
    """
    p = steady(np.asarray(profile, dtype=np.float64))
    if top_column:
        p = np.concatenate([p, p[-1:] + np.array([[0.0, top_column]])])
    return CrossSection([np.concatenate([p, (p * [-1, 1])[::-1]])], FillRule.NonZero)
