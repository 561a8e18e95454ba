"""What each stage asks about the hand-built things: questions with facts, and no picture."""

from __future__ import annotations

import math

import numpy as np

from prompts import schemas
from tests.reasoning.offline_things import X, Y, Z, spray_bottle
from zdg_jax.reasoning.protocol import Observations, ObservedObject, ObservedPart, Question, Vec3
from zdg_jax.reasoning.stages.direction import DirectionObservations
from zdg_jax.reasoning.stages.grasp_type import GraspTypeObservations
from zdg_jax.reasoning.stages.hand_part import PartChoiceObservations
from zdg_jax.reasoning.stages.points import PointObservations
from zdg_jax.reasoning.stages.rotation import RotationObservations
from zdg_jax.reasoning.stages.view import ViewObservations

GRASPS = ("handle-grasp", "wrap-grasp", "press", "lift", "twist")


def vec3(v: np.ndarray) -> Vec3:
    return (float(v[0]), float(v[1]), float(v[2]))


def eighteen(front: Vec3 = Z) -> dict[str, Vec3]:
    """The directions of paper III-B for a horizontal front."""
    f, up = np.array(front), np.array(Y)
    right = np.cross(f, up)
    base = {"front": f, "behind": -f, "left": -right, "right": right, "above": up, "below": -up}
    made = dict(base)
    names = list(base)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            if float(base[a] @ base[b]) > -0.5:
                made[f"{a}-{b}"] = (base[a] + base[b]) / math.sqrt(2)
    return {k: vec3(v) for k, v in made.items()}


def question(
    stage: str, facts: Observations, candidates: tuple[str, ...], feedback: tuple[str, ...] = ()
) -> Question:
    schema = {
        "view": schemas.ViewAnswer,
        "hand_part": schemas.HandPartAnswer,
        "func_part": schemas.FuncPartAnswer,
        "points": schemas.PointsAnswer,
        "direction": schemas.DirectionAnswer,
        "grasp_type": schemas.GraspTypeAnswer,
        "rotation": schemas.RotationAnswer,
    }[stage]
    return Question(stage, "a prompt", (), candidates, schema, facts, feedback)


def numbers(obj: ObservedObject) -> tuple[str, ...]:
    return tuple(str(p.number) for p in obj.parts)


def by_number(obj: ObservedObject, n: int) -> ObservedPart:
    return next(p for p in obj.parts if p.number == n)


def view_question(
    obj: ObservedObject, task: str, name: str | None = None, feedback: tuple[str, ...] = ()
) -> Question:
    """View 2 shows every part best."""
    seen = tuple({p.number: int(1000 * p.area_share * s) for p in obj.parts} for s in (0.5, 0.2, 1.0, 0.1))
    facts = ViewObservations(
        task=task,
        object_name=name,
        object=obj,
        view_front=(Z, X, (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0)),
        visible_pixels=seen,
    )
    return question("view", facts, ("0", "1", "2", "3"), feedback)


def part_question(
    obj: ObservedObject,
    task: str,
    stage: str = "hand_part",
    name: str | None = None,
    hand: tuple[int, ...] = (),
    offered: tuple[str, ...] = (),
    feedback: tuple[str, ...] = (),
) -> Question:
    facts = PartChoiceObservations(
        task=task,
        object_name=name,
        object=obj,
        visible_pixels={p.number: 100 for p in obj.parts},
        role="hand" if stage == "hand_part" else "functional",
        hand_parts=hand,
    )
    return question(stage, facts, offered or numbers(obj), feedback)


def direction_question(
    obj: ObservedObject,
    task: str,
    held: int,
    name: str | None = None,
    blocked: dict[str, float] | None = None,
    feedback: tuple[str, ...] = (),
) -> Question:
    p, ds = by_number(obj, held), eighteen()
    away = {k: math.sqrt(max(0.0, 1 - float(np.dot(d, p.axis)) ** 2)) / 2 for k, d in ds.items()}
    facts = DirectionObservations(
        task=task,
        object_name=name,
        object=obj,
        hand_parts=(held,),
        func_parts=(held,),
        center=p.center,
        directions=ds,
        region_extents=p.extents,
        region_axis=p.axis,
        exit_distance=dict.fromkeys(ds, 0.03),
        blocked={**dict.fromkeys(ds, 0.0), **(blocked or {})},
        normal_alignment=away,
    )
    return question("direction", facts, tuple(ds), feedback)


def grasp_question(
    obj: ObservedObject, task: str, held: int, name: str | None = None, feedback: tuple[str, ...] = ()
) -> Question:
    p = by_number(obj, held)
    facts = GraspTypeObservations(
        task=task,
        object_name=name,
        object=obj,
        hand_parts=(held,),
        func_parts=(held,),
        direction="above",
        center=p.center,
        direction_vector=Y,
        region_extents=p.extents,
        region_axis=p.axis,
        region_thickness=p.thickness,
    )
    return question("grasp_type", facts, GRASPS, feedback)


def rotation_question(
    obj: ObservedObject,
    task: str,
    held: int,
    direction: Vec3,
    name: str | None = None,
    feedback: tuple[str, ...] = (),
) -> Question:
    """Four right hands about D_palm = -direction; the thumb of a right hand is at finger x palm."""
    p, palm = by_number(obj, held), -np.array(direction)
    first = np.array(p.axis) - float(np.dot(p.axis, palm)) * palm
    first = np.array(Y) if np.linalg.norm(first) < 0.3 else first / np.linalg.norm(first)
    turn = [first, np.cross(palm, first), -first, -np.cross(palm, first)]
    fingers = {k: vec3(d) for k, d in enumerate(turn)}
    thumbs = {k: vec3(np.cross(d, palm)) for k, d in enumerate(turn)}
    facts = RotationObservations(
        task=task,
        object_name=name,
        object=obj,
        hand_parts=(held,),
        func_parts=(held,),
        center=p.center,
        direction="above",
        direction_vector=direction,
        grasp_type="handle-grasp",
        finger_directions=fingers,
        thumb_directions=thumbs,
        func_center=p.center,
        region_axis=p.axis,
        region_extents=p.extents,
        overlap=dict.fromkeys(fingers, 0.0),
    )
    return question("rotation", facts, ("0", "1", "2", "3"), feedback)


def point_question(feedback: tuple[str, ...] = ()) -> Question:
    """Eight points about the spray bottle's neck and trigger in the x-y plane."""
    obj = spray_bottle()
    at = {
        1: (0.055, 0.08, 0.0),
        2: (-0.02, 0.08, 0.0),
        3: (0.0, 0.13, 0.0),
        4: (-0.02, 0.05, 0.0),
        5: (0.05, 0.1, 0.0),
        6: (0.02, 0.05, 0.0),
    }
    out = {1: X, 2: (-1.0, 0.0, 0.0), 3: Y, 4: (-1.0, 0.0, 0.0), 5: Y, 6: X}
    facts = PointObservations(
        task="spray the window",
        object_name=None,
        object=obj,
        hand_parts=(2,),
        func_parts=(3, 2),
        points=at,
        normals=out,
    )
    return question("points", facts, tuple(map(str, at)), feedback)
