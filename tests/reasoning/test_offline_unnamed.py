"""The offline reasoner where no word names the thing: shape and everyday verbs tell what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from tests.reasoning import offline_questions as asked
from tests.reasoning import offline_things as t
from tests.reasoning.offline_things import X, Y, Z, dustpan, part, thing
from zdg_jax.reasoning.protocol import ObservedObject, Question, Vec3
from zdg_jax.reasoning.rules.affordances import load_table
from zdg_jax.reasoning.rules.language import Lexicon, read_task
from zdg_jax.reasoning.rules.reasoner import RulesReasoner
from zdg_jax.reasoning.rules.task_plan import make_plan
from zdg_jax.reasoning.stages.rotation import RotationObservations

LEXICON = Lexicon.of(load_table())


def bucket() -> ObservedObject:
    """Wall, inside, and a bail over the opening, whose hole is the opening's own."""
    return thing(
        (0.28, 0.34, 0.27),
        Y,
        (0.34, 0.28, 0.27),
        part(1, (0.0, -0.06, 0.0), X, (0.28, 0.27, 0.23), 0.005, 0.51),
        part(2, (0.0, -0.065, 0.0), X, (0.27, 0.25, 0.23), 0.005, 0.45, concave=True),
        part(3, (0.0, 0.14, 0.0), X, (0.27, 0.11, 0.028), 0.028, 0.04),
    )


def standing_drill() -> ObservedObject:
    """On its battery: the body above, its chuck at +x, the grip between them."""
    return thing(
        (0.275, 0.197, 0.068),
        X,
        (0.275, 0.197, 0.068),
        part(1, (0.0, 0.065, 0.0), X, (0.275, 0.069, 0.063), 0.065, 0.54, near=(3,)),
        part(2, (-0.05, -0.08, 0.0), X, (0.109, 0.068, 0.042), 0.051, 0.3, near=(3,)),
        part(3, (-0.04, -0.01, 0.0), (0.4, 0.917, 0.0), (0.119, 0.061, 0.04), 0.036, 0.16, near=(1, 2)),
    )


def pliers() -> ObservedObject:
    """Lying: two levers to -x, each with its jaw at +x."""
    return thing(
        (0.19, 0.014, 0.062),
        X,
        (0.19, 0.062, 0.011),
        part(1, (-0.016, 0.0, -0.016), X, (0.157, 0.027, 0.014), 0.012, 0.44),
        part(2, (-0.028, 0.0, 0.018), X, (0.147, 0.024, 0.011), 0.012, 0.37),
        part(3, (0.07, 0.0, 0.007), X, (0.052, 0.012, 0.010), 0.009, 0.11),
        part(4, (0.075, 0.0, -0.007), X, (0.042, 0.010, 0.009), 0.009, 0.08),
    )


def toothbrush() -> ObservedObject:
    """Lying: a bar at -x, and at +x bristles that are as wide as it and no bar."""
    return thing(
        (0.192, 0.019, 0.014),
        X,
        (0.191, 0.015, 0.013),
        part(1, (-0.037, -0.003, 0.0), X, (0.119, 0.014, 0.012), 0.012, 0.52),
        part(2, (0.07, 0.001, 0.0), X, (0.073, 0.018, 0.013), 0.003, 0.48),
    )


def wine_glass() -> ObservedObject:
    return thing(
        (0.074, 0.19, 0.074),
        Y,
        (0.19, 0.074, 0.074),
        part(1, (0.0, 0.05, 0.0), Y, (0.09, 0.074, 0.074), 0.003, 0.38),
        part(2, (0.0, 0.05, 0.0), Y, (0.086, 0.07, 0.07), 0.003, 0.36, concave=True),
        part(3, (0.0, -0.09, 0.0), X, (0.067, 0.067, 0.01), 0.004, 0.15),
        part(4, (0.0, -0.04, 0.0), Y, (0.08, 0.012, 0.012), 0.009, 0.05),
    )


def screwdriver() -> ObservedObject:
    return thing(
        (0.2, 0.03, 0.03),
        X,
        (0.2, 0.03, 0.03),
        part(1, (-0.05, 0.0, 0.0), X, (0.1, 0.03, 0.03), 0.03, 0.75),
        part(2, (0.05, 0.0, 0.0), X, (0.1, 0.007, 0.007), 0.006, 0.25),
    )


def broom() -> ObservedObject:
    """Standing on its bristles."""
    return thing(
        (0.35, 1.4, 0.08),
        Y,
        (1.4, 0.35, 0.08),
        part(1, (0.0, 0.15, 0.0), Y, (1.1, 0.025, 0.025), 0.025, 0.45),
        part(2, (0.0, -0.6, 0.0), X, (0.35, 0.2, 0.08), 0.01, 0.55),
    )


def phone() -> ObservedObject:
    """Lying on its back: screen, back, and the band of its edges."""
    return thing(
        (0.072, 0.01, 0.15),
        Z,
        (0.15, 0.072, 0.01),
        part(1, (0.0, 0.0045, 0.0), Z, (0.149, 0.069, 0.002), 0.01, 0.44, near=(3,)),
        part(2, (0.0, -0.004, 0.0), Z, (0.149, 0.07, 0.003), 0.01, 0.42, near=(3,)),
        part(3, (0.0, 0.0003, 0.0), Z, (0.15, 0.073, 0.006), 0.014, 0.14, near=(1, 2)),
    )


def remote() -> ObservedObject:
    """Lying, in thirds."""
    return thing(
        (0.053, 0.02, 0.191),
        Z,
        (0.191, 0.053, 0.02),
        part(1, (0.0, 0.0, 0.0), Z, (0.096, 0.05, 0.02), 0.021, 0.48),
        part(2, (0.0, 0.0, -0.072), X, (0.053, 0.048, 0.02), 0.021, 0.26),
        part(3, (0.0, 0.0, 0.072), X, (0.053, 0.048, 0.02), 0.021, 0.26),
    )


def pot() -> ObservedObject:
    """Wall, inside, and a small loop at either side below the rim."""
    return thing(
        (0.28, 0.1, 0.2),
        X,
        (0.26, 0.2, 0.1),
        part(1, (0.0, -0.014, 0.0), X, (0.2, 0.2, 0.1), 0.004, 0.5, near=(2, 3, 4)),
        part(2, (0.0, -0.012, 0.0), X, (0.19, 0.19, 0.094), 0.004, 0.44, concave=True, near=(1,)),
        part(3, (0.12, 0.032, 0.0), Z, (0.12, 0.063, 0.012), 0.011, 0.03, hole=0.028, near=(1,)),
        part(4, (-0.12, 0.032, 0.0), Z, (0.12, 0.063, 0.012), 0.011, 0.03, hole=0.028, near=(1,)),
    )


def spoon() -> ObservedObject:
    """Lying: bowl to +x, neck and handle in the middle, the handle's end at -x."""
    return thing(
        (0.151, 0.024, 0.029),
        X,
        (0.15, 0.027, 0.017),
        part(1, (0.055, -0.006, 0.0), X, (0.039, 0.029, 0.013), 0.002, 0.47),
        part(2, (0.004, 0.005, 0.0), X, (0.077, 0.024, 0.011), 0.004, 0.32),
        part(3, (-0.057, 0.005, 0.0), X, (0.042, 0.016, 0.005), 0.003, 0.21),
    )


def spoon_in_shells() -> ObservedObject:
    """Lying: its handle to +x, its bowl at -x in an upper and a lower shell and a tip."""
    return thing(
        (0.19, 0.02, 0.04),
        X,
        (0.19, 0.04, 0.02),
        part(1, (0.04, 0.0, 0.0), X, (0.104, 0.018, 0.014), 0.014, 0.5),
        part(2, (-0.045, 0.006, 0.0), X, (0.067, 0.042, 0.009), 0.001, 0.26),
        part(3, (-0.07, -0.004, 0.0), Z, (0.041, 0.038, 0.007), 0.002, 0.2),
        part(4, (-0.09, -0.004, 0.0), Z, (0.022, 0.016, 0.006), 0.006, 0.04),
    )


def camera() -> ObservedObject:
    """Standing, its lens to +z."""
    return thing(
        (0.12, 0.095, 0.065),
        X,
        (0.124, 0.097, 0.071),
        part(1, (0.0, 0.0, -0.008), X, (0.124, 0.097, 0.06), 0.049, 0.94),
        part(2, (-0.005, -0.015, 0.029), X, (0.056, 0.04, 0.007), 0.014, 0.06),
    )


def binoculars() -> ObservedObject:
    """Lying, two barrels along z with a bridge between them, both ends rings."""
    return thing(
        (0.112, 0.047, 0.105),
        X,
        (0.112, 0.112, 0.046),
        part(1, (-0.033, 0.0, -0.01), Z, (0.093, 0.045, 0.045), 0.039, 0.36, near=(3, 4)),
        part(2, (0.033, 0.0, -0.002), Z, (0.087, 0.052, 0.045), 0.04, 0.31, near=(3, 5)),
        part(3, (0.0, 0.004, 0.0), Z, (0.057, 0.033, 0.023), 0.019, 0.09, near=(1, 2)),
        part(4, (-0.032, 0.0, 0.047), X, (0.047, 0.047, 0.013), 0.008, 0.12, near=(1,)),
        part(5, (0.032, 0.0, 0.047), X, (0.047, 0.047, 0.013), 0.008, 0.12, near=(2,)),
    )


def rolling_pin() -> ObservedObject:
    return thing(
        (0.435, 0.054, 0.054),
        X,
        (0.435, 0.054, 0.054),
        part(1, (0.0, 0.0, 0.0), X, (0.249, 0.054, 0.054), 0.054, 0.8, near=(2, 3)),
        part(2, (0.172, 0.0, 0.0), X, (0.093, 0.023, 0.023), 0.021, 0.1, near=(1,)),
        part(3, (-0.172, 0.0, 0.0), X, (0.093, 0.023, 0.023), 0.021, 0.1, near=(1,)),
    )


Thing = Callable[[], ObservedObject]


@pytest.mark.parametrize(
    ("made", "task", "told", "held"),
    [
        (bucket, "carry the water", "bucket", (3,)),
        (bucket, "pick it up", "top_handle", (3,)),
        (standing_drill, "make a hole in the wall", "drill", (3,)),
        (standing_drill, "lift it", "pistol", (3,)),
        (pliers, "pull the nail", "pliers", (1, 2)),
        (pliers, "use it", "squeezer", (1, 2)),
        (toothbrush, "brush your teeth", "toothbrush", (1,)),
        (wine_glass, "drink the wine", "wine glass", (4,)),
        (wine_glass, "take the glass", "wine glass", (4,)),
        (wine_glass, "lift it", "stemmed", (4,)),
        (screwdriver, "open the can", "stick_tool", (1,)),
        (screwdriver, "pull the nail out", "stick_tool", (1,)),
        (broom, "clean the floor", "broom", (1,)),
        (t.umbrella, "hold it up", "hooked", (4,)),
        (t.umbrella, "stay dry", "umbrella", (3,)),
        (t.mug, "take the cup", "teacup", (2,)),
        (bucket, "collect the eggs", "basket", (3,)),
        (t.hammer, "knock in a peg", "mallet", (1,)),
        (t.knife, "make the bread into slices", "knife", (1,)),
        (t.saw, "saw the plank", "saw", (2,)),
        (t.saw, "use it", "blade_tool", (2,)),
        (phone, "make a call", "phone", (2, 3)),
        (phone, "use it", "device", (2, 3)),
        (remote, "switch the channel", "remote", (1,)),
        (pot, "move it off the stove", "pan", (3,)),
        (spoon, "stir the tea", "spoon", (2, 3)),
        (spoon_in_shells, "eat soup", "spoon", (1,)),
        (dustpan, "scoop up the dust", "dustpan", (2,)),
        (camera, "take a picture", "camera", (1,)),
        (binoculars, "look at the birds", "binoculars", (1,)),
        (rolling_pin, "roll out the dough", "rolling pin", (2,)),
        (t.mouse, "click on the link", "mouse", (1, 2, 3)),
        (t.keyboard, "move it aside", "device", (1, 2, 3)),
        (t.comb, "tidy your hair", "comb", (2,)),
        (t.door_handle, "open the door", "door handle", (2,)),
        (t.door_handle, "use it", "fixture", (2,)),
        (t.game_controller, "play the new game", "game controller", (3,)),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_what_it_is_and_where_it_is_held(made: Thing, task: str, told: str, held: tuple[int, ...]) -> None:
    plan = make_plan(task, None, made())
    assert (plan.thing, plan.holds[0]) == (told, held)


@pytest.mark.parametrize("made", [t.hammer, t.mug, t.bowl, t.bottle, t.banana, t.scissors, t.plate, pliers])
def test_what_the_user_calls_it_is_meant_as_it_stands(made: Thing) -> None:
    for name in ("glass", "can", "cup", "nail", "egg"):
        plan = make_plan("pull the nail to open the can", name, made())
        assert plan.thing == LEXICON.class_of[name]


def test_a_word_after_where_says_nothing_of_the_thing() -> None:
    assert "brush" not in read_task("leave it near the sink", None, LEXICON).hints
    assert "brush" in read_task("do the sink", None, LEXICON).hints


def test_a_noun_that_is_worked_on_is_a_hint_and_no_name() -> None:
    reading = read_task("cut the banana", None, LEXICON)
    assert reading.named == ()
    assert reading.hints["banana"] < 4.0
    assert make_plan("cut the banana", None, t.banana()).thing == "banana"
    assert make_plan("cut the banana", None, t.knife()).thing != "banana"
    # what is filled is rather not what is held, and what does it is a vessel
    reading = read_task("fill the glasses", None, LEXICON)
    assert not reading.named
    assert max(reading.hints, key=lambda name: reading.hints[name]) == "pitcher"
    reading = read_task("fill the watering can", None, LEXICON)
    assert max(reading.hints, key=lambda name: reading.hints[name]) == "watering can"


def test_how_an_object_lies_does_not_part_its_levers() -> None:
    obj = pliers()
    turned = obj.model_copy(update={"parts": tuple(reversed(obj.parts))})
    assert make_plan("use it", None, turned).holds[0] == make_plan("use it", None, obj).holds[0]


def test_the_top_of_a_box_is_no_bow_over_it() -> None:
    tall = thing(
        (0.072, 0.213, 0.164), Y, (0.21, 0.164, 0.072),
        part(1, (0.0, -0.005, 0.0), Y, (0.21, 0.164, 0.072), 0.072, 0.82),
        part(2, (0.0, -0.105, 0.0), Z, (0.161, 0.066, 0.008), 0.008, 0.09),
        part(3, (0.0, 0.1, 0.0), Z, (0.162, 0.064, 0.005), 0.005, 0.09),
    )  # fmt: skip
    plan = make_plan("lift it", None, tall)
    assert (plan.thing, plan.holds[0]) == ("block", (1, 2, 3))


def cuboid(x: float, y: float, z: float) -> ObservedObject:
    big, middle, small = sorted((x, y, z), reverse=True)
    return thing(
        (x, y, z), X, (big, middle, small), part(1, (0.0, 0.0, 0.0), X, (big, middle, small), small, 1.0)
    )


@pytest.mark.parametrize(
    ("size", "task", "grasp"),
    [
        ((0.063, 0.024, 0.032), "pick up the brick", "lift"),
        ((0.05, 0.045, 0.045), "take the apple", "lift"),
        ((0.05, 0.045, 0.045), "eat it", "lift"),
        ((0.075, 0.07, 0.07), "take the apple", "wrap-grasp"),
        ((0.11, 0.04, 0.045), "pick up the brick", "wrap-grasp"),
    ],
)
def test_what_a_hand_would_hide_is_for_the_fingertips(size, task: str, grasp: str) -> None:
    assert make_plan(task, None, cuboid(*size)).rule.grasp == grasp


@pytest.mark.parametrize("task", ["open it", "open the box", "pour it", "pour the sugar"])
def test_what_opens_at_the_top_is_held_from_the_side(task: str) -> None:
    plan = make_plan(task, None, cuboid(0.09, 0.035, 0.09))
    assert plan.rule.approach["side"] > 0
    assert plan.rule.approach.get("up", 0.0) <= 0
    assert make_plan("lift it", None, cuboid(0.09, 0.035, 0.09)).rule.approach["up"] > 0


@pytest.mark.parametrize(
    ("made", "task", "free"),
    [
        (phone, "make a call", (1,)),
        (camera, "take a picture", (2,)),
        (binoculars, "look at the birds", (4, 5)),
    ],
)
def test_what_the_task_looks_through_or_at_stays_free(made: Thing, task: str, free: tuple[int, ...]) -> None:
    plan = make_plan(task, None, made())
    assert tuple(sorted(plan.parts_of(plan.rule.free))) == free


def _best(question: Question) -> str:
    """The direction, or the number of the turn, that is answered."""
    answer = asyncio.run(RulesReasoner().ask(question)).value
    return answer.direction if question.stage == "direction" else str(answer.rotation)


def _approach(obj: ObservedObject, task: str, held: int) -> Vec3:
    return asked.eighteen()[_best(asked.direction_question(obj, task, held))]


def _turn(obj: ObservedObject, task: str, held: int, approach: Vec3) -> tuple[Vec3, Vec3]:
    """Where the fingers and the thumb side point."""
    question = asked.rotation_question(obj, task, held, approach)
    facts, best = question.observations, int(_best(question))
    assert isinstance(facts, RotationObservations)
    return facts.finger_directions[best], facts.thumb_directions[best]


def test_a_phone_lies_in_the_palm_below_its_screen() -> None:
    assert _approach(phone(), "make a call", 3)[1] < -0.9


def test_a_book_is_too_wide_to_lie_in_the_palm() -> None:
    assert make_plan("read the story", None, cuboid(0.14, 0.02, 0.21)).rule.approach["side"] > 0
    assert make_plan("use it", None, cuboid(0.07, 0.015, 0.15)).rule.approach["up"] < 0


def test_a_camera_is_held_by_its_right_side_with_the_fingers_in_front() -> None:
    approach = _approach(camera(), "take a picture", 1)
    assert approach[0] < -0.9  # the right of who looks along +z
    fingers, thumb = _turn(camera(), "take a picture", 1, approach)
    assert fingers[2] > 0.9
    assert thumb[1] > 0.9


def test_the_thumb_is_towards_the_roll() -> None:
    assert _turn(rolling_pin(), "roll out the dough", 2, Y)[1][0] < -0.9


def test_a_mouse_lies_under_the_palm_its_slope_under_the_fingers() -> None:
    approach = _approach(t.mouse(), "click on the link", 1)
    assert approach[1] > 0.7
    assert _turn(t.mouse(), "click on the link", 1, approach)[0][0] > 0.7


def test_a_keyboard_is_taken_at_a_long_edge_with_the_thumb_on_top() -> None:
    rule = make_plan("move it aside", None, t.keyboard()).rule
    assert min(rule.approach["side"], rule.approach["across"]) > 0
    assert _turn(t.keyboard(), "move it aside", 1, Z)[0][1] < -0.9


def test_a_door_handle_is_taken_from_in_front_of_its_plate() -> None:
    approach = _approach(t.door_handle(), "open the door", 2)
    assert min(approach[1], approach[2]) > 0.5
    fingers, _ = _turn(t.door_handle(), "open the door", 2, approach)
    assert fingers[2] < -0.5  # over it, towards the plate


def test_a_game_controller_is_held_the_right_way_up_by_its_right_grip() -> None:
    approach = _approach(t.game_controller(), "play the new game", 3)
    assert approach[0] > 0.6
    fingers, thumb = _turn(t.game_controller(), "play the new game", 3, approach)
    assert fingers[2] < -0.8  # past it, from the player
    assert thumb[1] > 0.8  # above, at the sticks


@pytest.mark.parametrize("back", [Z, (0.0, 0.0, -1.0)])
def test_a_knife_is_held_from_the_side_of_its_back(back: Vec3) -> None:
    made = t.knife()
    thin = min(made.parts, key=lambda p: p.thickness)
    told = [p.model_copy(update={"straight": back}) if p is thin else p for p in made.parts]
    handle = next(p for p in made.parts if p is not thin)
    knife = made.model_copy(update={"parts": tuple(told)})
    approach = np.array(_approach(knife, "cut the bread", handle.number))
    along = np.array(handle.axis)
    side = np.array(back) - (np.array(back) @ along) * along
    assert approach @ side > 0.6 * np.linalg.norm(side)
