"""M_hand^3d of a masked part, as the chain lifts it: hollow and solid things, cheap ones and real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from tests.reasoning.things import hammer, model_of
from zdg_jax.hands import load_hand
from zdg_jax.objects import region
from zdg_jax.objects.load import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning.stages.hand_part import held_of, lift_parts
from zdg_jax.reasoning.state import ReasonConfig, ReasonState, open_state
from zdg_jax.render.scene import best_view

HAND = load_hand("human16")
THINGS = (
    "ycb:025_mug", "ycb:024_bowl", "ycb:035_power_drill", "ycb:048_hammer", "ycb:022_windex_bottle",
    "ycb:021_bleach_cleanser", "ycb:019_pitcher_base", "ycb:029_plate", "zoo:mug/0", "zoo:teapot/0",
    "zoo:pan/0", "zoo:bottle/0", "zoo:spray_bottle/0", "zoo:scissors/0", "zoo:kettle/0", "zoo:drill/0",
)  # fmt: skip


def cup() -> ObjectModel:
    """A beaker, outside (1) and inside (2), with a solid ball (3) stuck to it."""
    beaker = trimesh.creation.revolve(
        [[0, 0], [0.04, 0], [0.04, 0.1], [0.036, 0.1], [0.036, 0.004], [0, 0.004]], sections=48
    )
    beaker = beaker.subdivide().subdivide()
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.02)
    ball.apply_translation([0.058, 0.0, 0.05])
    radius = np.linalg.norm(beaker.triangles_center[:, :2], axis=1)
    inside = (radius < 0.0375) & (beaker.triangles_center[:, 2] > 0.003)
    mesh = trimesh.util.concatenate([beaker, ball])
    numbers = np.concatenate([np.where(inside, 2, 1), np.full(len(ball.faces), 3)])
    up = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    mesh.apply_transform(up)
    return model_of(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False), numbers, 2000)


def seen_parts(opened: ReasonState) -> Iterator[int]:
    """Each part that shows, in the view that shows it best."""
    visible = [opened.visible_pixels(view) for view in range(len(opened.frames))]
    for part in opened.obj.parts:
        opened.view = best_view(visible, (part.number,))
        if part.number in visible[opened.view]:
            yield part.number


def ious(obj: ObjectModel, size: int) -> list[float]:
    """Of the lifted region with what is held of the part; `one_hand` may leave pieces that no hand spans."""
    opened = open_state(obj, HAND, "hold it", ReasonConfig(image_size=size, min_part_pixels=6, draw=False))
    found = []
    for number in seen_parts(opened):
        lifted, own = lift_parts(opened, (number,), opened.camera.p_world_cam), obj.part_mask((number,))
        held = held_of(obj, own, (number,))
        assert held.sum() > 0.4 * own.sum()
        found.append(float((lifted & held).sum() / (lifted | held).sum()))
    return found


@pytest.mark.parametrize("make", [cup, lambda: hammer(1500)])
def test_a_region_is_the_part_that_was_masked(make) -> None:
    obj = make()
    found = ious(obj, 96)
    assert len(found) == len(obj.parts)
    assert min(found) > 0.99


def test_learnt_features_are_voted_on_as_in_the_paper() -> None:
    """Features that know nothing of the object: the vote listens to them, the geometric path does not."""
    obj = hammer(1500)
    noise = np.random.default_rng(0).normal(size=obj.features.shape)
    lies = replace(obj, features=noise, learnt_features=True)
    config = ReasonConfig(image_size=96, min_part_pixels=6, draw=False)
    part = obj.parts[0].number
    voted, given = (
        lift_parts(state, (part,), state.camera.p_world_cam)
        for state in (open_state(lies, HAND, "hold it", config), open_state(obj, HAND, "hold it", config))
    )
    assert (given == obj.part_mask((part,))).all()
    assert (voted != given).any()


def test_sizes_of_what_is_spread_evenly_and_of_strays() -> None:
    bar = np.linspace([0.0, 0.0], [0.12, 0.03], 5001)
    np.testing.assert_allclose(region.sizes(bar), [0.12, 0.03], rtol=1e-3)
    strayed = np.concatenate([bar, np.tile([0.5, -0.5], (60, 1))])
    np.testing.assert_allclose(region.sizes(strayed), [0.12, 0.03], rtol=0.03)
    two_ends = np.repeat([[0.0], [0.1]], 50, axis=0)  # nothing between: the plain extent, and not more
    np.testing.assert_allclose(region.sizes(two_ends), [0.1])


@pytest.mark.slow
def test_regions_of_forty_parts() -> None:
    found = [value for name in THINGS for value in ious(load_object(name), 512)]
    assert len(found) >= 40
    assert np.median(found) >= 0.9
    assert min(found) >= 0.8, sorted(found)[:5]
