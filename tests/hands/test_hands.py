"""A contract over every built-in hand."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.hands.things import EVERY_HAND, hand_or_skip
from zdg_jax.errors import UserError
from zdg_jax.hands import EXTRA_HANDS, HAND_NAMES, load_hand
from zdg_jax.hands import build_human16 as human16_build
from zdg_jax.hands.io.hand_spec import read_card
from zdg_jax.hands.kinematics import posed, posed_skin
from zdg_jax.hands.load import REFERENCE, card_path

IDENTITY = np.array([0, 0, 0, 1.0, 0, 0, 0])
GRASP_TYPES = {"handle-grasp", "wrap-grasp", "press", "lift", "twist"}


def test_the_hands_are_there() -> None:
    assert set(HAND_NAMES) == {"human16", "shadow"}
    assert set(EXTRA_HANDS) == {"allegro", "inspire", "leap", "myohand"}


@pytest.mark.parametrize("name", sorted({*HAND_NAMES, *EXTRA_HANDS} - {REFERENCE}))
def test_a_card_has_the_joints_of_every_type(name: str) -> None:
    """What it leaves out is searched for at every load, for half a minute."""
    given = read_card(card_path(name)).grasp_types
    assert [k for k in load_hand(REFERENCE).grasp_types if k not in given or given[k].joints is None] == []


@pytest.mark.parametrize("name", EVERY_HAND)
class TestEveryHand:
    def test_skin_is_closed_and_outward(self, name: str) -> None:
        hand = hand_or_skip(name)
        rest = posed_skin(hand, IDENTITY, np.zeros(len(hand.active_names)))
        mesh = trimesh.Trimesh(rest, hand.skin_faces, process=False)
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.volume > 1e-4
        assert 700 <= len(rest) <= 1100

    def test_grasp_types(self, name: str) -> None:
        hand = hand_or_skip(name)
        assert set(hand.grasp_types) >= GRASP_TYPES
        for g in hand.grasp_types.values():
            assert (g.joints >= hand.lower - 1e-9).all()
            assert (g.joints <= hand.upper + 1e-9).all()
            assert g.contact_prior.shape == (len(hand.skin_link),)
            assert g.contact_prior.min() >= 0
            assert g.contact_prior.max() <= 1
            assert g.contact_prior[hand.functional].sum() > 0

    def test_palm_frame(self, name: str) -> None:
        """D_palm x D_finger is right-handed, fingers extend along x, flexed tips come to the palmar side."""
        hand = hand_or_skip(name)
        np.testing.assert_allclose(hand.R_base_palm.T @ hand.R_base_palm, np.eye(3), atol=1e-9)
        assert np.linalg.det(hand.R_base_palm) == pytest.approx(1.0)
        stretched = (
            posed(hand, IDENTITY, np.zeros(len(hand.active_names)), "pad") - hand.p_base_palm
        ) @ hand.R_base_palm
        flexed = (
            posed(hand, IDENTITY, hand.grasp_types["handle-grasp"].joints, "pad") - hand.p_base_palm
        ) @ hand.R_base_palm
        for i, pad in enumerate(hand.pad_names):
            if pad != "thumb":
                assert stretched[i, 0] > 0.05
                assert flexed[i, 2] > 0.02
        thumb, last = hand.pad_names.index("thumb"), len(hand.pad_names) - 1
        assert stretched[thumb, 1] < stretched[last, 1]  # a right hand

    def test_thumb_opposes_the_index_when_lifting(self, name: str) -> None:
        hand = hand_or_skip(name)
        q = hand.grasp_types["lift"].joints
        p, n = posed(hand, IDENTITY, q, "pad"), posed(hand, IDENTITY, q, "pad_normal")
        thumb, index = hand.pad_names.index("thumb"), hand.pad_names.index("index")
        towards = p[index] - p[thumb]
        towards /= np.linalg.norm(towards)
        assert n[thumb] @ n[index] < 0.3
        assert np.linalg.norm(p[index] - p[thumb]) < 0.10

    def test_pads_lie_on_the_skin(self, name: str) -> None:
        hand = hand_or_skip(name)
        q = np.zeros(len(hand.active_names))
        skin, pads = posed_skin(hand, IDENTITY, q), posed(hand, IDENTITY, q, "pad")
        mesh = trimesh.Trimesh(skin, hand.skin_faces, process=False)
        _, distance, _ = trimesh.proximity.closest_point(mesh, pads)
        assert distance.max() < 0.004

    def test_the_back_of_the_hand_never_touches(self, name: str) -> None:
        hand = hand_or_skip(name)
        normal = posed(hand, IDENTITY, np.zeros(len(hand.active_names)), "skin_normal") @ hand.R_base_palm
        back = (hand.skin_finger < 0) & (normal[:, 2] < -0.1)
        assert back.sum() > 20
        assert hand.grasp_types["wrap-grasp"].contact_prior[back].max() == 0

    def test_spheres_fill_the_skin(self, name: str) -> None:
        """Nine in ten skin vertices that may touch lie within 3.8 mm (LEAP) of the simulation's spheres.

        Sides of boxes may touch, and are covered more coarsely than what looks to the palm, the backs more
        coarsely still; no sphere stands out by more than 1.2 mm.
        """
        hand = hand_or_skip(name)
        palmar = np.max([g.contact_prior for g in hand.grasp_types.values()], axis=0) > 0
        gap = np.zeros(len(hand.skin_link))
        for i in np.unique(hand.skin_link):
            skin, mine = hand.skin_link == i, hand.sphere_link == i
            far = np.linalg.norm(hand.p_link_skin[skin][:, None] - hand.p_link_sphere[mine], axis=2)
            gap[skin] = (far - hand.sphere_radius[mine]).min(axis=1)
        assert np.percentile(gap[palmar], 90) < 0.0038
        assert np.percentile(gap, 90) < 0.009
        assert gap.min() > -0.0012


def test_dip_follows_pip() -> None:
    hand = load_hand("human16")
    assert len(hand.active_names) == 16
    q = np.zeros(16)
    q[hand.active_names.index("ring_pip")] = 1.0
    every = hand.coupling @ q + hand.coupling_offset
    assert every[hand.joint_names.index("ring_dip")] == pytest.approx(0.6)


def test_human16_limits_are_the_documented_ones() -> None:
    hand = load_hand("human16")
    degrees = dict(
        zip(
            hand.active_names,
            np.rad2deg(np.stack([hand.lower, hand.upper], 1)).round(3).tolist(),
            strict=True,
        )
    )
    assert degrees["index_spread"] == [-20, 20]
    assert degrees["middle_spread"] == [-10, 10]
    assert degrees["little_spread"] == [-30, 30]
    assert degrees["index_mcp"] == [-10, 90]
    thumb = [degrees[f"thumb_{j}"] for j in ("opposition", "adduction", "mcp", "ip")]
    assert thumb == [[-10, 70], [-50, 25], [0, 90], [0, 100]]


def test_assets_are_what_the_script_builds() -> None:
    assert (human16_build.ASSETS / "human16.xml").read_text() == human16_build.mjcf()
    with np.load(human16_build.ASSETS / "skin.npz") as d:
        built = human16_build.skin()
        np.testing.assert_array_equal(d["faces"], built["faces"])
        np.testing.assert_allclose(d["vertices"], built["vertices"], atol=1e-5)
        np.testing.assert_array_equal(d["other"], built["link_names"][built["other"]])
        np.testing.assert_array_equal(d["share"], built["share"])
        np.testing.assert_allclose(d["sphere_center"], human16_build.spheres()["sphere_center"], atol=1e-9)


def test_unknown_hand_lists_the_known() -> None:
    with pytest.raises(UserError, match="human16, shadow"):
        load_hand("claw")


@pytest.mark.parametrize(
    ("name", "meant"), [("human", "human16"), ("Shadw", "shadow"), ("alegro", "allegro")]
)
def test_a_mistyped_hand_is_guessed(name: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"did you mean {meant}( or .*)?[?] choose one with --hand"):
        load_hand(name)


def test_a_broken_card_names_its_field(tmp_path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text("name: x\nmodel: asset:none.xml\n")
    with pytest.raises(UserError, match="base"):
        read_card(card)
