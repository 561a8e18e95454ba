"""A contract over every object of the zoo, and what single ones must have."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest

from zdg_jax.errors import UserError
from zdg_jax.objects import load_mesh_source, load_object
from zdg_jax.objects.checks import check_mesh, component_labels
from zdg_jax.objects.parts.named import named_parts, with_named_parts
from zdg_jax.objects.zoo import VARIANTS, category_names, zoo_names, zoo_object
from zdg_jax.objects.zoo.build import _generate
from zdg_jax.objects.zoo.kit import box, cylinder, loft, tube
from zdg_jax.objects.zoo.manifest import manifest, stored_manifest

AFFORDPOSE = set(
    "bottle bag earphone faucet handle_bottle jar keyboard knife laptop mug pot scissors".split()
) | {"soap_dispenser"}


def test_the_set_is_as_large_as_it_says():
    assert len(category_names()) >= 52
    assert len(zoo_names()) == VARIANTS * len(category_names()) >= 200
    assert set(category_names()) >= AFFORDPOSE
    wanted = "coffee_machine teapot bucket suitcase badminton_racket spray_bottle hammer phone"
    assert set(category_names()) >= set(wanted.split())


# One variant of each category in the default run, the others in the slow one.
SOME = tuple(f"{category}/{i % VARIANTS}" for i, category in enumerate(category_names()))
REST = tuple(name for name in zoo_names() if name not in SOME)


def check_contract(name: str) -> None:
    made = zoo_object(name)
    mesh = made.mesh
    checked, warnings = check_mesh(mesh, made.name)
    assert warnings == ()
    assert len(checked.faces) == len(mesh.faces)
    np.testing.assert_allclose(checked.triangles_center, mesh.triangles_center, atol=1e-9)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 1e-6
    assert component_labels(mesh)[0] == 1
    assert 2000 <= len(mesh.faces) <= 20000
    assert 0.03 < mesh.extents.max() < 1.4
    assert mesh.bounds[0, 1] == pytest.approx(0, abs=2e-6)
    assert 100 <= made.density <= 9000
    assert len(made.part_names) >= 2
    share = np.bincount(made.face_part, mesh.area_faces, len(made.part_names)) / mesh.area
    assert (share > 2e-4).all(), dict(zip(made.part_names, share, strict=True))
    # the longest edge is short against the object: 4096 samples and the parts need no more
    assert mesh.edges_unique_length.max() < 0.15 * np.linalg.norm(mesh.extents)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.slow
def test_every_object_is_a_solid_that_the_checks_leave_alone(name):
    check_contract(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", REST)
def test_the_other_variants_are_too(name):
    check_contract(name)


def test_the_manifest_is_what_was_committed():
    stored = stored_manifest()
    assert metadata.version("manifold3d") == stored["manifold3d"], "other booleans: write a new manifest"
    assert set(stored["objects"]) == set(zoo_names())
    assert [name for name in SOME if zoo_object(name).sha256 != stored["objects"][name]] == []


@pytest.mark.slow
def test_the_whole_manifest_is_what_was_committed():
    assert manifest() == stored_manifest()
    assert len({zoo_object(name).sha256 for name in zoo_names()}) == len(zoo_names())


def test_another_libms_last_bits_change_nothing():
    """A processor without fused multiply-add has other sines: hammer and trowel had other triangles."""
    names = ("hammer/3", "trowel/1", "scissors/2", "spoon/2")
    script = (
        "import hashlib, sys\n"
        "from zdg_jax.objects.zoo.build import _generate\n"
        "for name in sys.argv[1:]:\n"
        "    category, variant = name.split('/')\n"
        "    made = _generate(category, int(variant))\n"
        "    print(hashlib.sha256(b''.join(made[k].tobytes() for k in ('vertices', 'faces'))).hexdigest())\n"
    )
    env = {**os.environ, "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"}
    other = subprocess.run(
        [sys.executable, "-c", script, *names], env=env, capture_output=True, text=True, check=True
    ).stdout.split()
    made = [_generate(name.partition("/")[0], int(name[-1])) for name in names]
    assert other == [
        hashlib.sha256(b"".join(m[k].tobytes() for k in ("vertices", "faces"))).hexdigest() for m in made
    ]


def test_generation_says_the_same_twice():
    for name in ("mug/2", "scissors/1"):
        one, two = (_generate(name.partition("/")[0], int(name[-1])) for _ in range(2))
        assert all(np.array_equal(one[key], two[key]) for key in one)


def test_hands_find_their_holes():
    holes = {
        name: (2 - zoo_object(f"{name}/0").mesh.euler_number) // 2 for name in ("mug", "scissors", "plate")
    }
    assert holes == {"mug": 1, "scissors": 2, "plate": 0}
    for variant in range(VARIANTS):  # a finger of 16 mm fits between a mug's handle and its wall
        mug = zoo_object(f"mug/{variant}")
        handle = mug.mesh.triangles_center[mug.face_part == mug.part_names.index("handle")]
        body = mug.mesh.triangles_center[mug.face_part == mug.part_names.index("body")]
        middle = np.abs(handle[:, 1] - np.median(handle[:, 1])) < 0.005
        assert handle[middle, 0].min() - body[:, 0].max() > 0.016


def test_names_are_read_and_wrong_ones_explained():
    mesh, object_id, up = load_mesh_source("zoo:mug/3")
    assert (object_id, up) == ("zoo:mug/3", "y")
    assert load_mesh_source("zoo:mug")[1] == "zoo:mug/0"
    assert len(mesh.faces) == len(zoo_object("mug/3").face_part)
    for name, message in (
        ("mugg/1", "did you mean zoo:mug/0"),
        ("mug/4", "0 to 3"),
        ("mug/x", "0 to 3"),
        ("", "axe"),
    ):
        with pytest.raises(UserError, match=message):
            load_mesh_source(f"zoo:{name}")


@pytest.mark.slow
def test_labels_reach_samples_and_can_stand_for_parts():
    obj = load_object("zoo:mug/0", scale=1.1)
    named = named_parts(obj)
    handle = named.samples_of(obj, ["handle"])
    assert 0.03 < handle.mean() < 0.3
    assert obj.samples.points[handle, 0].min() > obj.samples.points[~handle, 0].mean()
    with pytest.raises(UserError, match="one of body, handle"):
        named.samples_of(obj, ["blade"])
    parted, names = with_named_parts(obj)
    assert [part.number for part in parted.parts] == list(range(1, len(names) + 1))
    np.testing.assert_array_equal(parted.part_mask((names.index("handle") + 1,)), handle)
    assert parted.parts[names.index("inside")].descriptor.concave


@pytest.mark.parametrize("join", [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a & b])
def test_booleans_keep_labels_and_volume(join):
    a, b = box(0.04, 0.04, 0.04, "block"), cylinder(0.01, 0.06, "pin").move(y=-0.01)
    vertices, faces, names = join(a, b).arrays()
    assert len(faces) == len(names)
    corners = vertices[faces]
    upright = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 1]) < 1e-12
    on_pin = upright & (np.hypot(corners[..., 0], corners[..., 2]).max(axis=1) < 0.0101)
    assert {n for n, pin in zip(names, on_pin, strict=True) if pin} == {"pin"}


def test_a_zone_renames_without_moving_anything():
    rod = tube([(0, 0, 0), (0.1, 0, 0), (0.2, 0, 0)], 0.02, "handle")
    cut = rod.zone(box(0.1, 1, 1, "x").move(x=0.2, y=-0.5), {"handle": "tip"})
    assert cut.solid.volume() == pytest.approx(rod.solid.volume(), rel=1e-9)
    vertices, faces, names = cut.arrays()
    beyond = vertices[faces].mean(axis=1)[:, 0] > 0.15
    assert [name == "tip" for name in names] == beyond.tolist()


def test_a_loft_is_closed_whichever_way_its_rings_run():
    t = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    for way in (1, -1):
        rings = [np.column_stack([np.cos(way * t), np.full(12, y), np.sin(way * t)]) for y in (0.0, 1.0)]
        assert loft(np.array(rings), "x").solid.volume() == pytest.approx(3.0, abs=0.01)
