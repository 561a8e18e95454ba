"""Distances to the regions at a field's nodes: an accelerator's way gives what the k-d tree gives."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from tests.refine.things import shape
from zdg_jax.objects.sdf.query import Grid
from zdg_jax.refine.batching import region_rows_device, region_rows_host


@pytest.mark.parametrize("most", [1 << 17, 1 << 18])
def test_device_and_host_agree(most: int) -> None:
    obj = shape("box")
    field = obj.field
    points = obj.samples.points @ field.R_field_obj.T
    masks = points[:, 2] > 0.02, points[:, 0] > 0.0
    want = region_rows_host(field, points, *masks)
    assert np.prod(np.array(field.shape) + 1) <= most
    grid = Grid(
        *(jnp.asarray(x, jnp.float32)[None] for x in (field.origin, field.spacing)),
        *(jnp.asarray(x, jnp.int32)[None] for x in (field.shape, 0, 0)),
    )
    given = (jnp.asarray(points, jnp.float32)[None], *(m[None] for m in masks), np.ones(1, bool))
    got = np.asarray(region_rows_device(len(want), most, grid, *given))
    assert got.shape == want.shape
    np.testing.assert_allclose(_halves(got), _halves(want), rtol=2e-3, atol=1e-6)  # a half's last bit


def _halves(rows: np.ndarray) -> np.ndarray:
    return rows.view(np.float16).astype(np.float64)
