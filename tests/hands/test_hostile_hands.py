"""Hand models as people have them: mended where that is mechanical, else one line that says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh

from tests.hands.robots import MJCF, urdf, write_robot
from zdg_jax.errors import UserError
from zdg_jax.hands.io.hand_spec import card_text, parse_card
from zdg_jax.hands.io.model_files import compile_model
from zdg_jax.hands.propose import first_card
from zdg_jax.hands.validate import check_card


def test_the_contents_of_an_mjcf_count_not_its_ending(tmp_path: Path) -> None:
    text = MJCF % ""
    for name in ("claw.xml", "claw.mjcf", "claw"):
        (tmp_path / name).write_text(text)
    models = [compile_model(tmp_path / name).model for name in ("claw.xml", "claw.mjcf", "claw")]
    assert [m.njnt for m in models] == [3, 3, 3]
    assert len({m.body_pos.tobytes() for m in models}) == 1


def test_meshes_beside_an_mjcf_of_another_ending_are_found(tmp_path: Path) -> None:
    trimesh.creation.box((0.02, 0.02, 0.02)).export(tmp_path / "m.stl")
    text = MJCF % '<asset><mesh name="m" file="m.stl"/></asset>'
    text = text.replace('<geom type="box" size="0.05 0.04 0.01"/>', '<geom type="mesh" mesh="m"/>')
    (tmp_path / "claw.mjcf").write_text(text)
    assert compile_model(tmp_path / "claw.mjcf").model.nmesh == 1


def test_meshes_that_mujoco_lacks_are_read_for_it(tmp_path: Path) -> None:
    """The same link from an STL and from other formats, in a URDF and in a MJCF; scales still count."""
    solid = trimesh.creation.cylinder(radius=0.01, height=0.03, sections=16)
    solid.apply_translation([0.01, 0.0, 0.02])
    inertias = []
    for ending in ("stl", "ply", "glb", "off"):
        solid.export(tmp_path / f"m.{ending}")
        found = f'<mesh filename="m.{ending}" scale="1 2 1"/>'
        (tmp_path / "claw.urdf").write_text(urdf().replace('<box size="0.045 0.014 0.014"/>', found))
        text = MJCF % f'<asset><mesh name="m" file="m.{ending}" scale="1 2 1"/></asset>'
        text = text.replace('<geom type="box" size="0.05 0.04 0.01"/>', '<geom type="mesh" mesh="m"/>')
        (tmp_path / "claw.xml").write_text(text)
        models = [compile_model(tmp_path / name).model for name in ("claw.urdf", "claw.xml")]
        assert [model.nmesh for model in models] == [1, 1]
        inertias.append([*models[0].geom_aabb.ravel(), *models[1].geom_aabb.ravel(), models[1].body_mass[1]])
    for other in inertias[1:]:
        np.testing.assert_allclose(other, inertias[0], atol=1e-7)


def test_a_dae_without_its_reader_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.dae").write_text("<COLLADA/>")
    (tmp_path / "claw.urdf").write_text(
        urdf().replace('<box size="0.045 0.014 0.014"/>', '<mesh filename="m.dae"/>')
    )
    monkeypatch.setitem(sys.modules, "collada", None)
    with pytest.raises(UserError, match="pip install pycollada"):
        compile_model(tmp_path / "claw.urdf")


def test_angles_count_from_the_pose_of_the_file(tmp_path: Path) -> None:
    """q' = q - ref: the same links at the same places, over the same range."""
    text = MJCF % ""
    (tmp_path / "plain.xml").write_text(text)
    shifted = text.replace('range="0 1.5"', 'range="0.4 1.9" ref="0.4"').replace(
        'range="0 1.2"', 'range="-0.3 0.9" ref="-0.3"'
    )
    (tmp_path / "ref.xml").write_text(shifted)
    plain, ref = (compile_model(tmp_path / name).model for name in ("plain.xml", "ref.xml"))
    np.testing.assert_allclose(ref.jnt_range, plain.jnt_range, atol=1e-12)
    assert not ref.qpos0.any()
    places = []
    for model in (plain, ref):
        data = mujoco.MjData(model)
        data.qpos[:] = [0.3, 0.5, 0.2]
        mujoco.mj_kinematics(model, data)
        places.append(data.xpos.copy())
    np.testing.assert_allclose(places[0], places[1], atol=1e-12)


def test_xacro_is_named_and_what_was_expanded_is_read(tmp_path: Path) -> None:
    """Expanded files often keep the namespace that xacro declared."""
    path, declared = tmp_path / "hand.urdf", '<robot xmlns:xacro="http://www.ros.org/wiki/xacro" name="claw">'
    expanded = urdf().replace('<robot name="claw">', declared)
    macro = expanded.replace("</robot>", '<xacro:finger name="ring"/></robot>')
    for text in (urdf().replace('upper="1.5"', 'upper="${lim}"'), macro):
        path.write_text(text)
        with pytest.raises(UserError, match=r"xacro hand\.urdf > hand\.urdf"):
            compile_model(path)
    path.write_text(expanded)
    assert compile_model(path).model.njnt == 6


def test_meshes_in_millimetres_are_told_before_any_work(tmp_path: Path) -> None:
    card = write_robot(tmp_path)
    trimesh.creation.box((45.0, 14.0, 14.0)).export(tmp_path / "seg.stl")
    model = tmp_path / "claw.urdf"
    box, mesh = '<box size="0.045 0.014 0.014"/>', '<mesh filename="seg.stl"/>'
    model.write_text(model.read_text().replace(box, mesh))
    (fault,) = check_card(card)
    assert "m; expected links of a hand" in fault
    assert "0.001" in fault


def test_the_fingertip_is_what_reaches_farthest() -> None:
    """A tip beside a longer chain of small frames, as many hands have them; its order does not matter."""
    tip = '<body name="tip" pos="0.02 0 0"><geom type="capsule" fromto="0 0 0 0.03 0 0" size="0.006"/></body>'
    chain = (
        '<body name="f1" pos="0 0 0.01"><geom type="sphere" size="0.002"/><body name="f2" pos="0 0 0.002">'
        '<geom type="sphere" size="0.002"/></body></body>'
    )
    for inside in (tip + chain, chain + tip):
        text = (MJCF % "").replace(
            "</body></body></body>\n  </body>", f"{inside}</body></body></body>\n  </body>"
        )
        second = text[text.index('<body name="a"') : text.index("</body>\n  </body>") + len("</body>")]
        for old in ("a", "b", "c", "a0", "a1", "a2", "tip", "f1", "f2"):
            second = second.replace(f'name="{old}"', f'name="{old}_2"')
        second = second.replace('pos="0.06 0 0"', 'pos="0.06 0.03 0"')
        text = text.replace('<body name="a"', second + '<body name="a"')
        card = first_card(mujoco.MjModel.from_xml_string(text), "m.xml", "m", base="palm")
        assert all(links[-1].startswith("tip") for links in card["fingers"].values())
        assert all(pad["link"].startswith("tip") for pad in card["pads"].values())


#: The same robot with its middle joints counted from 57 degrees on.
BENT = (
    urdf()
    .replace('xyz="0.045 0 0" rpy="0 0 0"', 'xyz="0.045 0 0" rpy="0 -1.0 0"')
    .replace('lower="0" upper="1.5"', 'lower="-1.0" upper="0.5"')
)


def test_a_hand_whose_zero_pose_is_bent_is_guessed_as_if_stretched(tmp_path: Path) -> None:
    straight = parse_card(write_robot(tmp_path / "straight"))
    (tmp_path / "claw.urdf").write_text(BENT)
    fields = first_card(compile_model(tmp_path / "claw.urdf").model, "claw.urdf", "claw")
    np.testing.assert_allclose(fields["palm"]["d_finger"], straight["palm"]["d_finger"], atol=0.05)
    np.testing.assert_allclose(fields["palm"]["d_palm"], straight["palm"]["d_palm"], atol=0.05)


@pytest.mark.slow
def test_a_bent_zero_pose_is_told(tmp_path: Path) -> None:
    (tmp_path / "claw.urdf").write_text(BENT)
    fields = first_card(compile_model(tmp_path / "claw.urdf").model, "claw.urdf", "claw")
    (tmp_path / "card.yaml").write_text(card_text(fields, "test"))
    faults = [fault for fault in check_card(tmp_path / "card.yaml") if "bent where every joint is 0" in fault]
    assert len(faults) == 2  # not the thumb


@pytest.mark.slow
def test_a_link_that_is_only_to_be_seen_is_a_fault(tmp_path: Path) -> None:
    card = write_robot(tmp_path)
    model = tmp_path / "claw.urdf"
    tip = model.read_text().index('<link name="index_distal">')
    begin, end = (model.read_text().index(tag, tip) for tag in ("<collision>", "</link>"))
    model.write_text(model.read_text()[:begin] + model.read_text()[end:])
    assert any("index_distal has visual geometry only" in fault for fault in check_card(card))


@pytest.mark.parametrize(
    "text",
    [
        "<mujoco><worldbody>" + "<body>" * 100_000, "<robot>" * 100_000, "", "\x00", "<mujoco/>",
        '<mujoco><worldbody><replicate count="1000000000"><geom size="1"/></replicate></worldbody></mujoco>',
        '<mujoco><worldbody><replicate count="9999"><replicate count="9999"><geom size="1"/></replicate>'
        "</replicate></worldbody></mujoco>",
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><robot name="&b;"/>',
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["x.xml", "x.urdf"])
def test_hostile_models(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    try:
        model = compile_model(tmp_path / name).model
    except UserError:
        return
    assert model.nbody < 10


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "a: " * 10_000, "\x00", "&a [*a]", "[1]"])
def test_hostile_cards(text: str, tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(UserError):
        parse_card(tmp_path / "card.yaml")
