"""What a task asks of single fingers, and starts that have them there."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from sim_eval.select.score import finger_lines, measure_aims, through
from tests.objects.test_openings import RING, TUBE, ringed
from tests.refine.things import grasp_on, model_of, pointed_at, shape
from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.hands import load_hand
from zdg_jax.hands.keypoints import crooks, posed_crooks
from zdg_jax.hands.kinematics import base_from_palm, posed
from zdg_jax.objects.free_space import Opening
from zdg_jax.objects.model import ObjectModel
from zdg_jax.pose import IDENTITY
from zdg_jax.refine import RefineConfig
from zdg_jax.refine.aims import AT_POINT, Aims, aimed, aims_of, pinched
from zdg_jax.refine.hypotheses import AIMED, REASONED, hypotheses
from zdg_jax.refine.problem import NEAR_POINT, NO_POINT, build_problem
from zdg_jax.refine.starts import AIMED_NOISE, jittered

HAND = "human16"
#: Of thumb and index finger, on opposite faces of the box, metres.
ON_BOX = np.array([[0.02, 0.02, 0.03], [-0.02, 0.02, 0.03]])


@cache
def ring() -> ObjectModel:
    return ringed(trimesh.creation.torus(RING, TUBE))


def guidance(obj: ObjectModel, points: np.ndarray | None = None) -> ContactGuidance:
    every = np.ones(len(obj.samples.points), bool)
    return ContactGuidance(every, every, points, (1,), (1,))


def initial(kind: str = "handle-grasp") -> InitialGrasp:
    """Beside the ring, the fingers along its axis."""
    R = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]).T
    return InitialGrasp(np.array([0.07, 0.0, 0.0]), R, kind, "right", 0, 0)


def a_disc() -> Opening:
    edge = 0.02 * np.stack([np.cos(np.linspace(0, 6.2, 60)), np.sin(np.linspace(0, 6.2, 60))], axis=1)
    return Opening(
        np.zeros(3), np.array([0.0, 0, 1]), np.eye(3)[:2], np.array([0.04, 0.04]), edge, np.eye(3)[1]
    )


def test_which_tasks_ask_what() -> None:
    obj = ring()
    found = aims_of(obj, guidance(obj), "handle-grasp")
    assert found
    assert found.fingers is not None
    assert found.thumb is None
    assert found.points is None
    assert not aims_of(obj, guidance(obj), "lift")
    # a clamp's jaws are wrapped, not threaded
    assert not aims_of(obj, guidance(obj), "wrap-grasp")
    assert not aims_of(shape("box"), guidance(shape("box")), "handle-grasp")
    points = np.array([[0.03, 0.0, 0.0], [-0.03, 0.0, 0.0]])
    assert aims_of(obj, guidance(obj, points), "handle-grasp").points is points


@pytest.mark.parametrize(("at", "passes"), [((0, 0), True), ((0.015, 0.01), True), ((0.03, 0), False)])
def test_a_line_goes_through_where_it_crosses_the_disc(at: tuple[float, float], passes: bool) -> None:
    line = np.array([[*at, -0.03], [*at, 0.01], [at[0], at[1] + 0.05, 0.02]])
    assert through(a_disc(), line) == passes
    assert through(a_disc(), line[::-1].copy()) == passes  # from either side
    assert not through(a_disc(), line[1:])  # ends before it


def test_lines_are_looked_at_one_by_one() -> None:
    rng = np.random.default_rng(0)
    lines = rng.uniform(-0.03, 0.03, size=(50, 4, 3))
    together = through(a_disc(), lines)
    assert together.tolist() == [bool(through(a_disc(), line)) for line in lines]
    assert 5 < together.sum() < 45


@pytest.mark.slow
def test_a_start_has_its_fingers_in_the_opening() -> None:
    hand, obj = load_hand(HAND), ring()
    aims = aims_of(obj, guidance(obj), "handle-grasp")
    found = aimed(hand, obj, initial(), aims)
    assert found is not None
    pose = base_from_palm(hand, found.initial.p_obj_palm[None], found.initial.R_obj_palm[None])
    assert measure_aims(hand, aims, pose, found.joints[None]).met == pytest.approx(1.0)
    assert measure_aims(hand, aims, pose, found.joints[None]).enclosed.all()
    assert (found.joints >= hand.lower).all()
    assert (found.joints <= hand.upper).all()
    # nowhere else: beside it a metre away nothing is met, and nothing enclosed
    away = pose + np.eye(7)[0]
    assert measure_aims(hand, aims, away, found.joints[None]).met == 0.0
    assert not measure_aims(hand, aims, away, found.joints[None]).enclosed.any()


@pytest.mark.slow
def test_a_start_has_thumb_and_index_at_their_own_points() -> None:
    hand, obj = load_hand(HAND), shape("box")
    grasp = grasp_on(obj)
    assert grasp.initial is not None
    points = ON_BOX
    aims = Aims(points=points)
    found = aimed(hand, obj, grasp.initial, aims)
    assert found is not None
    pose = base_from_palm(hand, found.initial.p_obj_palm[None], found.initial.R_obj_palm[None])
    pads = posed(hand, pose, found.joints[None], "pad")[0]
    for place, point, reach in zip(hand.functional_pads, points, AT_POINT, strict=True):
        assert place is not None
        assert np.linalg.norm(pads[place] - point) < reach
    assert measure_aims(hand, aims, pose, found.joints[None]).met == pytest.approx(1.0)


def test_nothing_asked_is_not_known_and_no_start() -> None:
    hand, obj = load_hand(HAND), shape("box")
    grasp = grasp_on(obj)
    assert grasp.initial is not None
    assert aimed(hand, obj, grasp.initial, Aims()) is None
    pose, q = np.tile(IDENTITY, (2, 1)), np.tile(hand.open_joints, (2, 1))
    assert np.isnan(measure_aims(hand, Aims(), pose, q).met).all()
    broken = measure_aims(hand, Aims(points=np.zeros((2, 3))), pose * np.nan, q).met
    assert (broken == 0.0).all()


def test_it_is_one_of_the_hypotheses_with_little_noise() -> None:
    hand, obj = load_hand(HAND), ring()
    grasp = ReasonedGrasp("lift it", "ok", "", guidance(obj), initial())
    found = hypotheses(hand, obj, grasp, 8, 64)
    assert sum(h.num for h in found) == 64
    (own,) = (h for h in found if h.name == AIMED.name)
    assert own.joints is not None
    pose, joints = jittered(hand, own.initial, 200, 0, RefineConfig(), own.joints)
    wide, _ = jittered(hand, own.initial, 200, 0, RefineConfig())
    assert joints[0] == pytest.approx(own.joints)
    palms = [x[:, :3] + Rotation.from_quat(x[:, [4, 5, 6, 3]]).apply(hand.p_base_palm) for x in (pose, wide)]
    narrow, broad = (np.linalg.norm(p - own.initial.p_obj_palm, axis=1).mean() for p in palms)
    assert narrow == pytest.approx(AIMED_NOISE * broad, rel=1e-6)
    assert AIMED.name not in {h.name for h in hypotheses(hand, obj, grasp, 1, 64)}


@pytest.mark.parametrize("num", [1, 2, 4, 6, 8, 16, 20, 60, 64])
@pytest.mark.parametrize("count", [2, 3, 8, 10])
def test_the_reasoned_grasp_keeps_a_start_however_few_there_are(num: int, count: int) -> None:
    hand, obj = load_hand(HAND), ring()
    found = hypotheses(hand, obj, ReasonedGrasp("lift it", "ok", "", guidance(obj), initial()), count, num)
    assert sum(h.num for h in found) == num
    assert min(h.num for h in found) >= 1
    assert len(found) <= count
    assert found[0].name == REASONED.name


def test_key_points_are_asked_of_thumb_and_index_alone_and_not_by_the_paper() -> None:
    hand, obj = load_hand(HAND), shape("box")
    grasp, points = grasp_on(obj), ON_BOX
    pointed = pointed_at(grasp, points)
    asked = build_problem(hand, obj, pointed, RefineConfig(hypotheses=8)).key_points
    for place, point, near, far in zip(hand.functional_pads, points, NEAR_POINT, AT_POINT, strict=True):
        np.testing.assert_allclose(asked[:3, place], obj.field.R_field_obj @ point)
        assert asked[3, place] == near < far
    others = np.setdiff1d(np.arange(len(hand.pad_names)), hand.functional_pads)
    assert (asked[3, others] == NO_POINT).all()
    for task, config in ((pointed, RefineConfig()), (grasp, RefineConfig(hypotheses=8))):
        assert (build_problem(hand, obj, task, config).key_points[3] == NO_POINT).all()


@pytest.mark.slow
def test_with_key_points_every_hypothesis_starts_there_but_the_grasp_as_it_was_reasoned() -> None:
    hand, obj = load_hand(HAND), shape("box")
    grasp, points = grasp_on(obj), ON_BOX
    pointed = pointed_at(grasp, points)
    found, plain = (hypotheses(hand, obj, g, 8, 64) for g in (pointed, grasp))
    assert sum(h.num for h in found) == 64
    assert found[0].name == REASONED.name
    assert found[0].joints is None
    assert all(h.joints is not None for h in found[1:])
    assert {h.name for h in plain} | {AIMED.name} >= {h.name for h in found}
    assert all(h.joints is None for h in plain)  # as ever without points
    met = []
    for h in found[1:]:
        pose = base_from_palm(hand, h.initial.p_obj_palm[None], h.initial.R_obj_palm[None])
        met.append(measure_aims(hand, Aims(points=points), pose, h.joints[None]).met[0])
    assert np.mean(np.array(met) == 1.0) >= 0.7


@pytest.mark.parametrize("name", ["human16", pytest.param("shadow", marks=pytest.mark.slow)])
def test_crooks_lie_on_their_fingers_and_move_with_the_hand(name: str) -> None:
    hand = load_hand(name)
    assert len(crooks(hand).link) == len(hand.pad_names)
    rng = np.random.default_rng(0)
    q = rng.uniform(hand.lower, hand.upper, size=(3, len(hand.active_names)))
    turn = Rotation.random(random_state=0)
    pose = np.tile(IDENTITY, (3, 1))
    points, along = posed_crooks(hand, pose, q)
    moved = np.tile(np.r_[0.1, 0.2, 0.3, turn.as_quat()[[3, 0, 1, 2]]], (3, 1))
    there, ahead = posed_crooks(hand, moved, q)
    for k in range(3):
        np.testing.assert_allclose(there[k], turn.apply(points[k]) + moved[0, :3], atol=1e-6)
        np.testing.assert_allclose(ahead[k], turn.apply(along[k]), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(along, axis=2), 1.0, atol=1e-6)
    for place, line in enumerate(finger_lines(hand, pose, q).values()):
        a, b = line[:, :-1], line[:, 1:]
        share = np.einsum("nki,nki->nk", points[:, place, None] - a, b - a)
        share = np.clip(share / np.maximum(np.einsum("nki,nki->nk", b - a, b - a), 1e-12), 0, 1)
        nearest = np.linalg.norm(a + share[..., None] * (b - a) - points[:, place, None], axis=2).min(axis=1)
        assert nearest.max() < 0.012


@pytest.mark.slow
@pytest.mark.parametrize("turn", [0.0, 25.0, 160.0])
def test_a_pinch_has_thumb_and_index_on_opposite_faces(turn: float) -> None:
    """Of a cube of 2 cm that the hand meets from above, at some turn, the faces that its fingers cross."""
    hand, cube = load_hand(HAND), model_of(trimesh.creation.box((0.02, 0.02, 0.02)), "cube")
    down = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]).T  # fingers along x, the palm looks down
    R = down @ Rotation.from_euler("z", turn, degrees=True).as_matrix()
    start = InitialGrasp(np.array([0.0, 0.08, 0.0]), R, "pinch", "above", 0, 0)
    points = pinched(hand, cube, start, np.ones(len(cube.samples.points), bool)).points
    assert points is not None
    gap = points[1] - points[0]
    assert abs(gap[1]) < 1e-3  # level
    assert np.linalg.norm(gap) == pytest.approx(0.02, abs=0.004)
    assert gap @ R[:, 0] > 0  # the index is the one beyond
    served = aimed(hand, cube, start, Aims(points=points))
    assert served is not None
    base = base_from_palm(hand, served.initial.p_obj_palm, served.initial.R_obj_palm)
    pads = posed(hand, base[None], served.joints[None], "pad")[0]
    reached = np.linalg.norm(pads[list(hand.functional_pads)] - points, axis=1)
    assert reached.max() < 0.006


def test_what_is_too_wide_for_two_tips_is_not_pinched() -> None:
    hand, box = load_hand(HAND), shape("box")
    grown = replace(box, samples=replace(box.samples, points=2.0 * box.samples.points))
    start = replace(initial("pinch"), p_obj_palm=np.array([0.2, 0.0, 0.0]))
    assert not pinched(hand, grown, start, np.ones(len(box.samples.points), bool))
