"""The hand's points as constants of the compiled functions, and how links place them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from zdg_jax.errors import UserError
from zdg_jax.hands.kinematics import posed_spheres
from zdg_jax.hands.model import HandModel
from zdg_jax.transform import Transform, quat_to_matrix

#: Low bits of a sortable distance that hold the number of its sphere (see `measure.sphere_keys`).
SPHERE_BITS = 9


class Layout(NamedTuple):
    """The hand's points as constants of the compiled function.

    Attributes:
      placing: points = frame @ placing, with frame [3, links * 4] the links' [R | p] side by side.
      counts: skin vertices, spheres, pads.
      mean_weight: of skin vertices in the means of eqs. 6, 7 and E_cmap.
      sphere: numbers of the hand's spheres in the order used here, those of E_spen first.
      min_distance: r_a + r_b of the pairs of E_spen, -1 where a pair does not count.
      skin_to_link, pad_to_link, sphere_to_link: one-hot.
      radius: of the spheres, metres; 0 for one that stands in another's centre (see `distinct`).
    """

    placing: np.ndarray
    counts: tuple[int, int, int]
    mean_weight: tuple[np.ndarray, np.ndarray, np.ndarray]
    sphere: np.ndarray
    min_distance: np.ndarray
    skin_to_link: np.ndarray
    pad_to_link: np.ndarray
    sphere_to_link: np.ndarray
    radius: np.ndarray


@lru_cache(maxsize=16)
def layout(hand: HandModel) -> Layout:
    """The hand's points, weights and pairs in the form that the objective multiplies with.

    Raises:
      UserError: more spheres than `measure.sphere_keys` numbers.
    """
    if len(hand.sphere_link) > 1 << SPHERE_BITS:
        raise UserError(
            f"{len(hand.sphere_link)} spheres on hand {hand.name}",
            f"at most {1 << SPHERE_BITS}",
            "cover its links with fewer, larger spheres",
        )
    f32, links = np.float32, len(hand.link_names)
    eye = np.eye(links, dtype=f32)
    first = self_collision_spheres(hand)
    sphere = np.concatenate([first, np.setdiff1d(np.arange(len(hand.sphere_link)), first)])
    link = np.concatenate([hand.skin_link, hand.sphere_link[sphere], hand.pad_link])
    local = np.concatenate([hand.p_link_skin, hand.p_link_sphere[sphere], hand.p_link_pad])
    placing = np.zeros((links, 4, len(link)), f32)
    placing[link, :, np.arange(len(link))] = np.concatenate([local, np.ones((len(local), 1))], axis=1)
    allowed = np.zeros((len(sphere),) * 2, dtype=bool)
    allowed[hand.sphere_pairs[:, 0], hand.sphere_pairs[:, 1]] = True
    allowed |= allowed.T
    r = hand.sphere_radius
    min_distance = np.where(allowed, r[:, None] + r[None, :], -1.0)[np.ix_(first, first)]
    func = hand.functional
    means = (func / max(func.sum(), 1), ~func / max((~func).sum(), 1), np.full(len(func), 1 / len(func)))
    return Layout(
        placing=placing.reshape(links * 4, -1),
        counts=(len(hand.skin_link), len(sphere), len(hand.pad_link)),
        mean_weight=(means[0].astype(f32), means[1].astype(f32), means[2].astype(f32)),
        sphere=sphere,
        min_distance=min_distance.astype(f32),
        skin_to_link=eye[hand.skin_link],
        pad_to_link=eye[hand.pad_link],
        sphere_to_link=eye[hand.sphere_link[sphere]],
        radius=np.where(distinct(hand), r, 0.0)[sphere].astype(f32),
    )


def distinct(hand: HandModel) -> Bool[np.ndarray, " spheres"]:
    """False for a sphere whose centre is that of another, no smaller one: at joints both links bring one.

    Which of the two a sample touches would be decided by rounding, and with it the link that moves.
    """
    pose = np.array([[0, 0, 0, 1.0, 0, 0, 0]])
    with jax.ensure_compile_time_eval():  # the first caller may be tracing
        bent = [posed_spheres(hand, pose, q[None])[0] for q in (hand.open_joints, hand.upper)]
    keep = np.ones(len(hand.sphere_radius), dtype=bool)
    for s in np.lexsort((np.arange(len(keep)), -hand.sphere_radius)):
        near = np.all([np.linalg.norm(p - p[s], axis=1) < 1e-5 for p in bent], axis=0)
        near[s] = False
        keep[s] = not (near & keep & (hand.sphere_radius >= hand.sphere_radius[s])).any()
    return keep


def self_collision_spheres(hand: HandModel) -> np.ndarray:
    """Numbers of every link's spheres thinned to gaps of 1.2 radii: at most 64 of human16's 158."""
    keep: list[int] = []
    for s in np.argsort(-hand.sphere_radius, kind="stable"):
        near = [k for k in keep if hand.sphere_link[k] == hand.sphere_link[s]]
        gap = np.linalg.norm(hand.p_link_sphere[near] - hand.p_link_sphere[s], axis=1)
        if not (gap < 1.2 * hand.sphere_radius[s]).any():
            keep.append(int(s))
    return np.array(sorted(keep))


def place_all(links: Transform, placing: Float[np.ndarray, "frame n"]) -> Float[Array, "3 n"]:
    """Points of the hand in the frame of `links`: [R | p] of all links side by side, times `placing`.

    Args:
      links: of one grasp.
      placing: `Layout.placing` or some of its columns.
    """
    R = jax.vmap(quat_to_matrix)(links.rot)
    frame = jnp.concatenate([R, links.pos[:, :, None]], axis=2)  # [links, 3, 4]
    rows = jnp.transpose(frame, (1, 0, 2)).reshape(3, -1)
    return jnp.matmul(rows, jnp.asarray(placing), precision=jax.lax.Precision.HIGHEST)
