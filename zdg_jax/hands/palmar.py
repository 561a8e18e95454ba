"""Which side of a link looks the way it holds things: the palmar side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from zdg_jax.hands.card import HandCard


def palmar_side(
    n_link: Float[np.ndarray, "n 3"],
    link: Int[np.ndarray, " n"],
    card: HandCard,
    R_world_link: Float[np.ndarray, "links 3 3"],
    links: Sequence[str],
) -> Float[np.ndarray, " n"]:
    """Weight 0..1 of each point of the skin: how far its normal points to the palmar side of its own link.

    max(0, n . m)^0.5 where m is the pad's normal for links of a finger with a pad, D_palm for the rest: the
    back of a finger or of the hand never touches what it holds.

    Args:
      n_link: outward normals, link frames.
      link: number of each point's link.
      card: palm frame and pads.
      R_world_link: of the hand at rest.
      links: their names.
    """
    facing = palmar_directions(card, R_world_link, links)
    return np.sqrt(np.clip((n_link * facing[link]).sum(axis=1), 0.0, 1.0))


def palmar_directions(
    card: HandCard, R_world_link: Float[np.ndarray, "links 3 3"], links: Sequence[str]
) -> Float[np.ndarray, "links 3"]:
    """Where each link's palmar side looks, in its own frame, unit length; arguments as of `palmar_side`."""
    palm = links.index(card.palm.link)
    # D_palm in each link's own frame at rest
    facing = np.einsum("lji,jk,k->li", R_world_link, R_world_link[palm], np.array(card.palm.d_palm, float))
    for f, members in card.fingers.items():
        pad = card.pads.get(f)
        if pad is None:
            continue
        n = R_world_link[links.index(pad.link)] @ (np.array(pad.normal) / np.linalg.norm(pad.normal))
        for m in members:
            facing[links.index(m)] = R_world_link[links.index(m)].T @ n
    return facing / np.linalg.norm(facing, axis=1, keepdims=True)
