"""A second look-up in two-level fields, written from the layout alone, to test against."""

from __future__ import annotations

import numpy as np

from zdg_jax.objects.model import SignedDistanceField


def lookup_numpy(field: SignedDistanceField, p_obj: np.ndarray) -> np.ndarray:
    """Trilinear value at each point [n, 3]; beyond the grid the distance to it is added. Metres."""
    shape = np.array(field.shape)
    p = (np.asarray(p_obj, np.float64) @ field.R_field_obj.T - field.origin) / field.spacing
    q = np.clip(p, 0, shape)
    beyond = np.linalg.norm(p - q, axis=1) * field.spacing
    return cell_value(field, np.minimum(q.astype(int), shape - 1), q) + beyond


def cell_value(field: SignedDistanceField, cell: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Value at `q` (coarse steps from the origin) as the coarse cell `cell` [n, 3] has it."""
    _, ny, nz = field.shape
    entry = field.entries[(cell[:, 0] * ny + cell[:, 1]) * nz + cell[:, 2]]
    refined = entry & 1 == 1
    t = q - cell
    fine = np.clip((4 * t).astype(int), 0, 3)
    row = (entry >> 1) + np.where(refined, (fine[:, 0] * 4 + fine[:, 1]) * 4 + fine[:, 2], 0)
    t = np.where(refined[:, None], 4 * t - fine, t)
    words = field.rows[row]
    value = np.zeros(len(q))
    for dx in (0, 1):
        for dy in (0, 1):
            for dz in (0, 1):
                bits = (words[:, 2 * dx + dy] >> np.uint32(16 * dz)) & np.uint32(0xFFFF)
                corner = bits.astype(np.uint16).view(np.float16).astype(np.float64)
                weight = [t[:, k] if d else 1 - t[:, k] for k, d in enumerate((dx, dy, dz))]
                value += weight[0] * weight[1] * weight[2] * corner
    return value
