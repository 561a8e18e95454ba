"""A small hammer with known parts, and a reasoner that says what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import trimesh
from PIL import Image
from pydantic import BaseModel

from zdg_jax.api import make_reasoner, reason_task
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel, Part, PartDescriptor, SignedDistanceField
from zdg_jax.objects.parts.visibility import shape_diameter
from zdg_jax.objects.region import measure
from zdg_jax.objects.samples import sample_features, sample_surface
from zdg_jax.objects.sdf.build import build_signed_distance_field
from zdg_jax.reasoning.protocol import Answer, Call, Question, ReasonerError
from zdg_jax.render.scene import Camera, look

HANDLE, HEAD = 1, 2


@cache
def reasoned(name: str, task: str) -> tuple[ObjectModel, ReasonedGrasp]:
    """A real object and what `offline` says of the task for human16; several tests ask for the same."""
    thing = load_object(name)
    return thing, reason_task(thing, load_hand("human16"), task, make_reasoner("offline")).grasp


@cache
def _hammer() -> tuple[trimesh.Trimesh, np.ndarray, SignedDistanceField]:
    """Its mesh, each face's part and its distances, which many tests' hammers share."""
    handle = trimesh.creation.cylinder(radius=0.015, height=0.20, sections=32).subdivide()
    handle.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [0, 1, 0]))
    head = trimesh.creation.box(extents=(0.04, 0.04, 0.12)).subdivide().subdivide().subdivide()
    head.apply_translation([0.12, 0.0, 0.0])
    mesh = trimesh.Trimesh(
        np.concatenate([handle.vertices, head.vertices]),
        np.concatenate([handle.faces, head.faces + len(handle.vertices)]),
        process=False,
    )
    face_part = np.repeat([HANDLE, HEAD], [len(handle.faces), len(head.faces)])
    return mesh, face_part, build_signed_distance_field(mesh)


@cache
def hammer(samples: int = 1500) -> ObjectModel:
    """A handle along x (part 1: 3 cm thick, 20 cm long) and a head across its end (part 2), y up."""
    mesh, face_part, field = _hammer()
    return model_of(mesh, face_part, samples, field)


def model_of(
    mesh: trimesh.Trimesh, face_part: np.ndarray, samples: int, field: SignedDistanceField | None = None
) -> ObjectModel:
    """An `ObjectModel` with given parts, real features and a distance field, built if none is given."""
    surface = sample_surface(mesh, samples)
    points, normals, faces = surface.points, surface.normals, surface.faces
    parts = tuple(
        Part(int(n), np.flatnonzero(face_part == n), _descriptor(points[face_part[faces] == n], n))
        for n in np.unique(face_part)
    )
    return ObjectModel(
        object_id="test:thing",
        name=None,
        scale=1.0,
        mesh=mesh,
        mesh_sha256="0" * 64,
        warnings=(),
        samples=surface,
        parts=parts,
        face_part=face_part,
        sample_part=face_part[faces],
        features=sample_features(mesh, surface, shape_diameter(mesh, points, normals)),
        field=field or build_signed_distance_field(mesh),
    )


def _descriptor(points: np.ndarray, number: int) -> PartDescriptor:
    region = measure(points)
    return PartDescriptor(
        center=region.center,
        axis=region.axis,
        extents=region.extents,
        elongation=float(region.extents[0] / region.extents[1]),
        flatness=float(region.extents[1] / region.extents[2]),
        thickness=float(region.extents[2]),
        area_share=0.5,
        relative_center=region.center / 0.2,
        axial_position=0.0,
        is_loop=False,
        hole_diameter=0.0,
        end_distance=0.0,
        concave=False,
    )


def camera_from(front: Sequence[float], mesh: trimesh.Trimesh, size: int = 256) -> Camera:
    return look(np.asarray(mesh.vertices), np.array(front, float), size=size)


def turn_about_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def random_rotation(seed: int) -> np.ndarray:
    return np.asarray(trimesh.transformations.random_rotation_matrix(np.random.default_rng(seed).random(3)))[
        :3, :3
    ]


Reply = Mapping[str, Any] | Callable[[Question[Any]], Mapping[str, Any]] | ReasonerError


class Scripted:
    """Gives a stage's replies in order, the last one for ever; remembers every question."""

    def __init__(self, name: str = "scripted", **replies: Sequence[Reply]) -> None:
        self.name = name
        self.replies = {stage: list(given) for stage, given in replies.items()}
        self.asked: list[Question[Any]] = []

    async def ask(self, question: Question[Any]) -> Answer[Any]:
        self.asked.append(question)
        assert all(isinstance(image, Image.Image) for image in question.images)
        given = self.replies.get(question.stage)
        reply: Reply = first_candidate if not given else given.pop(0) if len(given) > 1 else given[0]
        if isinstance(reply, ReasonerError):
            raise reply
        values = reply(question) if callable(reply) else reply
        value: BaseModel = question.schema(reasoning="because", **values)
        return Answer(value, call=Call(question.stage, self.name, "test", "sha"))

    def stages(self) -> list[str]:
        return [question.stage for question in self.asked]


def first_candidate(question: Question[Any]) -> dict[str, Any]:
    """The first candidate of whatever is asked."""
    label = question.candidates[0]
    return {
        "view": lambda: {"view": int(label)},
        "hand_part": lambda: {"parts": [int(label)]},
        "func_part": lambda: {"parts": [int(label)], "needs_points": False},
        "points": lambda: {"thumb": int(label), "index": int(question.candidates[1])},
        "direction": lambda: {"direction": label},
        "grasp_type": lambda: {"grasp_type": label},
        "rotation": lambda: {"rotation": int(label)},
        "judge": lambda: {"score": int(label)},
    }[question.stage]()
