from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_eval.select import rank as selection
from tests.sim_eval.select.things import closed_batch, refined_batch
from zdg_jax.grasps import Grasps

NUMBERS = st.floats(0, 10, allow_nan=False, width=32)


def columns(dep: list[float], vol: list[float], dis: list[float], touch: list[bool]) -> dict[str, np.ndarray]:
    return {
        "p_dep_cm": np.array(dep),
        "p_vol_cm3": np.array(vol),
        "sim_dis_cm": np.array(dis),
        "contact_end": np.array(touch),
        "p_dep_object_cm": np.zeros(len(dep)),
    }


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, st.booleans(), NUMBERS), min_size=1, max_size=12))
@settings(max_examples=50)
def test_rank_is_a_permutation_with_the_good_ones_first_by_energy(grasps: list[tuple]) -> None:
    dep, vol, dis, touch, energy = (list(x) for x in zip(*grasps, strict=True))
    table = columns(dep, vol, dis, touch)
    order = selection.rank(table, np.array(energy))
    assert sorted(order) == list(range(len(grasps)))
    good = selection.good(table)[order]
    assert not np.any(~good[:-1] & good[1:])
    assert np.all(np.diff(np.array(energy)[order][good]) >= 0)


def test_good_means_every_limit_and_contact() -> None:
    inside = columns([0.3], [3.0], [2.0], [True])
    assert selection.good(inside).tolist() == [True]
    for name in selection.LIMITS:
        assert not selection.good({**inside, name: inside[name] * 1.01}).any()
        assert not selection.good({**inside, name: np.array([np.nan])}).any()
    assert not selection.good({**inside, "contact_end": np.array([False])}).any()


def test_those_that_fail_follow_by_their_worst_ratio_and_lost_contact_comes_last() -> None:
    table = columns([0.9, 0.1, 0.1, 0.4], [1, 1, 1, 1], [1, 1, 9, 1], [True, False, True, True])
    assert selection.rank(table, np.zeros(4)).tolist() == [3, 0, 2, 1]


def test_among_good_ones_a_pierced_wall_comes_last_but_before_the_others() -> None:
    table = columns([0.1, 0.1, 0.1, 0.5], [1, 1, 1, 1], [1, 1, 1, 1], [True] * 4)
    table["p_dep_object_cm"] = np.array([0.9, 0.6, 0.2, 0.0])
    assert selection.rank(table, np.array([0.0, 1.0, 2.0, 0.0])).tolist() == [2, 1, 0, 3]


def test_a_way_that_is_not_free_is_not_good() -> None:
    inside = columns([0.3], [3.0], [2.0], [True])
    assert not selection.good({**inside, "approach_free": np.array([False])}).any()
    assert selection.good({**inside, "approach_free": np.array([np.nan])}).all()  # not known


def test_shortlist_leaves_out_failures_and_keeps_the_order_of_ties() -> None:
    pose, joints = np.zeros((5, 7)), np.zeros((5, 16))
    energy = [2.0, np.nan, 1.0, 0.5, 1.0]
    grasps = refined_batch(pose, joints, energy, ["ok", "ok", "ok", "refine_nan", "ok"])
    assert selection.shortlist(grasps, 2).tolist() == [2, 4]
    assert selection.shortlist(grasps, 99).tolist() == [2, 4, 0]
    assert selection.shortlist(refined_batch(pose, joints, energy, ["refine_nan"] * 5), 3).tolist() == []


def test_what_a_grasp_lacks_is_said_by_name() -> None:
    inside = columns([0.3], [3.0], [2.0], [True])
    assert not any(lacking.any() for lacking in selection.lacks(inside).values())
    for name, value, why in (
        ("p_dep_cm", 0.4, "too deep in the object"),
        ("sim_dis_cm", 3.0, "dropped by the gravity test"),
        ("self_pen_cm", 0.1, "standing in itself"),
        ("posture_deg", 9.0, "no natural posture"),
        ("thumb_contact", 0.0, "thumb off the object"),
        ("approach_free", 0.0, "not reached freely"),
        ("hold_share", 0.2, "lost in most perturbed tests"),
        ("blocked_share", 0.1, "over what the task needs free"),
    ):
        said = selection.lacks({**inside, name: np.array([value])})
        assert [words for words, lacking in said.items() if lacking.any()] == [why]


def test_a_type_that_leaves_the_thumb_out_is_not_asked_for_it() -> None:
    off = {**columns([0.3], [3.0], [2.0], [True]), "thumb_contact": np.array([False])}
    assert not selection.good(off).any()
    assert selection.good({**off, "thumb_idle": np.array([True])}).all()
    thumbs = closed_batch(2, thumb_contact=np.array([0.0, 1.0]), score=np.array([0.0, 0.5]))
    assert selection.promising(thumbs).tolist() == [1, 0]
    assert selection.promising(thumbs.with_columns({"thumb_idle": np.ones(2, bool)})).tolist() == [0, 1]


def by_hold(made: Grasps) -> np.ndarray:
    """Their order once all were closed on."""
    order = selection.promising(made)
    return order[selection.rank_by_hold(made.take(order))]


def test_the_first_that_hold_are_those_of_all_that_are_closed_on() -> None:
    """In the order of promise, any number of them from the front: no verdict still to come is better."""
    rng = np.random.default_rng(3)
    made = closed_batch(
        40,
        six_force_suc=rng.integers(0, 2, 40).astype(float),
        off_region=rng.choice([0.0, 0.2, 0.6], 40),
        p_dep_cm=rng.choice([0.0, 0.2, 0.4], 40),
        posture_deg=rng.choice([0.0, 9.0], 40),
    ).with_columns({"score": rng.normal(size=40)})
    made = made.take(selection.promising(made))
    everything = selection.rank_by_hold(made)
    for n in range(1, 41):
        front = made.take(np.arange(n))
        found = int(selection.held(front).sum())
        assert selection.rank_by_hold(front)[:found].tolist() == everything[:found].tolist()
    assert found > 5


def test_of_what_holds_the_reasoned_hand_comes_before_one_that_stands_askew() -> None:
    names = np.array(["turned -45", "reasoned", "turned -45", "reasoned", "laid in the hand"], object)
    made = closed_batch(
        5, hypothesis=names, score=np.array([0.0, 1.5, 0.1, 0.9, 9.0]),
        force_closure=np.array([1.0, 0.0, 1.0, 0.0, 1.0]), six_force_suc=np.array([1.0, 1.0, 1.0, 1.0, 0.0]),
        p_vol_cm3=np.zeros(5), sim_dis_cm=np.zeros(5), contact_end=np.ones(5),
    )  # fmt: skip
    assert selection.promising(made).tolist()[:2] == [0, 2]
    assert selection.seemly(made).tolist() == [3, 1, 0, 2, 4]
    lost = made.with_columns({"hold_share": np.array([1.0, 1.0, 1.0, 0.2, 1.0])})
    assert selection.seemly(lost).tolist() == [1, 0, 2, 3, 4]
    better = made.with_columns({"score": np.array([0.0, 2.5, 0.1, 2.2, 9.0])})
    assert selection.seemly(better).tolist() == [0, 2, 3, 1, 4]
    closed = made.with_columns({"apart_cm": np.array([0.0, 3.0, np.nan, 4.0, 0.0])})
    assert selection.seemly(closed).tolist() == [0, 2, 1, 3, 4]
    # a thumb that is far from the index finger counts unless it opposes it across the object
    wide = made.with_columns({"thumb_apart_cm": np.array([0.0, 3.0, 0.0, 9.0, 0.0])})
    assert selection.seemly(wide).tolist() == [0, 2, 1, 3, 4]
    across = wide.with_columns({"opposition": np.array([0.0, -1.0, np.nan, -1.0, 0.0])})
    assert selection.seemly(across).tolist() == [3, 1, 0, 2, 4]
    # from any side, but rather from above the table: 1 cm below 0.5 cm counts 1, and no more than 4
    below = made.with_columns({"under_cm": np.array([-9.0, np.nan, 0.5, 2.0, 0.0])})
    assert selection.seemly(below).tolist() == [1, 0, 2, 3, 4]
    below = made.with_columns({"under_cm": np.array([9.0, 7.0, 7.5, 5.0, 0.0])})
    assert selection.seemly(below).tolist() == selection.seemly(made).tolist()
    curled = made.with_columns({"bent": np.array([0.0, 0.0, 0.0, 1.0, 0.0])})  # a knife's index finger
    assert selection.seemly(curled).tolist() == [1, 0, 2, 3, 4]


def test_around_takes_what_is_turned_furthest_and_firm_before_others() -> None:
    assert selection.around(closed_batch(9), 3).tolist() == [0, 8, 4]
    loose = np.ones(9)
    loose[7:] = 0
    assert selection.around(closed_batch(9, six_force_suc=loose), 3).tolist() == [0, 6, 3]
    assert selection.around(closed_batch(3), 9).tolist() == [0, 2, 1]
    assert selection.around(closed_batch(3, six_force_suc=np.zeros(3)), 2).tolist() == [0, 1]


def test_of_what_holds_no_hypothesis_gives_more_than_three_quarters() -> None:
    names = np.array(["reasoned"] * 6 + ["turned -45"] * 3, object)
    made = closed_batch(9, hypothesis=names)
    assert selection.spread(made, 4).tolist() == [0, 1, 2, 6]
    assert selection.spread(made, 9).tolist() == list(range(9))
    alone = closed_batch(9, hypothesis=np.array(["reasoned"] * 9, object))
    assert selection.spread(alone, 4).tolist() == [0, 1, 2, 3]
    loose = np.ones(9)
    loose[6:] = 0.0  # what does not hold takes no place from what does
    assert selection.spread(closed_batch(9, hypothesis=names, six_force_suc=loose), 4).tolist() == [
        0,
        1,
        2,
        3,
    ]
    assert selection.spread(made.take(np.arange(0)), 4).tolist() == []


def test_of_those_that_hold_one_sum_decides_and_types_are_not_compared() -> None:
    score = np.array([2.0, 1.0, 0.2, 0.9])
    kinds = np.array(["wrap-grasp", "wrap-grasp", "lift", "lift"], object)
    made = closed_batch(4, grasp_type=kinds).with_columns({"score": score})
    assert by_hold(made).tolist() == [1, 2, 3, 0]
    off = np.array([0.0, 0.0, 0.3, 0.0])  # two steps of straying count a unit of energy
    assert by_hold(made.with_columns({"off_region": off})).tolist() == [1, 3, 0, 2]
    covered = np.array([0.0, 0.1, 0.0, 0.0])
    assert by_hold(made.with_columns({"blocked_share": covered})).tolist()[-1] == 1


def test_fingers_where_they_are_asked_come_before_others_that_hold_as_well() -> None:
    made = closed_batch(3).with_columns({"score": np.array([0.0, 1.0, 2.0])})
    met = made.with_columns({"aims_met": np.array([0.2, 1.0, np.nan])})
    assert selection.unaimed(met).tolist() == [True, False, False]
    assert by_hold(met).tolist()[-1] == 0
    assert not selection.unaimed(made).any()  # nothing asked, or an older file
    holds = met.with_columns({"six_force_suc": np.array([True, False, True])})
    assert by_hold(holds).tolist() == [2, 0, 1]


def test_pads_at_their_points_come_before_all_that_hold_and_nobody_is_moved_without_points() -> None:
    made = closed_batch(4).with_columns({"score": np.array([0.0, 1.0, 2.0, 3.0])})
    assert not selection.off_point(made).any()  # none reasoned, or an older file
    unknown = {name: np.full(4, np.nan) for name in ("thumb_point_cm", "index_point_cm")}
    assert by_hold(made.with_columns(unknown)).tolist() == by_hold(made).tolist()
    at = {"thumb_point_cm": np.array([1.6, 1.5, 0.0, 0.2]), "index_point_cm": np.array([0.0, 1.0, 1.1, 0.3])}
    pointed = made.with_columns(at)
    assert selection.off_point(pointed).tolist() == [True, False, True, False]
    assert by_hold(pointed).tolist() == [1, 3, 0, 2]
    loose = pointed.with_columns({"six_force_suc": np.array([True, False, True, True])})
    assert by_hold(loose).tolist() == [3, 1, 0, 2]
    none = pointed.with_columns({"six_force_suc": np.array([True, False, True, False])})  # there nobody holds
    assert by_hold(none).tolist() == [0, 2, 1, 3]


def test_a_third_of_the_candidates_has_its_pads_elsewhere_as_far_as_there_are_any() -> None:
    made = closed_batch(12).with_columns({"score": np.arange(12.0)})
    for elsewhere, there in ((6, 4), (1, 5), (0, 6), (11, 1)):
        far = np.where(np.arange(12) < elsewhere, 5.0, 0.1)
        found = selection.candidates(made.with_columns({"index_point_cm": far}), 6)
        assert len(set(found)) == 6
        assert (far[found] < 1.0).sum() == there


def test_a_hand_that_stands_in_the_object_does_not_hold_it() -> None:
    """A thumb 0.97 cm in a hammer's handle withstood six forces and was kept."""
    deep = np.array([0.97, 0.2, 0.0, 0.0])
    made = closed_batch(4, p_dep_cm=deep, six_force_suc=np.array([1.0, 1.0, 1.0, 0.0]))
    assert selection.held(made).tolist() == [False, True, True, False]
    made = made.with_columns({"score": np.array([0.0, 1.0, 2.0, 3.0])})
    assert by_hold(made).tolist()[:2] == [
        2,
        1,
    ]  # one below the limit comes after those not deep


def test_what_lies_in_the_hand_as_its_type_says_comes_first_where_it_holds() -> None:
    names = np.array(["tilted 45", "laid in the hand", "reasoned"], object)
    made = closed_batch(3, hypothesis=names)
    assert selection.unlaid(made).tolist() == [True, False, True]
    loose = closed_batch(3, hypothesis=names, six_force_suc=np.array([1.0, 0.0, 1.0]))
    assert not selection.unlaid(loose).any()
    assert not selection.unlaid(closed_batch(3)).any()
