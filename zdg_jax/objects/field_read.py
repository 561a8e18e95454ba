"""Reading a signed distance field without JAX."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.objects.model import SUBDIVISION, SignedDistanceField


def field_values(field: SignedDistanceField, p_obj: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """phi at each point: trilinear in the cell of q = the point clamped to the grid, plus |p - q|.

    Args:
      field: of the object.
      p_obj: metres.

    Returns:
      Metres.
    """
    cells = np.array(field.shape)
    p = (p_obj @ field.R_field_obj.T - field.origin) / field.spacing
    q = np.clip(p, 0, cells)
    cell = np.minimum(q.astype(np.int64), cells - 1)
    entry = field.entries[np.ravel_multi_index(tuple(cell.T), field.shape)]
    parts = np.where(entry & 1, SUBDIVISION, 1)[:, None]
    t = (q - cell) * parts
    fine = np.minimum(t.astype(np.int64), parts - 1)
    words = field.rows[(entry >> 1) + (fine * parts ** [[2, 1, 0]]).sum(axis=1)]
    bits = np.stack([words & 0xFFFF, words >> 16], axis=-1).astype(np.uint16)
    value = bits.view(np.float16).reshape(-1, 2, 2, 2).astype(np.float64)
    for x in (t - fine).T:
        x = x.reshape(-1, *(1,) * (value.ndim - 2))
        value = value[:, 0] * (1 - x) + value[:, 1] * x
    return value + field.spacing * np.linalg.norm(p - q, axis=1)
