"""Eqs. 3, 4 and 5 on cases made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reasoning.things import HANDLE, HEAD, hammer
from zdg_jax.reasoning.stages import points, rotation

OBJ = hammer(3000)
X, Y, Z = np.eye(3)
TRIANGLES = np.asarray(OBJ.mesh.triangles)
HANDLE_MASK = OBJ.part_mask((HANDLE,))


def tilted(degrees: float) -> np.ndarray:
    return np.cos(np.deg2rad(degrees)) * X + np.sin(np.deg2rad(degrees)) * Y


@pytest.mark.parametrize(("degrees", "fits"), [(0, True), (31, True), (32, False), (90, False), (149, True)])
def test_eq3_threshold_is_an_angle(degrees: float, fits: bool) -> None:
    # arccos 0.85 = 31.8 degrees; the sign of the normal does not matter.
    assert rotation.rotations_that_fit(X[None], tilted(degrees)[None], 0.85)[0] == fits


def test_eq3_needs_one_normal_only_and_any_length() -> None:
    normals = np.stack([5 * Y, Z, 0.1 * X])
    np.testing.assert_array_equal(
        rotation.rotations_that_fit(np.stack([X, X + Y]), normals, 0.85), [True, False]
    )
    assert not rotation.rotations_that_fit(X[None], np.zeros((0, 3)), 0.85).any()


def test_eq3_filters_fingers_along_a_handle() -> None:
    """Fig. 4 (a) of the paper."""
    region = OBJ.samples.points[HANDLE_MASK]
    center = region.mean(axis=0)
    p_star = rotation.nearest_contact_point(center, center + 0.05 * Y, TRIANGLES, OBJ.samples, HANDLE_MASK)
    near = rotation.neighbourhood(p_star, 0.03, OBJ.samples, HANDLE_MASK, 0.06)
    fits = rotation.rotations_that_fit(np.stack([X, Z, -X, -Z]), OBJ.samples.normals[near], 0.85)
    np.testing.assert_array_equal(fits, [False, True, False, True])


def test_p_star_is_the_handles_top() -> None:
    p = rotation.nearest_contact_point(np.zeros(3), 0.06 * Y, TRIANGLES, OBJ.samples, HANDLE_MASK)
    np.testing.assert_allclose(p, [0, 0.015, 0], atol=5e-4)


def test_p_star_skips_other_parts() -> None:
    """From the head's side the ray leaves through the head; p* stays on the handle."""
    p = rotation.nearest_contact_point(np.zeros(3), 0.16 * X, TRIANGLES, OBJ.samples, HANDLE_MASK)
    assert p[0] == pytest.approx(0.1, abs=2e-3)
    p = rotation.nearest_contact_point(np.zeros(3), 0.16 * X, TRIANGLES, OBJ.samples, OBJ.part_mask((HEAD,)))
    assert p[0] == pytest.approx(0.14, abs=2e-3)


def test_p_star_without_a_hit_is_the_regions_nearest_to_the_ray() -> None:
    p = rotation.nearest_contact_point(np.array([0, 0.03, 0]), 0.08 * Y, TRIANGLES, OBJ.samples, HANDLE_MASK)
    region = OBJ.samples.points[HANDLE_MASK]
    assert np.linalg.norm(p - [0, 0.03, 0]) <= np.linalg.norm(region - [0, 0.03, 0], axis=1).min() + 1e-9


def test_neighbourhood_is_in_the_region_and_capped() -> None:
    p = np.array([0.095, 0.015, 0.0])
    wide = rotation.neighbourhood(p, 1.0, OBJ.samples, HANDLE_MASK, 0.06)
    assert wide.any()
    assert not (wide & ~HANDLE_MASK).any()
    assert np.linalg.norm(OBJ.samples.points[wide] - p, axis=1).max() <= 0.06


def test_eq4_forces_are_opposite() -> None:
    thumb, index = np.array([0.0, 0.02, 0.0]), np.array([0.0, -0.01, 0.0])
    np.testing.assert_allclose(
        points.force_directions(np.stack([thumb, index])), [[0, 0.03, 0], [0, -0.03, 0]]
    )


@pytest.mark.parametrize(("degrees", "agrees"), [(0, True), (45, True), (46, False), (180, False)])
def test_eq5_threshold_is_an_angle(degrees: float, agrees: bool) -> None:
    # arccos 0.7 = 45.6 degrees; here the sign does matter.
    assert points.contact_agrees(2 * X, tilted(degrees)[None], 0.7) == agrees


def test_eq5_any_normal_suffices_and_no_force_never_does() -> None:
    assert points.contact_agrees(X, np.stack([Y, -X, X]), 0.7)
    assert not points.contact_agrees(np.zeros(3), X[None], 0.7)
    assert not points.contact_agrees(X, np.zeros((0, 3)), 0.7)
