"""Mimics, equalities and tendons become one linear map."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh

from tests.hands.robots import MJCF, urdf, write_robot
from zdg_jax.errors import UserError
from zdg_jax.hands.io.hand_spec import Follow
from zdg_jax.hands.io.kinematic_tree import couple, subtree
from zdg_jax.hands.io.model_files import compile_model, find_model


def _coupled(extra: str, **card):
    model = mujoco.MjSpec.from_string(MJCF % extra).compile()
    tree = subtree(model, 1)
    limits = model.jnt_range[tree.hinges]
    return couple(model, tree.joints, limits, (), card.get("fixed", {}), card.get("follow", {}), "test")


def test_joint_equality() -> None:
    found = _coupled('<equality><joint joint1="a2" joint2="a1" polycoef="0.1 0.5 0 0 0"/></equality>')
    assert found.active == ("a0", "a1")
    np.testing.assert_allclose(found.A, [[1, 0], [0, 1], [0, 0.5]])
    np.testing.assert_allclose(found.b, [0, 0, 0.1])


def test_a_followers_limit_bounds_its_leader() -> None:
    found = _coupled('<equality><joint joint1="a2" joint2="a1" polycoef="0 1 0 0 0"/></equality>')
    assert found.upper[1] == pytest.approx(0.9)


def test_chains_of_followers_resolve() -> None:
    found = _coupled("", follow={"a2": Follow(joint="a1", scale=0.5), "a1": Follow(joint="a0", scale=0.6)})
    assert found.active == ("a0",)
    np.testing.assert_allclose(found.A[:, 0], [1, 0.6, 0.3])


def test_fixed_tendon_equality_is_the_constraint() -> None:
    tendon = (
        '<tendon><fixed name="t"><joint joint="a1" coef="1"/><joint joint="a2" coef="-2"/></fixed></tendon>'
    )
    found = _coupled(tendon + '<equality><tendon tendon1="t" polycoef="0 0 0 0 0"/></equality>')
    q = found.A @ np.array([0.2, 0.6]) + found.b
    assert q[1] - 2 * q[2] == pytest.approx(0.0)


def test_joints_of_a_pulled_tendon_move_in_proportion_to_their_ranges() -> None:
    tendon = (
        '<tendon><fixed name="t"><joint joint="a1" coef="1"/><joint joint="a2" coef="1"/></fixed></tendon>'
    )
    found = _coupled(tendon + '<actuator><position tendon="t"/><position joint="a0"/></actuator>')
    assert found.active == ("a0", "a1")
    np.testing.assert_allclose(found.A[2], [0, 0.9 / 1.2])


def test_a_circle_and_a_curve_are_refused() -> None:
    with pytest.raises(UserError, match="circle"):
        _coupled("", follow={"a1": Follow(joint="a2"), "a2": Follow(joint="a1")})
    with pytest.raises(UserError, match="non-linear"):
        _coupled('<equality><joint joint1="a2" joint2="a1" polycoef="0 1 0.5 0 0"/></equality>')


def test_urdf_mimic_and_packages(tmp_path: Path) -> None:
    """Mimics are read by us; package:// is found above the file."""
    source = compile_model(write_robot(tmp_path).with_name("claw.urdf"))
    assert {(m.joint, m.leader, m.multiplier, m.offset) for m in source.mimics} == {
        ("index_1", "index_0", 0.8, 0.05),
        ("middle_1", "middle_0", 0.8, 0.05),
    }
    mesh = tmp_path / "claw_description" / "meshes" / "palm.stl"
    mesh.parent.mkdir(parents=True)
    trimesh.creation.box((0.1, 0.09, 0.02)).export(mesh)
    text = urdf().replace(
        '<box size="0.10 0.09 0.02"/>', '<mesh filename="package://claw_description/meshes/palm.stl"/>'
    )
    robot = tmp_path / "claw_description" / "urdf" / "claw.urdf"
    robot.parent.mkdir()
    robot.write_text(text)
    assert compile_model(robot).model.nmesh == 1
    mesh.unlink()
    with pytest.raises(UserError, match="no mesh package://claw_description"):
        compile_model(robot)


def test_models_are_found_by_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the card, by path, in a package, and by robot_descriptions, which is stood in for."""
    robot = write_robot(tmp_path).with_name("claw.urdf")
    module = types.ModuleType("robot_descriptions.claw_description")
    module.URDF_PATH = str(robot)
    monkeypatch.setitem(sys.modules, "robot_descriptions", types.ModuleType("robot_descriptions"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert find_model("robot_descriptions:claw_description", tmp_path, "claw") == robot
    assert find_model("claw.urdf", tmp_path, "claw") == robot
    assert find_model("asset:claw.urdf", tmp_path, "claw") == robot
    assert find_model(str(robot), tmp_path / "elsewhere", "claw") == robot
    assert find_model("mjx:shadow_hand/right_hand.xml", tmp_path, "shadow").is_file()
    assert find_model("pip:numpy:numpy/__init__.py", tmp_path, "numpy").is_file()
    with pytest.raises(UserError, match="robot_descriptions"):
        find_model("robot_descriptions:paw", tmp_path, "paw")
    empty = types.ModuleType("robot_descriptions.empty")
    monkeypatch.setitem(sys.modules, empty.__name__, empty)
    with pytest.raises(UserError, match="without a model"):
        find_model("robot_descriptions:empty", tmp_path, "empty")
