from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_eval.select import rank as selection
from tests.sim_eval.select.things import refined_batch

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
