"""The offline reasoner on YCB scans: the 16 pairs of scan and task, from the sentence and the geometry alone.

The fast tests read what `observe_object(load_object(...))` once gave (offline_scans.json); the slow ones
segment the scans anew and run the whole chain.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.reasoning import offline_questions as asked
from tests.reasoning import offline_things as t
from zdg_jax.reasoning.protocol import ObservedObject, ObservedPart, Vec3
from zdg_jax.reasoning.rules.reasoner import RulesReasoner

UP, DOWN = t.Y, (0.0, -1.0, 0.0)
EAST, WEST, SOUTH, NORTH = t.X, (-1.0, 0.0, 0.0), t.Z, (0.0, 0.0, -1.0)


def at(axis: int, low: float, high: float) -> Callable[[ObservedPart], bool]:
    """Whether a part's centre lies between two places of the object's box, -1..1 along x, y or z."""
    return lambda p: low <= p.relative_center[axis] <= high


def loop(p: ObservedPart) -> bool:
    return p.is_loop


def outside(p: ObservedPart) -> bool:
    return not p.concave and not p.is_loop


# scan, task, name, what every held part must be, where the hand comes from, where the thumb side points
PAIRS: list[tuple[str, str, str, Callable[[ObservedPart], bool], Vec3 | None, Vec3 | None]] = [
    ("048_hammer", "hammer a nail", "hammer", at(2, 0.0, 1.0), UP, NORTH),
    ("048_hammer", "hand it over", "hammer", at(2, -1.0, -0.5), None, None),
    ("025_mug", "drink from it", "mug", loop, EAST, UP),
    ("025_mug", "hand it over", "mug", outside, WEST, UP),
    ("035_power_drill", "drill a hole", "power drill", at(2, -0.4, 0.4), EAST, NORTH),
    ("037_scissors", "cut paper", "scissors", loop, UP, None),
    ("032_knife", "cut bread", "knife", at(0, 0.1, 1.0), UP, WEST),
    ("022_windex_bottle", "spray the window", "spray bottle", at(1, 0.4, 1.0), SOUTH, UP),
    ("019_pitcher_base", "pour water", "pitcher", loop, None, UP),
    ("033_spatula", "flip a pancake", "spatula", at(0, -1.0, -0.2), UP, EAST),
    ("043_phillips_screwdriver", "drive a screw", "screwdriver", at(0, 0.1, 1.0), UP, WEST),
    ("006_mustard_bottle", "squeeze it", "mustard bottle", lambda p: p.area_share > 0.5, None, UP),
    ("024_bowl", "carry soup", "bowl", outside, None, None),
    ("011_banana", "lift it", "banana", at(2, -0.5, 0.5), UP, None),
    ("052_extra_large_clamp", "clamp two boards", "clamp", at(0, 0.2, 1.0), UP, WEST),
    ("029_plate", "carry it", "plate", lambda p: p.extents[0] > 0.24, None, None),
]
MORE: list[tuple[str, str, str, Callable[[ObservedPart], bool]]] = [
    ("037_scissors", "hand it over", "scissors", at(2, -1.0, -0.2)),
    ("032_knife", "hand it over", "knife", at(0, -1.0, 0.0)),
    ("035_power_drill", "hand it over", "drill", at(2, -1.0, -0.5)),
    ("030_fork", "eat pasta", "fork", at(0, 0.1, 1.0)),
    ("042_adjustable_wrench", "tighten a bolt", "wrench", at(2, -0.7, 0.3)),
    ("021_bleach_cleanser", "pour it out", "bleach", lambda p: p.area_share > 0.5),
    ("005_tomato_soup_can", "hand it over", "can", outside),
]


@cache
def scans() -> dict[str, ObservedObject]:
    raw = json.loads((Path(__file__).parent / "offline_scans.json").read_text(encoding="utf-8"))
    return {name: ObservedObject.model_validate(facts) for name, facts in raw.items()}


def held(obj: ObservedObject, task: str, name: str | None) -> list[ObservedPart]:
    q = asked.part_question(obj, task, name=name)
    parts = asyncio.run(RulesReasoner().ask(q)).value.parts
    return [asked.by_number(obj, n) for n in parts]


@pytest.mark.parametrize("named", [False, True], ids=["sentence-only", "named"])
@pytest.mark.parametrize(("scan", "task", "name", "right"), [p[:4] for p in PAIRS] + MORE)
def test_held_part_of_a_scan(
    scan: str, task: str, name: str, right: Callable[[ObservedPart], bool], named: bool
) -> None:
    parts = held(scans()[scan], task, name if named else None)
    assert all(right(p) for p in parts), [p.number for p in parts]


def test_both_loops_and_both_levers_are_held() -> None:
    assert len(held(scans()["037_scissors"], "cut paper", None)) == 2
    assert len(held(scans()["052_extra_large_clamp"], "clamp two boards", None)) >= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scan", "task", "name", "right", "side", "thumb"), PAIRS, ids=[f"{p[0]}-{p[1]}" for p in PAIRS]
)
def test_whole_chain(
    scan: str,
    task: str,
    name: str,
    right: Callable[[ObservedPart], bool],
    side: Vec3 | None,
    thumb: Vec3 | None,
) -> None:
    from zdg_jax.hands import load_hand
    from zdg_jax.objects import load_object
    from zdg_jax.reasoning.chain import reason
    from zdg_jax.reasoning.state import observe_object

    obj = load_object(f"ycb:{scan}")
    result = asyncio.run(reason(obj, load_hand("human16"), task, RulesReasoner())).grasp
    assert result.status == "ok", result.status_reason
    assert result.initial is not None
    assert result.guidance is not None
    assert all(right(p) for p in observe_object(obj).parts if p.number in result.guidance.part_ids)
    rotation = result.initial.R_obj_palm
    if side is not None:
        assert -rotation[:, 2] @ np.array(side) > 0.7
    if thumb is not None:
        assert -rotation[:, 1] @ np.array(thumb) > 0.6  # human16 is a right hand: its thumb is at -y
