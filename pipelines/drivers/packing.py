"""Prepared objects and reasoned tasks in one small file, for a machine without scans, network or Ray."""

from __future__ import annotations

import asyncio
import json
import lzma
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from pipelines.drivers.tasks import TaskSpec
from pipelines.options import GenerateOptions
from pipelines.stages.messages import PreparedObject, Reasoned
from pipelines.stages.prepare import PrepareStage
from pipelines.stages.reason import ReasonStage
from sim_eval.simobject import MJX_TEMPLATE, ConvexParams, ConvexPieces, convex_pieces, keep_pieces
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import build_signed_distance_field
from zdg_jax.objects.load import mesh_sha256
from zdg_jax.objects.model import ObjectModel, SurfaceSamples
from zdg_jax.reasoning.rules.reasoner import RulesReasoner

FORMAT = "zdg-jax pack 1"
CUTS = (ConvexParams(), MJX_TEMPLATE)


@dataclass(frozen=True)
class Packed:
    """What `unpack` gives.

    Attributes:
      hand: as it was packed for.
      objects: by object key.
      reasoned: with status "ok".
    """

    hand: HandModel
    objects: dict[str, PreparedObject]
    reasoned: list[Reasoned]

    def tasks(self, count: int) -> list[tuple[Reasoned, PreparedObject]]:
        """So many tasks: the packed ones in turn, each time with another seed."""
        tasks = []
        for number in range(count):
            said = self.reasoned[number % len(self.reasoned)]
            spec = replace(said.task, seed=number // len(self.reasoned), task_id=f"{number:06d}")
            columns = {**said.columns, "task_id": spec.task_id, "seed": spec.seed}
            tasks.append((replace(said, task=spec, columns=columns), self.objects[said.task.object_key]))
        return tasks


def pack(path: Path, objects: Sequence[str], sentences: Sequence[str], hand_name: str) -> int:
    """Prepare, reason offline, write; returns the file's size in bytes.

    Args:
      path: of the file.
      objects: OBJECT arguments.
      sentences: asked of each object.
      hand_name: of the hand.
    """
    options = GenerateOptions(tasks="", out="", hand=hand_name)
    hand, stage = load_hand(hand_name), PrepareStage(options)
    stored: dict[str, Any] = {}
    reasoned = []
    for name in objects:
        specs = [TaskSpec(sentence, name, sentence) for sentence in sentences]
        prepared = stage.prepare(specs[0])
        stored[specs[0].object_key] = _object(prepared.obj)
        for said in asyncio.run(_reasoned(ReasonStage(hand, RulesReasoner(), options), specs, prepared)):
            if said.grasp.status == "ok":
                reasoned.append(replace(said, trace={}, pictures={}))
    content = {"format": FORMAT, "hand": hand_name, "objects": stored, "reasoned": reasoned}
    data = lzma.compress(pickle.dumps(content), preset=6)
    path.write_bytes(data)
    return len(data)


def unpack(path: Path) -> Packed:
    """Read a pack, build its fields, and put its convex pieces into the cache.

    Args:
      path: written by `pack` of the same version; a pickle, so only of your own.

    Raises:
      UserError: no such file, or not a pack.
    """
    try:
        content = pickle.loads(lzma.decompress(path.read_bytes()))
        known = content["format"] == FORMAT
    except (OSError, lzma.LZMAError, pickle.UnpicklingError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} ({type(error).__name__})", "a file that `pack` wrote", "pack it again"
        ) from None
    if not known:
        raise UserError(f"{path} of format {content['format']}", FORMAT, "pack it again")
    objects = {key: _again(stored, json.loads(key)) for key, stored in content["objects"].items()}
    return Packed(load_hand(content["hand"]), objects, content["reasoned"])


async def _reasoned(
    stage: ReasonStage, specs: Sequence[TaskSpec], prepared: PreparedObject
) -> list[Reasoned]:
    return [await stage.reason(spec, prepared) for spec in specs]


def _object(obj: ObjectModel) -> dict[str, Any]:
    mesh = obj.mesh
    return {
        "vertices": np.asarray(mesh.vertices),
        "faces": np.asarray(mesh.faces, np.int32),
        "points": obj.samples.points,
        "normals": obj.samples.normals.astype(np.float32),
        "sample_faces": np.asarray(obj.samples.faces, np.int32),
        "cuts": [(params, convex_pieces(mesh, params)) for params in CUTS],
        "about": (obj.object_id, obj.warnings),
    }


def _again(stored: dict[str, Any], key: list[Any]) -> PreparedObject:
    mesh = trimesh.Trimesh(stored["vertices"], stored["faces"].astype(np.int64), process=False)
    cuts: list[tuple[ConvexParams, ConvexPieces]] = stored["cuts"]
    for params, pieces in cuts:
        keep_pieces(mesh, pieces, params)
    count, (object_id, warnings) = len(stored["points"]), stored["about"]
    normals, faces = stored["normals"].astype(np.float64), stored["sample_faces"].astype(np.int64)
    obj = ObjectModel(
        object_id=object_id,
        name=key[1],
        scale=key[2],
        mesh=mesh,
        mesh_sha256=mesh_sha256(mesh),
        warnings=warnings,
        samples=SurfaceSamples(stored["points"], normals, faces),
        parts=(),
        face_part=np.ones(len(mesh.faces), np.int64),
        sample_part=np.ones(count, np.int64),
        features=np.zeros((count, 1)),
        field=build_signed_distance_field(mesh),
    )
    return PreparedObject(obj, cuts[0][1])
