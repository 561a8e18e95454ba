"""Plans of kinds that a person takes in a way of their own: which side, which fingers, where along it."""

from __future__ import annotations

import pytest

from tests.reasoning import offline_things as t
from tests.reasoning.offline_things import X, Y, Z, part, thing
from tests.reasoning.test_offline_kinds import approach, turn
from zdg_jax.reasoning.rules.task_plan import make_plan

TYPES = ("handle-grasp", "wrap-grasp", "lift", "tripod", "index-trigger")


@pytest.mark.parametrize("up", [1.0, -1.0])
def test_the_palm_is_behind_a_hair_brush_and_the_bristles_look_ahead_of_it(up: float) -> None:
    brush = thing(
        (0.22, 0.03, 0.06),
        X,
        (0.22, 0.06, 0.03),
        part(1, (0.06, 0.004 * up, 0.0), X, (0.12, 0.06, 0.03), 0.014, 0.7),
        part(2, (-0.06, 0.0, 0.0), X, (0.1, 0.025, 0.019), 0.019, 0.3),
    )
    way = approach(brush, "brush your hair", 2, "hair brush")
    assert way[1] * up < -0.9
    _, thumb = turn(brush, "brush your hair", 2, way, "hair brush")
    assert thumb[0] > 0.9  # towards the head, along its back


def test_the_index_finger_lies_along_a_razor() -> None:
    razor = thing(
        (0.147, 0.03, 0.043),
        X,
        (0.147, 0.043, 0.02),
        part(1, (-0.014, 0.006, 0.0), X, (0.128, 0.017, 0.016), 0.013, 0.61),
        part(2, (0.065, -0.006, 0.0), Z, (0.043, 0.029, 0.016), 0.01, 0.39),
    )
    plan = make_plan("shave", "razor", razor, TYPES)
    assert (plan.holds[0], plan.rule.finer) == ((1,), "index-extension")


def test_all_of_a_spoon_s_handle_is_a_pen() -> None:
    spoon = thing(
        (0.175, 0.023, 0.041),
        X,
        (0.175, 0.041, 0.02),
        part(1, (0.064, -0.005, 0.0), X, (0.045, 0.041, 0.012), 0.002, 0.52),
        part(2, (0.005, 0.005, 0.0), X, (0.089, 0.031, 0.011), 0.004, 0.28),
        part(3, (-0.067, 0.005, 0.0), X, (0.045, 0.019, 0.005), 0.003, 0.2),
    )
    plan = make_plan("eat the soup", "spoon", spoon, TYPES)
    assert (plan.holds[0], plan.rule.finer) == ((2, 3), "tripod")
    assert plan.parts_of(plan.rule.free) == (1,)


def test_a_hand_comes_to_binoculars_from_the_right_and_goes_over_the_top() -> None:
    glasses = thing(
        (0.124, 0.059, 0.119),
        X,
        (0.124, 0.119, 0.059),
        part(1, (0.0, 0.0, -0.005), (0.87, 0.0, -0.5), (0.14, 0.12, 0.058), 0.048, 0.8, near=(2, 3)),
        part(2, (0.034, 0.0, 0.052), Y, (0.057, 0.057, 0.014), 0.01, 0.1, near=(1,)),
        part(3, (-0.034, 0.0, 0.052), Y, (0.057, 0.057, 0.014), 0.01, 0.1, near=(1,)),
    )
    plan = make_plan("look at the birds", "binoculars", glasses)
    assert plan.holds[0] == (1,)
    assert plan.parts_of(plan.rule.free) == (2, 3)
    way = approach(glasses, "look at the birds", 1, "binoculars")
    assert way[0] < -0.9  # the right of who looks along +z
    fingers, _ = turn(glasses, "look at the birds", 1, way, "binoculars")
    assert fingers[1] > 0.9


def test_a_glue_gun_s_stick_is_no_trigger() -> None:
    used = make_plan("glue the wood", "glue gun", t.glue_gun(), TYPES)
    assert (used.holds[0], used.rule.finer) == ((2,), "index-trigger")
    assert not used.parts_of(("trigger",))
    bottle = make_plan("hand it over", "spray bottle", t.spray_bottle())
    assert bottle.parts_of(("trigger",))  # who hands it over keeps off it, wherever it is


def test_a_watering_can_is_held_by_the_upper_part_of_its_handle() -> None:
    can = thing(
        (0.363, 0.22, 0.157),
        X,
        (0.37, 0.22, 0.157),
        part(1, (0.03, -0.05, 0.0), X, (0.22, 0.18, 0.157), 0.045, 0.6, near=(2, 3, 4, 5)),
        part(2, (0.04, -0.02, 0.0), Y, (0.117, 0.1, 0.087), 0.035, 0.2, concave=True, near=(1, 4)),
        part(3, (-0.14, 0.05, 0.0), (-0.56, 0.83, 0.0), (0.154, 0.056, 0.056), 0.024, 0.09, near=(1,)),
        part(4, (0.07, 0.08, 0.0), X, (0.196, 0.088, 0.02), 0.016, 0.08, hole=0.055, near=(1, 2, 5)),
        part(
            5, (0.14, -0.02, 0.0), (0.6, 0.8, 0.0), (0.096, 0.025, 0.02), 0.016, 0.03, hole=0.042, near=(1, 4)
        ),
    )
    for task in ("water the flowers", "sprinkle the seed bed", "carry it outside"):
        assert make_plan(task, "watering can", can).holds[0] == (4,)
    assert 4 in make_plan("hand it over", "watering can", can).parts_of(("upper_loop",))
