"""`python -m pipelines.benchmark.export --out DIR`: objects and sentences for another method to run on."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from pipelines.options import Instructions, check_ranges
from pipelines.runtime import output_folder, program

TABLE = "instructions.json"


@dataclass(frozen=True)
class Options(Instructions):
    """Write meshes, point clouds and the table of instructions."""

    out: Annotated[str, arg(metavar="DIR", help="Folder to write to.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 on a user error."""
    return program("pipelines.benchmark.export", Options, argv, _run)


def _run(options: Options) -> int:
    from pipelines.benchmark.work import chosen_instructions

    check_ranges(options)
    out = output_folder(options.out)
    rows = export(chosen_instructions(options.set, options.half, options.only, options.limit), out)
    print(f"{len(rows)} instructions of {len({row['object'] for row in rows})} objects: see {out / TABLE}")
    return 0


def export(wanted: Sequence[Any], out: Path) -> list[dict[str, Any]]:
    """Write `meshes/OBJECT.obj`, `points/OBJECT.npz` and `instructions.json`.

    Meshes in metres, +y up, in the frame in which grasps are read back. The .npz holds `points` and outward
    `normals` [4096 3], `part` [4096] as an index into `part_names`.

    Args:
      wanted: `Instruction`s.
      out: an existing folder.

    Returns:
      the table, one dict an instruction.
    """
    from pipelines.benchmark.methods.gather import label
    from pipelines.dataset import write_atomic
    from pipelines.progress import Steps

    for name in ("meshes", "points"):
        (out / name).mkdir(exist_ok=True)
    specs = list(dict.fromkeys(i.object for i in wanted))
    about: dict[str, dict[str, Any]] = {}
    with Steps(len(specs)).running() as steps:
        for spec in specs:
            with steps.step(f"write {spec}"):
                about[spec] = _object(spec, label(spec), out)
    rows = [
        {
            "id": i.id,
            "object": i.object,
            "name": i.object_name,
            "category": i.category,
            "sentence": i.task,
            "intent": i.intent,
            "affordance": i.affordance,
            "hand_parts": list(i.hand_parts),
            "func_parts": list(i.func_parts),
            **about[i.object],
        }
        for i in wanted
    ]
    write_atomic(out / TABLE, json.dumps(rows, indent=1).encode() + b"\n")
    return rows


def _object(spec: str, name: str, out: Path) -> dict[str, Any]:
    import numpy as np

    from pipelines.benchmark.methods.gather import benchmark_mesh
    from zdg_jax.objects.parts.named import parts_of_mesh

    found = benchmark_mesh(spec)
    named = parts_of_mesh(spec, found.mesh)
    found.mesh.export(out / "meshes" / f"{name}.obj", include_normals=False, digits=9)
    np.savez_compressed(
        out / "points" / f"{name}.npz",
        points=found.samples.points.astype(np.float32), normals=found.samples.normals.astype(np.float32),
        part=named.face_part[found.samples.faces].astype(np.int32), part_names=np.array(named.names),
    )  # fmt: skip
    return {
        "mesh": f"meshes/{name}.obj",
        "points": f"points/{name}.npz",
        "mesh_sha256": found.mesh_sha256,
        "center": found.mesh.bounds.mean(axis=0).tolist(),
        "parts": list(named.names),
    }


if __name__ == "__main__":
    sys.exit(main())
