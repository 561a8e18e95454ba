"""Plans of things that a strict judge found held on the wrong side, or by the wrong part."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reasoning.offline_things import X, Y, Z, part, thing
from tests.reasoning.test_offline_kinds import approach, turn
from zdg_jax.reasoning.protocol import ObservedObject
from zdg_jax.reasoning.rules.task_plan import make_plan


def dispenser() -> ObservedObject:
    """A bottle, the head of its pump and the spout."""
    return thing(
        (0.093, 0.177, 0.076),
        Y,
        (0.179, 0.076, 0.073),
        part(1, (-0.008, -0.03, 0.0), Y, (0.14, 0.075, 0.075), 0.064, 0.885),
        part(2, (-0.009, 0.077, 0.0), Y, (0.038, 0.034, 0.033), 0.02, 0.083, near=(1, 3)),
        part(3, (0.027, 0.079, 0.0), X, (0.042, 0.015, 0.013), 0.009, 0.032, near=(2,)),
    )


def test_soap_in_a_bottle_is_held_by_it_its_pump_is_pressed_from_above_and_a_bar_of_it_is_held() -> None:
    plan = make_plan("use the soap", None, dispenser())
    assert (plan.thing, plan.holds[0]) == ("soap dispenser", (1,))
    assert abs(approach(dispenser(), "use the soap", 1, "soap dispenser")[1]) < 0.3
    assert make_plan("press the pump", None, dispenser()).holds[0] == (2,)
    assert approach(dispenser(), "press the pump", 2, "soap dispenser")[1] > 0.9
    size = (0.09, 0.06, 0.025)
    bar = thing((0.09, 0.025, 0.06), X, size, part(1, (0.0, 0.0, 0.0), X, size, 0.025, 1.0))
    assert make_plan("use the soap", None, bar).thing == "soap"


def test_a_thick_remote_is_one_by_what_is_done_with_it() -> None:
    thick = thing(
        (0.047, 0.021, 0.191),
        Z,
        (0.191, 0.047, 0.021),
        part(1, (0.0, 0.0, 0.0), Z, (0.098, 0.044, 0.021), 0.023, 0.48),
        part(2, (0.0, 0.0, -0.072), Z, (0.05, 0.047, 0.023), 0.023, 0.26),
        part(3, (0.0, 0.0, 0.072), Z, (0.049, 0.047, 0.022), 0.023, 0.26),
    )
    plan = make_plan("change the channel", None, thick)
    assert (plan.thing, plan.holds[0]) == ("remote", (1,))
    assert approach(thick, "change the channel", 1, "remote")[1] < -0.5  # the thumb has the buttons
    assert make_plan("lift it", None, thick).thing == "rod"


def test_a_fist_is_around_a_lighter_from_the_side_with_its_flame_at_the_thumb() -> None:
    opened = thing(
        (0.049, 0.054, 0.015),
        Y,
        (0.06, 0.045, 0.015),
        part(1, (0.0, -0.002, -0.001), (0.52, 0.85, 0.0), (0.059, 0.055, 0.012), 0.014, 0.94),
        part(2, (0.015, 0.019, 0.005), X, (0.011, 0.01, 0.007), 0.009, 0.06),
    )
    way = approach(opened, "light the candle", 1, "lighter")
    assert abs(way[1]) < 0.5
    assert turn(opened, "light the candle", 1, way, "lighter")[1][1] > 0.7


@pytest.mark.parametrize("up", [1.0, -1.0])
def test_the_palm_is_behind_a_toothbrush_and_the_bristles_look_ahead_of_it(up: float) -> None:
    brush = thing(
        (0.185, 0.017, 0.015),
        X,
        (0.185, 0.019, 0.015),
        part(1, (-0.032, 0.001 * up, 0.0), (0.999, 0.04 * up, 0.0), (0.128, 0.015, 0.012), 0.012, 0.55),
        part(2, (0.071, 0.0005 * up, 0.0), (0.995, 0.1 * up, 0.0), (0.059, 0.019, 0.013), 0.003, 0.45),
    )
    way = approach(brush, "brush your teeth", 1, "toothbrush")
    assert way[1] * up < -0.9
    assert turn(brush, "brush your teeth", 1, way, "toothbrush")[1][0] > 0.9


def test_a_stapler_lies_in_the_hand_with_its_base() -> None:
    stapler = thing(
        (0.146, 0.054, 0.03),
        X,
        (0.146, 0.054, 0.03),
        part(1, (-0.01, 0.004, 0.0), (0.98, 0.22, 0.0), (0.151, 0.045, 0.03), 0.028, 0.68),
        part(2, (0.015, -0.022, 0.0), X, (0.115, 0.03, 0.015), 0.011, 0.32),
    )
    plan = make_plan("staple the sheets", None, stapler)
    assert (plan.thing, plan.holds[0]) == ("stapler", (1, 2))
    way = approach(stapler, "staple the sheets", 1, "stapler")
    assert way[1] > 0.9
    assert abs(turn(stapler, "staple the sheets", 1, way, "stapler")[0][2]) > 0.9


def test_a_suitcase_is_carried_by_its_short_handle_and_pulled_by_its_bar() -> None:
    trolley = thing(
        (0.422, 0.808, 0.152),
        Y,
        (0.808, 0.422, 0.152),
        part(1, (0.0, -0.153, 0.0), Y, (0.52, 0.42, 0.152), 0.17, 0.92, near=(2, 3)),
        part(2, (0.0, 0.309, -0.044), Y, (0.35, 0.33, 0.024), 0.014, 0.06, hole=0.229, near=(1,)),
        part(3, (0.0, 0.12, 0.0), X, (0.19, 0.056, 0.024), 0.017, 0.017, hole=0.027, near=(1,)),
    )
    assert make_plan("carry the suitcase", None, trolley).holds[0] == (3,)
    assert make_plan("pull the suitcase", None, trolley).holds[0] == (2,)
    assert make_plan("hand me the suitcase", None, trolley).holds[0] == (1,)


@pytest.mark.parametrize("up", [1.0, -1.0])
def test_a_wheel_of_a_valve_is_held_with_the_palm_over_its_hub(up: float) -> None:
    spoke = (0.07, 0.05, 0.03)
    valve = thing(
        (0.16, 0.122, 0.1),
        X,
        (0.16, 0.122, 0.1),
        part(1, (0.0, -0.03 * up, 0.0), X, (0.16, 0.07, 0.06), 0.042, 0.7, near=(2, 3)),
        part(2, (0.02, 0.05 * up, 0.0), Z, spoke, 0.012, 0.15, hole=0.019, near=(1, 3)),
        part(3, (-0.02, 0.05 * up, 0.0), Z, spoke, 0.012, 0.15, hole=0.019, near=(1, 2)),
    )
    plan = make_plan("close the valve", None, valve)
    assert set(plan.holds[0]) == {2, 3}
    assert np.sign(up) * approach(valve, "close the valve", 2, "valve")[1] > 0.9
