"""Set-of-Mark, point marks and the placing of marks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.render.shapes import box
from zdg_jax.render import marks
from zdg_jax.render.marks import inmost_pixel, part_map, part_marks, point_marks
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import Surface, byte, part_color, side_views, visible_pixels


def boxes_overlap(
    a: marks.Label, at: tuple[float, float], b: marks.Label, bt: tuple[float, float], size: float
) -> bool:
    half = (np.array(marks.box_size(a.text, size)) + np.array(marks.box_size(b.text, size))) / 2
    return bool((np.abs(np.subtract(at, bt)) < half).all())


@pytest.mark.parametrize("seed", range(4))
def test_labels_never_cover_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    anchors = rng.uniform(200, 300, (18, 2))  # crowded: eighteen labels within 100 pixels
    named = [marks.Label(str(i + 1), (float(u), float(v)), (200, 0, 0)) for i, (u, v) in enumerate(anchors)]
    spots = marks.place(named, 15.0, (512, 512), dot=4.0)
    for i in range(18):
        half = np.array(marks.box_size(named[i].text, 15.0)) / 2
        assert (np.subtract(spots[i], half) >= 0).all()
        assert (np.add(spots[i], half) <= 512).all()
        for j in range(i):
            assert not boxes_overlap(named[i], spots[i], named[j], spots[j], 15.0)


def test_a_label_at_the_rim_stays_inside_the_picture() -> None:
    named = [marks.Label("12", (1.0, 1.0), (200, 0, 0)), marks.Label("13", (255.0, 120.0), (200, 0, 0))]
    for spot, label in zip(marks.place(named, 16.0, (128, 256)), named, strict=True):
        half = np.array(marks.box_size(label.text, 16.0)) / 2
        assert (np.subtract(spot, half) >= 0).all()
        assert (np.add(spot, half) <= [256, 128]).all()


def test_inmost_pixel_is_the_furthest_from_the_border() -> None:
    mask = np.zeros((60, 80), dtype=bool)
    mask[10:31, 5:26] = True  # 21 x 21
    mask[40:45, 30:80] = True
    assert inmost_pixel(mask) == (15, 20, 11.0)
    assert inmost_pixel(np.ones((5, 9), dtype=bool))[1:] == (2, 3.0)


def test_every_part_is_coloured_and_numbered_inside_itself() -> None:
    mesh = box()
    face_part = np.array([np.argmax(np.abs(n)) for n in mesh.face_normals]) + 1
    frame = render(Surface.of(mesh), side_views(mesh)[0])
    parts = part_map(frame, face_part)
    marks = part_marks(frame.rgb, parts)
    assert marks.shown == tuple(
        sorted(n for n, count in visible_pixels(frame, face_part).items() if count >= 60)
    )
    assert len(marks.shown) >= 2
    picture = np.asarray(marks.image).astype(float)
    for number, (u, v) in zip(marks.shown, marks.anchors, strict=True):
        assert parts[int(v), int(u)] == number
        tint, seen = np.array(byte(part_color(number))), np.median(picture[parts == number], axis=0)
        assert np.argmax(seen - seen.mean()) == np.argmax(tint - tint.mean())
    same = (picture == frame.rgb).all(axis=2)
    assert same[parts == 0].mean() > 0.97  # a label may stand beside its part, nothing else


def test_the_number_is_written_where_the_anchor_is() -> None:
    rgb = np.full((200, 200, 3), 235, np.uint8)
    parts = np.zeros((200, 200), dtype=int)
    parts[50:150, 50:150] = 3
    marks = part_marks(rgb, parts)
    patch = np.asarray(marks.image)[90:111, 90:111]
    assert patch.max() > 240  # the label's white box
    assert patch.min() < 90  # and its ink


def test_parts_too_small_to_point_at_are_not_numbered() -> None:
    rgb = np.full((120, 120, 3), 235, np.uint8)
    parts = np.zeros((120, 120), dtype=int)
    parts[10:60, 10:60], parts[80:83, 80:83] = 1, 2
    assert part_marks(rgb, parts).shown == (1,)
    assert part_marks(rgb, parts, min_pixels=9).shown == (1, 2)
    assert part_marks(rgb, parts, (2, 5)).shown == (2,)  # 5 is not in the picture at all
    assert part_marks(rgb, np.zeros_like(parts)).shown == ()


@pytest.mark.parametrize("zoom", [False, True])
def test_points_are_dotted_where_they_are(zoom: bool) -> None:
    rgb = np.full((256, 256, 3), 230, np.uint8)
    parts = np.zeros((256, 256), dtype=int)
    parts[100:140, 120:170] = 2
    pixels = np.array([[120, 100], [169, 100], [169, 139], [120, 139]])
    marks = point_marks(rgb, pixels, (1, 4, 7, 9), parts=parts, zoom=zoom)
    assert marks.shown == (1, 4, 7, 9)
    picture = np.asarray(marks.image).astype(int)
    assert picture.shape == (256, 256, 3)
    for u, v in marks.anchors.astype(int):
        assert picture[v, u].max() < 60  # dark, on any part's colour
    spread = np.ptp(marks.anchors, axis=0)
    assert (spread > 2.5 * 49 if zoom else spread <= 49).any()
    # zooming keeps the points' shape
    assert spread[0] / spread[1] == pytest.approx(49 / 39)


def test_parts_under_points_are_tinted_and_named() -> None:
    rgb = np.full((256, 256, 3), 230, np.uint8)
    parts = np.zeros((256, 256), dtype=int)
    parts[100:140, 120:170], parts[140:250, 120:170] = 2, 1
    pixels = np.array([[120, 100], [169, 100], [169, 139], [120, 139]])
    bare, named = (
        np.asarray(point_marks(rgb, pixels, parts=parts, notes=notes, zoom=False).image).astype(int)
        for notes in ({}, {1: "held"})
    )
    red, _, blue = bare[230, 130]
    assert red > blue + 60  # part 1, as in every other picture
    red, _, blue = bare[105, 145]
    assert blue > red + 40
    changed = (np.abs(named - bare).max(axis=2) > 40) & (parts == 1)
    assert changed.sum() > 100  # "1 held" for "1"


def test_point_marks_refuse_what_they_cannot_draw() -> None:
    rgb = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match="no points"):
        point_marks(rgb, np.zeros((0, 2), dtype=int))
    with pytest.raises(ValueError, match="2 numbers for 1 points"):
        point_marks(rgb, np.array([[3, 4]]), (1, 2))


def test_labels_are_drawn_the_same_every_time() -> None:
    named = [marks.Label("8", (40.0, 40.0), (10, 120, 60))]
    blank = Image.new("RGB", (96, 96), "white")
    first, second = (marks.draw(blank, named, [(60.0, 60.0)], 18.0) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != blank.tobytes()
