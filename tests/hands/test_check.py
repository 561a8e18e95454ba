"""Every planted fault is named in a line of its own; a sound card has none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hands.robots import edit
from tests.hands.things import EVERY_HAND, hand_or_skip
from zdg_jax.hands.load import card_path
from zdg_jax.hands.validate import check_card


@pytest.fixture
def card(claw: Path, tmp_path: Path) -> Path:
    for file in claw.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / "card.yaml"


def _in_model(old: str, new: str) -> Callable[[Path], None]:
    def plant(card: Path) -> None:
        model = card.with_name("claw.urdf")
        text = model.read_text()
        assert old in text
        model.write_text(text.replace(old, new, 1))

    return plant


def _in_card(**changes: object) -> Callable[[Path], None]:
    return lambda card: edit(card, **changes)


PLANTED = {
    "not YAML": (lambda card: card.write_text("name: [claw"), "not YAML"),
    "no base": (_in_card(base=None), "base: Field required"),
    "a field too much": (_in_card(palms={}), "palms: Extra inputs"),
    "no model file": (_in_card(model="paw.urdf"), "no hand model at paw.urdf"),
    "model outside": (_in_card(model="asset:../../claw.urdf"), "leads out of"),
    "model at the root": (_in_card(model="asset:/claw.urdf"), "leads out of"),
    "model outside MJX": (_in_card(model="mjx:../../claw.urdf"), "leads out of"),
    "model outside a package": (_in_card(model="pip:numpy:../claw.urdf"), "leads out of"),
    "skin outside": (_in_card(skin="../skin.npz"), "leads out of"),
    "package missing": (_in_card(model="pip:no-such-hand:claw.xml"), "without the package 'no-such-hand'"),
    "model refused": (_in_model('type="revolute"', 'type="revolving"'), "which MuJoCo refuses"),
    "model limit inverted": (_in_model('lower="0" upper="1.5"', 'lower="1.5" upper="0.2"'), "inverted"),
    "card limit inverted": (_in_card(limits={"thumb_0": [60, 10]}), "limits.thumb_0: 60 to 10 is inverted"),
    "slide joint": (_in_model('type="revolute"', 'type="prismatic"'), "a slide joint"),
    "no limits": (_in_model('type="revolute"', 'type="continuous"'), "joint thumb_0 without limits"),
    "mimic of nothing": (_in_model('<mimic joint="index_0"', '<mimic joint="i0"'), "mimics 'i0'"),
    "unknown base": (_in_card(base="paw"), "base: link 'paw'"),
    "unknown palm link": (_in_card(palm__link="paw"), "palm: link 'paw' is not in the model"),
    "unknown finger link": (_in_card(fingers__index=["index_1st"]), "fingers.index: link 'index_1st'"),
    "unknown joint": (_in_card(grasp_types__lift__joints={"knee": 3}), "grasp_types.lift: joint 'knee'"),
    "unknown contact link": (_in_card(grasp_types__lift__contact={"toe": 1.0}), "contact link 'toe'"),
    "unknown fixed joint": (_in_card(fixed={"wrist": 0}), "fixed: joint 'wrist' is not in the model"),
    "functional finger": (_in_card(functional_fingers=["thumb", "ring"]), "no finger 'ring'"),
    "no pad": (_in_card(pads__middle=None), "fingers.middle: has no pad"),
    "frame not square": (_in_card(palm__d_palm=[0.7, 0, 0.7]), "expected a right angle"),
    "d_palm on the back": (_in_card(palm__d_palm=[0, 0, -1]), "not normal to the palm, or on its back"),
    "d_palm sideways": (_in_card(palm__d_palm=[0, 1, 0]), "not normal to the palm, or on its back"),
    "d_finger to the wrist": (_in_card(palm__d_finger=[-1, 0, 0]), "not along the fingers"),
    "pad off the link": (_in_card(pads__index__point=[0.03, 0, 0.03]), "mm outside the surface"),
    "pad inward": (_in_card(pads__index__normal=[0, 0, -1]), "its normal points into index_distal"),
    "pad on another finger": (_in_card(pads__index__link="middle_distal"), "is of another finger"),
    "link in two fingers": (
        _in_card(fingers__middle=["middle_proximal", "index_distal"]),
        "link index_distal is also in index",
    ),
    "links out of order": (
        _in_card(fingers__index=["index_distal", "index_proximal"]),
        "do not follow each other from root to tip",
    ),
    "thumb does not oppose": (_in_card(functional_fingers=["middle", "index"]), "a thumb that opposes"),
    "contact above one": (_in_card(grasp_types__lift__contact={"palm": 1.5}), "less than or equal to 1"),
    "joint beyond limits": (_in_card(grasp_types__lift__joints={"thumb_0": 120}), "lies outside its limits"),
    "through itself": (
        _in_card(grasp_types__twist__joints={"thumb_0": 39, "thumb_1": 78}), "mm into",
    ),
    "fixed beyond limits": (_in_card(fixed={"thumb_1": -40}), "lies outside its limits"),
    "millimetres": (
        lambda card: [
            card.with_name("claw.urdf").write_text(_grown(card.with_name("claw.urdf").read_text())),
            edit(card, pads={f: {"link": f"{f}_distal", "point": [22.5, 0, 7.0], "normal": [0, 0, 1]}
                             for f in ("thumb", "index", "middle")}),
        ],
        "is the model in metres?",
    ),
}  # fmt: skip


def _grown(text: str) -> str:
    def thousand(match: re.Match[str]) -> str:
        return f'{match[1]}="' + " ".join(str(1000 * float(x)) for x in match[2].split()) + '"'

    axes = re.sub(r'axis xyz="', 'axis XYZ="', text)
    return re.sub(r'(xyz|size)="([^"]+)"', thousand, axes).replace("XYZ", "xyz")


@pytest.mark.slow
def test_a_sound_card_has_no_fault(claw: Path) -> None:
    assert check_card(claw) == []


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "shadow" else n for n in EVERY_HAND]
)
def test_built_in_cards_have_no_fault(name: str) -> None:
    hand_or_skip(name)
    assert check_card(card_path(name)) == []


def test_at_least_twenty_faults_are_planted() -> None:
    assert len(PLANTED) >= 20


@pytest.mark.slow  # the robot that they are planted in has its grasp types searched for: half a minute
@pytest.mark.parametrize("what", PLANTED)
def test_planted_fault_is_named_in_one_line(what: str, card: Path) -> None:
    plant, said = PLANTED[what]
    plant(card)
    faults = check_card(card)
    naming = [line for line in faults if said in line]
    assert len(naming) == 1, faults
    assert "\n" not in naming[0]
