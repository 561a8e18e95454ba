"""Every grasp type of the hands that need no other package: what all keep, and what some are about."""

from __future__ import annotations

import numpy as np
import pytest

from tests.hands.things import hand_or_skip
from zdg_jax.hands import EXTRA_HANDS, load_hand
from zdg_jax.hands.flank import flank, posed_flank
from zdg_jax.hands.grasp_types import PAPER_TYPES, RUNS_IN, offered_types, self_depths
from zdg_jax.hands.kinematics import posed_in_palm
from zdg_jax.hands.load import HAND_NAMES
from zdg_jax.hands.model import HandModel
from zdg_jax.reasoning.stages.grasp_type import SUITS

TYPES = [(name, kind) for name in HAND_NAMES for kind in load_hand("human16").grasp_types]


@pytest.mark.parametrize(("name", "kind"), TYPES)
def test_a_type_can_be_taken_and_says_what_touches(name: str, kind: str) -> None:
    hand = load_hand(name)
    own = hand.grasp_types[kind]
    assert kind in SUITS
    assert own.description
    assert (own.joints >= hand.lower).all()
    assert (own.joints <= hand.upper).all()
    assert self_depths(hand, own.joints[None]).max() <= RUNS_IN + 1e-6
    assert own.contact_prior.min() == 0.0
    assert 0.3 < own.contact_prior.max() <= 1.0
    for finger in hand.finger_names:
        skin = own.contact_prior[hand.skin_finger == hand.finger_names.index(finger)]
        assert hand.holds(kind, finger) == bool((skin > 0).any())


def test_the_papers_set_is_affordposes_five() -> None:
    for name in HAND_NAMES:
        assert tuple(offered_types(load_hand(name).grasp_types, "paper")) == PAPER_TYPES


@pytest.mark.parametrize("name", HAND_NAMES)
def test_a_hook_leaves_the_thumb_out_and_no_other_type_does(name: str) -> None:
    hand = load_hand(name)
    assert [kind for kind in hand.grasp_types if not hand.holds(kind, "thumb")] == ["hook"]
    assert hand.holds("of another hand", "thumb")  # the unknown asks every finger


def _laterally(hand: HandModel) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The thumb's pad and where it looks, and the place on the index finger's side and its normal."""
    q = hand.grasp_types["lateral"].joints
    thumb = hand.pad_names.index("thumb")
    pad, looks = (posed_in_palm(hand, q, what)[thumb] for what in ("pad", "pad_normal"))
    return pad, looks, *posed_flank(hand, "index", q)


@pytest.mark.parametrize("name", HAND_NAMES)
def test_laterally_the_thumb_stands_against_the_side_of_the_index_finger(name: str) -> None:
    hand = load_hand(name)
    pad, looks, point, normal = _laterally(hand)
    assert looks @ normal < -0.8
    assert 0.0 < (pad - point) @ normal < 0.008
    assert np.linalg.norm(pad - point) < 0.02
    own = flank(hand, "index")
    beside = (hand.skin_link == own.link) & (hand.grasp_types["lateral"].contact_prior > 0.5)
    assert beside.any()
    assert (hand.n_link_skin[beside] @ own.normal > 0.2).all()


@pytest.mark.parametrize("name", sorted(EXTRA_HANDS))
def test_other_hands_come_near_to_that(name: str) -> None:
    """Opened as far as need be, and no further: Allegro's coarse thumb once gave a wholly open hand."""
    hand = hand_or_skip(name)
    pad, looks, point, normal = _laterally(hand)
    assert looks @ normal < -0.7
    assert np.linalg.norm(pad - point) < 0.032


@pytest.mark.parametrize("name", HAND_NAMES)
def test_flat_things_and_handles_lie_where_the_fingers_are(name: str) -> None:
    hand = load_hand(name)
    lateral, hook = hand.grasp_types["lateral"], hand.grasp_types["hook"]
    assert lateral.slab is not None
    assert hook.bar is not None
    assert hook.bar.hangs
    pads = posed_in_palm(hand, lateral.joints, "pad")
    assert np.linalg.norm(lateral.slab.point - pads[hand.pad_names.index("thumb")]) < 0.006
    assert abs(lateral.slab.normal @ lateral.slab.out) < 1e-9
    assert lateral.slab.out[0] > 0.8  # away from the wrist
    spheres = posed_in_palm(hand, hook.joints, "sphere")
    gap = np.linalg.norm(spheres - hook.bar.point, axis=1) - hand.sphere_radius
    assert 0.004 < gap.min() < 0.02  # a handle has room, and touches
    assert hook.bar.point[2] > 0.0  # before the palm


@pytest.mark.parametrize("name", HAND_NAMES)
def test_the_index_finger_reaches_over_a_trigger_while_the_others_hold_on(name: str) -> None:
    hand = load_hand(name)
    x = posed_in_palm(hand, hand.grasp_types["index-trigger"].joints, "pad")[:, 0]
    assert x[hand.pad_names.index("index")] > x[hand.pad_names.index("middle")] + 0.01
