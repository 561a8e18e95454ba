from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from zdg_jax.errors import UserError
from zdg_jax.objects import load_mesh_source, ycb_names
from zdg_jax.objects.load import UP_TO_Y
from zdg_jax.objects.parts.named import ScanParts, labelled_scans, scan_regions

UP = np.array([0.0, 1.0, 0.0])


def test_there_are_enough_and_each_is_a_scan():
    assert len(labelled_scans()) >= 30
    assert set(labelled_scans()) <= set(ycb_names())
    with pytest.raises(UserError, match="choose of 002"):
        scan_regions("062_dice")


@pytest.mark.parametrize("scan", labelled_scans())
def test_every_part_of_every_scan_holds_some_surface(scan):
    mesh = load_mesh_source(f"ycb:{scan}")[0]
    turn = UP_TO_Y["z"].T
    names, part = scan_regions(scan).label(mesh.triangles_center @ turn, mesh.face_normals @ turn)
    assert scan_regions(scan).scan == scan
    share = np.bincount(part, mesh.area_faces, len(names)) / mesh.area
    assert (share > 0.005).all(), dict(zip(names, share, strict=True))


def test_regions_say_what_they_hold():
    where = ScanParts.model_validate(
        {
            "scan": "x",
            "parts": [
                {"name": "end", "within": [{"kind": "half_space", "point": [1, 0, 0], "normal": [1, 0, 0]}]},
                {
                    "name": "core",
                    "within": [
                        {"kind": "cylinder", "a": [0, -1, 0], "b": [0, 1, 0], "radius": 0.5},
                        {"kind": "facing", "direction": [0, 2, 0], "least": 0.9},
                    ],
                },
                {"name": "low", "within": [{"kind": "box", "low": [None] * 3, "high": [None, 0, None]}]},
                {"name": "wall", "within": [{"kind": "inward", "x": 0, "z": 0}]},
                {"name": "rest"},
            ],
        }
    )
    p = np.array([[2.0, 0, 0], [0.4, 0.5, 0], [0.4, -2, 0], [0.9, 0.5, 0], [0.9, 0.5, 0]])
    n = np.stack([UP, UP, UP, [-1.0, 0, 0], [1.0, 0, 0]])
    names, part = where.label(p, n)
    assert [names[k] for k in part] == ["end", "core", "low", "wall", "rest"]
    with pytest.raises(ValidationError):
        ScanParts.model_validate({"scan": "x", "parts": [{"name": "a", "within": [{"kind": "ball"}]}]})
