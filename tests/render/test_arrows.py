"""Directions drawn into pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.render.shapes import box
from zdg_jax.render.composite import forearm, named_arrows, project_ends, up_arrow
from zdg_jax.render.scene import INK, look

AXES = {"left": np.array([-1.0, 0, 0]), "above": np.array([0, 1.0, 0]), "front": np.array([0, 0, 1.0])}
SIZE = 240


def ink(picture: Image.Image) -> np.ndarray:
    """Columns and rows of all dark pixels."""
    rows, columns = np.nonzero(np.abs(np.asarray(picture).astype(int) - INK).max(axis=2) < 30)
    return np.stack([columns, rows], axis=1)


def test_heads_lie_where_the_camera_sees_their_points() -> None:
    camera = look(np.asarray(box().vertices), (0.3, 0.5, 1.0), size=SIZE)
    origin = np.array([0.01, -0.01, 0.0])
    start, heads = project_ends(camera, origin, np.stack(list(AXES.values())), 0.05)
    np.testing.assert_allclose(start, camera.project(origin[None])[0][0])
    for head, axis in zip(heads, AXES.values(), strict=True):
        np.testing.assert_allclose(head, camera.project((origin + 0.05 * axis)[None])[0][0])


@pytest.mark.parametrize("length", [0.03, 5.0])
def test_an_arrow_runs_its_way_and_stays_in_the_picture(length: float) -> None:
    camera = look(np.asarray(box().vertices), (0.0, 0.0, 1.0), size=SIZE)
    white = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    one = {"right": np.array([1.0, 0.0, 0.0])}
    drawn = ink(named_arrows(white, camera, np.zeros(3), one, length, 12.0))
    along = drawn[np.abs(drawn[:, 1] - SIZE / 2) < 2]
    _, heads = project_ends(camera, np.zeros(3), np.stack(list(one.values())), length)
    end = min(float(heads[0, 0]), SIZE - 1.8 * 12)
    assert along[:, 0].max() == pytest.approx(end, abs=22)  # its name may stand there
    assert ((along[:, 0] > SIZE / 2) & (along[:, 0] < end)).sum() > (along[:, 0] < SIZE / 2).sum()


def test_what_points_along_the_view_is_told_in_words() -> None:
    camera = look(np.asarray(box().vertices), (0.0, 0.0, 1.0), size=SIZE)
    white = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    picture = named_arrows(white, camera, np.zeros(3), {"front": np.array([0.0, 0.0, 1.0])}, 0.05, 12.0)
    words = ink(picture)
    assert ((words[:, 0] < SIZE / 2) & (words[:, 1] > 0.85 * SIZE)).any()


@pytest.mark.parametrize(("front", "drawn"), [((0.0, 0.2, 1.0), True), ((0.0, 1.0, 1e-3), False)])
def test_up_is_drawn_unless_the_camera_looks_along_it(front: tuple[float, float, float], drawn: bool) -> None:
    white = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    camera = look(np.asarray(box().vertices), front, size=SIZE)
    dark = ink(up_arrow(white, camera, 12.0))
    assert (len(dark) > 0) == drawn
    if drawn:  # the shaft is above the word and upright
        shaft = dark[dark[:, 1] < SIZE - 16]
        assert np.ptp(shaft[:, 1]) > 2 * np.ptp(shaft[:, 0])


def test_a_forearm_starts_at_the_wrist_and_leads_away_from_the_fingers() -> None:
    rng = np.random.default_rng(0)
    skin = rng.uniform(-1, 1, (2000, 3)) * [0.09, 0.04, 0.015]
    arm = forearm(skin, np.array([1.0, 0.0, 0.0]))
    assert arm.vertices[:, 0].max() == pytest.approx(-0.09, abs=0.01)
    assert arm.vertices[:, 0].min() < -0.17
    np.testing.assert_allclose(arm.vertices[:, 1:].mean(axis=0), 0, atol=0.01)
