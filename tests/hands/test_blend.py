"""Skin near a joint follows both links: laws of the blend, on the hand that has one."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from zdg_jax.hands import load_hand
from zdg_jax.hands.blend import blend_of
from zdg_jax.hands.kinematics import posed, posed_skin
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import IDENTITY


def rigid(hand: HandModel) -> HandModel:
    return replace(hand, skin_blend=None)


def between(hand: HandModel, parent: str, child: str) -> np.ndarray:
    """Vertices that follow these two links."""
    blend = hand.skin_blend
    assert blend is not None
    ends = {hand.link_names.index(parent), hand.link_names.index(child)}
    frames = [
        len(hand.link_names) + k
        for k, two in enumerate(zip(blend.own, blend.other, strict=True))
        if set(map(int, two)) == ends
    ]
    return np.flatnonzero(np.isin(blend.frame, frames))


def test_a_stretched_hand_is_as_it_was_made() -> None:
    hand = load_hand("human16")
    q = np.zeros(len(hand.active_names))
    np.testing.assert_allclose(
        posed_skin(hand, IDENTITY, q), posed_skin(rigid(hand), IDENTITY, q), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("degrees", [30, 90])
def test_skin_turns_about_the_hinge_by_no_more_than_the_link(degrees: float) -> None:
    """One hinge lies between them: what follows both stays as far from its axis, and turns part of it."""
    hand = load_hand("human16")
    bent = np.zeros(len(hand.active_names))
    bent[hand.active_names.index("index_pip")] = np.deg2rad(degrees)
    own = between(hand, "index_proximal", "index_middle")
    assert len(own) >= 8
    hinge = hand.joint_names.index("index_pip")
    anchor, axis = (posed(hand, IDENTITY, bent, what)[hinge] for what in ("hinge", "hinge_normal"))
    before, after = (posed_skin(hand, IDENTITY, q)[own] - anchor for q in (np.zeros_like(bent), bent))
    np.testing.assert_allclose(after @ axis, before @ axis, atol=2e-6)
    flat = [x - (x @ axis)[:, None] * axis for x in (before, after)]
    np.testing.assert_allclose(*(np.linalg.norm(x, axis=1) for x in flat), atol=2e-6)
    turn = np.arctan2(np.cross(*flat) @ axis, (flat[0] * flat[1]).sum(axis=1))
    assert (turn > -1e-3).all()
    assert (turn < np.deg2rad(degrees) + 1e-3).all()
    assert np.ptp(turn) > np.deg2rad(degrees) / 2


def test_what_is_far_from_every_joint_moves_with_its_link() -> None:
    hand = load_hand("human16")
    assert hand.skin_blend is not None
    fixed = hand.skin_blend.frame < len(hand.link_names)
    assert 0.5 < fixed.mean() < 0.9
    for kind in hand.grasp_types.values():
        np.testing.assert_array_equal(
            posed_skin(hand, IDENTITY, kind.joints)[fixed],
            posed_skin(rigid(hand), IDENTITY, kind.joints)[fixed],
        )


def test_bent_skin_is_closed_keeps_its_volume_and_tears_at_fewer_edges() -> None:
    hand = load_hand("human16")
    stretched = posed_skin(hand, IDENTITY, np.zeros(len(hand.active_names)))
    rest = trimesh.Trimesh(stretched, hand.skin_faces, process=False)
    torn = {True: 0, False: 0}
    for kind in hand.grasp_types.values():
        for blended, model in ((True, hand), (False, rigid(hand))):
            mesh = trimesh.Trimesh(posed_skin(model, IDENTITY, kind.joints), hand.skin_faces, process=False)
            assert mesh.is_watertight
            torn[blended] += int((mesh.edges_unique_length > 2.0 * rest.edges_unique_length).sum())
            if blended:
                assert abs(mesh.volume / rest.volume - 1.0) < 0.05
    assert torn[True] < 0.7 * torn[False], torn


def test_shares_of_nothing_leave_every_vertex_with_its_link() -> None:
    link, at_rest = np.array([0, 1, 1]), np.tile(IDENTITY, (2, 1))
    blend = blend_of(link, np.array([1, 0, 1]), np.array([0.0, 0.0, 0.5]), at_rest)
    np.testing.assert_array_equal(blend.frame, link)
    assert len(blend.own) == 0


def test_a_robots_shells_do_not_bend() -> None:
    assert load_hand("shadow").skin_blend is None
