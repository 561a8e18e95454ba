"""Skin that bends: near a joint a vertex follows both links, by dual quaternions (Kavan et al. 2007)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from zdg_jax.pose import compose, inverse


# eq=False: as the hand that has it
@dataclass(frozen=True, eq=False)
class Blend:
    """Frames between two neighbouring links, each fixed to both by its share, and which vertex is in which.

    Attributes:
      own, other: the links of each frame.
      share: of the other link, 0 to 1.
      rest: pose of the own link in the other one where all angles are 0, metres, wxyz.
      frame: of each vertex: the number of a link, or of links and these frames, counted on.
    """

    own: Int[np.ndarray, " frames"]
    other: Int[np.ndarray, " frames"]
    share: Float[np.ndarray, " frames"]
    rest: Float[np.ndarray, "frames 7"]
    frame: Int[np.ndarray, " vertices"]


def blend_of(
    link: Int[np.ndarray, " vertices"],
    other: Int[np.ndarray, " vertices"],
    share: Float[np.ndarray, " vertices"],
    at_rest: Float[np.ndarray, "links 7"],
) -> Blend:
    """One frame for every two links and share that occur.

    Args:
      link, other, share: of each vertex; its own link where `other` counts nothing.
      at_rest: poses of the links where all angles are 0, metres, wxyz.
    """
    frame = np.array(link)
    between = np.flatnonzero((share > 0.0) & (other != link))
    keys = np.stack([link[between], other[between], share[between]], axis=1)
    found, which = np.unique(keys, axis=0, return_inverse=True)
    frame[between] = len(at_rest) + which.reshape(-1)
    own, to = (found[:, k].astype(int) for k in (0, 1))
    return Blend(own, to, found[:, 2], compose(inverse(at_rest[to]), at_rest[own]), frame)


@np.errstate(invalid="ignore")
def with_frames(
    blend: Blend, pos: Float[np.ndarray, "n links 3"], rot: Float[np.ndarray, "n links 4"]
) -> tuple[Float[np.ndarray, "n all 3"], Float[np.ndarray, "n all 4"]]:
    """The links' positions and turns, and behind them those of the frames between them.

    With unit dual quaternions a of the own link and b = other * rest, a_r and b_r their real parts:
    ((1 - s) a + s b) / |(1 - s) a_r + s b_r|.
    Where only one hinge lies between the links it turns about that, and stays as far from it as it is.

    Args:
      blend: which frames.
      pos, rot: metres and unit wxyz; not finite ones stay so.
    """
    links = np.concatenate([pos, rot], axis=2)
    a, b = links[:, blend.own], compose(links[:, blend.other], blend.rest)
    sign = np.where((a[..., 3:] * b[..., 3:]).sum(axis=-1, keepdims=True) < 0.0, -1.0, 1.0)
    s = blend.share[:, None]
    real = (1.0 - s) * a[..., 3:] + s * sign * b[..., 3:]
    dual = (1.0 - s) * _dual(a) + s * sign * _dual(b)
    length = np.linalg.norm(real, axis=-1, keepdims=True)
    real, dual = real / length, dual / length
    # the translation of a dual quaternion: 2 dual * conjugate(real), its vector part
    w, v = real[..., :1], real[..., 1:]
    dw, dv = dual[..., :1], dual[..., 1:]
    at = 2.0 * (w * dv - dw * v - np.cross(dv, v))
    return np.concatenate([pos, at], axis=1), np.concatenate([rot, real], axis=1)


def _dual(T: Float[np.ndarray, "*n 7"]) -> Float[np.ndarray, "*n 4"]:
    """Of the dual quaternion of a pose: 1/2 t q."""
    t, w, v = T[..., :3], T[..., 3:4], T[..., 4:]
    return 0.5 * np.concatenate([-(t * v).sum(axis=-1, keepdims=True), w * t + np.cross(t, v)], axis=-1)


def followed(
    vertices: Float[np.ndarray, "n 3"],
    link: Int[np.ndarray, " n"],
    joints: list[tuple[int, int, np.ndarray, np.ndarray, float]],
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Which other link each vertex follows too, and its share, in eighths.

    At a joint with anchor a, bone direction x and radius r the child's weight is S((t + r) / 2 r) with
    t = (v - a) x and S(u) = u^2 (3 - 2 u); of what lies further than 1.1 r beside the bone it fades, to
    nothing at 1.5 r: the web must stay where refinement knows it.

    Args:
      vertices: where all angles are 0, metres.
      link: of each vertex.
      joints: parent, child, anchor, direction, radius of each.
    Returns: the vertex's own link and 0 where it follows no other.
    """
    other, share = np.array(link), np.zeros(len(vertices))
    for parent, child, anchor, way, radius in joints:
        off = vertices - anchor
        t = off @ way
        beside = np.linalg.norm(off - t[:, None] * way, axis=1)
        near = 1.0 - _smooth((beside / radius - 1.1) / 0.4)
        of_child = _smooth((t + radius) / (2.0 * radius))
        for own, to, weight in ((parent, child, of_child), (child, parent, 1.0 - of_child)):
            weight = np.round(8.0 * near * weight) / 8.0
            better = (link == own) & (weight > share)
            other[better], share[better] = to, weight[better]
    return other, share


def _smooth(u: np.ndarray) -> np.ndarray:
    u = np.clip(u, 0.0, 1.0)
    return u * u * (3.0 - 2.0 * u)
