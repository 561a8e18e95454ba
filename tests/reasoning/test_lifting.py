"""From one side's mask to the whole part."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.reasoning.things import HANDLE, HEAD, camera_from, hammer, model_of
from zdg_jax.objects.samples import sample_surface
from zdg_jax.reasoning import lifting
from zdg_jax.render import marks, raycast, scene
from zdg_jax.render.scene import Surface

OBJ = hammer(3000)
FRAME = raycast.render(Surface.of(OBJ.mesh), scene.side_views(OBJ.mesh, size=256)[0])
PART_MAP = marks.part_map(FRAME, OBJ.face_part)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def lift(mask: np.ndarray, seed: int = 0) -> np.ndarray:
    return lifting.lift_mask(FRAME, mask, OBJ.samples, OBJ.features, seed=seed)


def test_back_projected_pixels_lie_on_the_surface() -> None:
    points, normals = lifting.back_project_mask(FRAME, PART_MAP == HEAD)
    assert len(points) == (PART_MAP == HEAD).sum()
    some = np.random.default_rng(0).choice(len(points), 30)
    _, distance, face = trimesh.proximity.closest_point_naive(OBJ.mesh, points[some])
    assert distance.max() < 1e-6
    np.testing.assert_allclose(
        np.abs((normals[some] * OBJ.mesh.face_normals[face]).sum(axis=1)).mean(), 1, atol=0.1
    )


@pytest.mark.parametrize("part", [HANDLE, HEAD])
def test_recovers_a_part_seen_from_one_side(part: int) -> None:
    wanted, mask = OBJ.part_mask((part,)), np.isin(PART_MAP, part)
    points, normals = lifting.back_project_mask(FRAME, mask)
    seen = lifting.label_samples(points, normals, OBJ.samples) > 0
    lifted = lift(mask)
    assert iou(seen, wanted) < 0.65  # what one view alone gives
    assert iou(lifted, wanted) > 0.9
    assert lifted[seen & wanted].mean() > 0.98


def test_whole_mask_gives_the_whole_object() -> None:
    assert lift(FRAME.mask).all()


def test_empty_mask_gives_nothing() -> None:
    assert not lift(np.zeros_like(FRAME.mask)).any()


def test_same_seed_same_result() -> None:
    np.testing.assert_array_equal(lift(PART_MAP == HANDLE, 3), lift(PART_MAP == HANDLE, 3))


def test_far_side_of_a_thin_plate_is_not_seen() -> None:
    plate = trimesh.creation.box(extents=(0.1, 0.1, 0.001)).subdivide().subdivide().subdivide()
    samples = sample_surface(plate, 1000)
    frame = raycast.render(Surface.of(plate), camera_from((0.0, 0.0, 1.0), plate))
    votes = lifting.label_samples(*lifting.back_project_mask(frame, frame.mask), samples)
    assert votes[samples.normals[:, 2] > 0.5].min() > 0
    assert votes[samples.normals[:, 2] < -0.5].max() == 0


def test_depth_of_is_the_second_extent() -> None:
    corners = np.array([[x, y, z] for x in (0, 0.3) for y in (0, 0.2) for z in (0, 0.1)])
    assert lifting.depth_of(corners) == pytest.approx(0.2)


def test_points_become_balls() -> None:
    spots = np.array([[0.0, 0.015, 0.0], [0.0, -0.015, 0.0]])
    balls = lifting.lift_points(spots, OBJ.samples, 0.01)
    for spot, ball in zip(spots, balls, strict=True):
        distance = np.linalg.norm(OBJ.samples.points - spot, axis=1)
        np.testing.assert_array_equal(ball, distance <= 0.01)
        assert ball.sum() > 8
    tiny = lifting.lift_points(spots, OBJ.samples, 1e-6)
    assert [ball.sum() for ball in tiny] == [8, 8]


def stick(length: float, head: float) -> tuple[trimesh.Trimesh, np.ndarray]:
    """A bar 3 cm thick along x (part 1), and a block on its end at +x (part 2) if that has a size."""
    sizes = [(length, 0.03, 0.03), (0.03, 0.03, head)][: 2 if head else 1]
    boxes = [trimesh.creation.box(extents=size).subdivide().subdivide().subdivide() for size in sizes]
    for k, box in enumerate(boxes):
        box.apply_translation([-0.5 * length if k == 0 else 0.015, 0.0, 0.0])
    both = trimesh.util.concatenate(boxes)
    assert isinstance(both, trimesh.Trimesh)
    return both, np.repeat(range(1, len(boxes) + 1), [len(box.faces) for box in boxes])


@pytest.mark.parametrize(("length", "kept"), [(0.3, 0.16), (0.8, 0.4), (0.2, 0.2)])
def test_a_long_handle_is_held_away_from_its_head(length: float, kept: float) -> None:
    obj = model_of(*stick(length, 0.1), 1500)
    held = lifting.butt_of(obj.samples.points, obj.part_mask((1,)))
    along = obj.samples.points[held, 0]
    assert along.min() < -length + 0.01
    assert np.ptp(along) == pytest.approx(kept, abs=0.015)


def test_a_rod_and_what_is_beside_a_handle_leave_it_whole() -> None:
    rod = model_of(*stick(0.4, 0.0), 600)
    whole = np.abs(rod.samples.points[:, 0] + 0.2) < 0.15  # its middle
    assert (lifting.butt_of(rod.samples.points, whole) == whole).all()
    assert lifting.butt_of(rod.samples.points, rod.part_mask((1,))).all()
