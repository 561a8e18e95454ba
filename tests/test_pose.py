"""Laws of poses, over batch shapes, and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from zdg_jax.pose import (
    IDENTITY,
    compose,
    inverse,
    make_pose,
    matrix_to_wxyz,
    relative_pose,
    rotation_to_wxyz,
    transform_directions,
    transform_points,
    unit,
    wxyz_to_matrix,
    wxyz_to_rotation,
)

SHAPES = [(), (1,), (5,), (2, 3)]
BROADCAST = [((), ()), ((), (4,)), ((4,), ()), ((2, 1), (3,)), ((3,), (2, 3))]


def poses(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random ones; quaternions of any length and sign."""
    return np.random.default_rng(seed).normal(size=(*shape, 7))


def same(a: np.ndarray, b: np.ndarray) -> None:
    """Equal as poses: q and -q, and quaternions of any length, are one rotation."""
    np.testing.assert_allclose(a[..., :3], b[..., :3], atol=1e-12)
    np.testing.assert_allclose(wxyz_to_matrix(a[..., 3:]), wxyz_to_matrix(b[..., 3:]), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_composing_is_associative(shape: tuple[int, ...]) -> None:
    a, b, c = (poses(shape, seed) for seed in range(3))
    same(compose(compose(a, b), c), compose(a, compose(b, c)))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_inverse_undoes_on_both_sides(shape: tuple[int, ...]) -> None:
    a = poses(shape)
    everywhere = np.broadcast_to(IDENTITY, a.shape)
    same(compose(a, inverse(a)), everywhere)
    same(compose(inverse(a), a), everywhere)
    same(compose(a, IDENTITY), a)
    same(compose(IDENTITY, a), a)


@pytest.mark.parametrize(("one", "two"), BROADCAST)
def test_batch_axes_broadcast(one: tuple[int, ...], two: tuple[int, ...]) -> None:
    a, b = poses(one, 0), poses(two, 1)
    lead = np.broadcast_shapes(one, two)
    full_a, full_b = np.broadcast_to(a, (*lead, 7)), np.broadcast_to(b, (*lead, 7))
    for operation in (compose, relative_pose):
        got = operation(a, b)
        assert got.shape == (*lead, 7)
        np.testing.assert_array_equal(got, operation(full_a, full_b))
        for i in np.ndindex(lead):
            np.testing.assert_array_equal(got[i], operation(full_a[i], full_b[i]))
    same(compose(a, relative_pose(a, b)), full_b)
    assert transform_points(a, b[..., :3]).shape == (*lead, 3)
    assert make_pose(a[..., :3], wxyz_to_matrix(b[..., 3:])).shape == (*lead, 7)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_composed_pose_moves_points_as_one_after_the_other(shape: tuple[int, ...]) -> None:
    a, b, p = poses(shape, 0), poses(shape, 1), poses(shape, 2)[..., :3]
    both = compose(a, b)
    np.testing.assert_allclose(transform_points(both, p), transform_points(a, transform_points(b, p)))
    np.testing.assert_allclose(
        transform_directions(both, p), transform_directions(a, transform_directions(b, p))
    )
    np.testing.assert_allclose(transform_points(both, np.zeros(3)), both[..., :3])


@pytest.mark.parametrize("shape", SHAPES)
def test_matrix_and_pose_round_trips(shape: tuple[int, ...]) -> None:
    a = poses(shape)
    R = wxyz_to_matrix(a[..., 3:])
    np.testing.assert_allclose(R @ np.swapaxes(R, -1, -2), np.broadcast_to(np.eye(3), R.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(R), 1.0)
    np.testing.assert_allclose(wxyz_to_matrix(matrix_to_wxyz(R)), R, atol=1e-12)
    same(make_pose(a[..., :3], R), a)


@pytest.mark.parametrize("shape", SHAPES)
def test_scipy_agrees(shape: tuple[int, ...]) -> None:
    a, b = poses(shape, 0), poses(shape, 1)
    turn_a, turn_b = (Rotation.from_quat(x[..., [4, 5, 6, 3]].reshape(-1, 4)) for x in (a, b))
    flat = (a[..., :3].reshape(-1, 3), b[..., :3].reshape(-1, 3))
    got = compose(a, b)
    np.testing.assert_allclose(got[..., :3].reshape(-1, 3), flat[0] + turn_a.apply(flat[1]))
    xyzw = (turn_a * turn_b).as_quat()
    np.testing.assert_allclose(got[..., 3:].reshape(-1, 4), xyzw[:, [3, 0, 1, 2]])
    turns = wxyz_to_rotation(a[..., 3:])
    np.testing.assert_allclose(turns.as_matrix().reshape(-1, 3, 3), turn_a.as_matrix())
    np.testing.assert_array_equal(rotation_to_wxyz(turn_a), turn_a.as_quat()[:, [3, 0, 1, 2]])


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_bad_row_stays_alone(bad: float) -> None:
    a, b = poses((3,), 0), poses((3,), 1)
    spoilt = a.copy()
    spoilt[1, 3:] = bad
    for got, want in (
        (compose(spoilt, b), compose(a, b)),
        (compose(b, spoilt), compose(b, a)),
        (relative_pose(spoilt, b), relative_pose(a, b)),
        (inverse(spoilt), inverse(a)),
        (transform_points(spoilt, b[:, :3]), transform_points(a, b[:, :3])),
    ):
        assert np.isnan(got[1]).all()
        np.testing.assert_array_equal(got[[0, 2]], want[[0, 2]])


@pytest.mark.parametrize("shape", SHAPES)
def test_unit_vectors(shape: tuple[int, ...]) -> None:
    v = poses(shape)[..., :3]
    np.testing.assert_allclose(np.linalg.norm(unit(v), axis=-1), 1.0)
    np.testing.assert_allclose(unit(v) * np.linalg.norm(v, axis=-1, keepdims=True), v)
    np.testing.assert_array_equal(unit(np.zeros((*shape, 3))), np.zeros((*shape, 3)))
