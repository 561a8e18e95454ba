"""What `zdg synth` writes for people: `grasps.png`, `scene.glb`, `report.html`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from pipelines.dataset import write_picture
from pipelines.report.html import Shown, build_report, number, write_report
from pipelines.report.scene import Solid, build_scene, captions, write_scene
from sim_eval.select.rank import JUDGED, LIMITS, lacks
from zdg_jax.hands.kinematics import palm_from_base, posed_skin
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning.pictures import hand_colors
from zdg_jax.reasoning.stages.rotation import thumb_side
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import Surface, join, look, parted
from zdg_jax.render.sheets import GraspPicture, captioned, corner, grasp_sheet, grasp_views, grid


def kept_grasps(
    obj: ObjectModel, hand: HandModel, rows: Sequence[Mapping[str, Any]], *, size: int = 256, columns: int = 2
) -> Image.Image:
    """A contact sheet: every grasp from three sides with its measures; parts in the colours of their numbers.

    Args:
      obj, hand: what is drawn.
      rows: of `grasps.parquet`, best first.
      size: side of one picture, pixels.
      columns: grasps in a row.
    """
    surface = _surface(obj, rows[0])
    pictures = [_picture(hand, row) for row in rows]
    return grasp_sheet(surface, pictures, hand.skin_faces, size=size, columns=columns)


def grasp_strip(obj: ObjectModel, hand: HandModel, row: Mapping[str, Any], *, size: int = 256) -> Image.Image:
    """One grasp from three sides without a word, each chosen part in the colour of its number.

    Args:
      obj, hand: what is drawn.
      row: of `grasps.parquet`.
      size: side of one picture, pixels.
    """
    surface = _surface(obj, row)
    return grasp_views(surface, _picture(hand, row), hand.skin_faces, size=size)


def closing_sheet(
    obj: ObjectModel, hand: HandModel, row: Mapping[str, Any], *, size: int = 256
) -> Image.Image:
    """Pregrasp, grasp and squeeze of one grasp below each other, from three sides.

    Args:
      obj, hand: what is drawn.
      row: of `grasps.parquet`, with a closing.
      size: side of one picture, pixels.
    """
    surface = _surface(obj, row)
    gap = number(None if row["pregrasp_gap_cm"] is None else 10.0 * row["pregrasp_gap_cm"], 1)
    held = (
        "withstands six forces" if row["six_force_suc"] else f"withstands {row['six_force_held']} of 6 forces"
    )
    stages = (
        ("pregrasp", row["pregrasp_pose"], row["pregrasp_joints"], f"{gap} mm from the object"),
        ("grasp", row["hand_pose"], row["joints"], "as refined"),
        ("squeeze", row["hand_pose"], row["squeeze_joints"], f"servo targets; {held}"),
    )
    pictures = [
        dataclasses.replace(
            _picture(hand, {**row, "hand_pose": pose, "joints": joints}), title=name, caption=(said, "")
        )
        for name, pose, joints, said in stages
    ]
    return grasp_sheet(surface, pictures, hand.skin_faces, size=size, columns=1)


def blank_strip(size: int = 256) -> Image.Image:
    """What stands where `grasp_strip` has no grasp to draw: as large, and grey."""
    return Image.new("RGB", (3 * size + 6, size), (240, 240, 240))


def judged_grasp(
    obj: ObjectModel, hand: HandModel, row: Mapping[str, Any], *, size: int = 448
) -> Image.Image:
    """What a judge sees of one grasp: three sides, no measures, and no hint at what was intended.

    Args:
      obj, hand: what is drawn.
      row: `hand_pose` and `joints` of one grasp.
      size: side of each of the three pictures, pixels.
    """
    picture = _picture(hand, row, told=False)
    surface = Surface.painted(obj.mesh, obj.paint)
    return grasp_views(surface, picture, hand.skin_faces, hand_rgb=hand_colors(hand), size=size)


def portrait(obj: ObjectModel, said: str, *, size: int = 320) -> Image.Image:
    """The object with an arrow along +y, and what is said of that axis.

    Args:
      obj: what is drawn.
      said: the note in the corner.
      size: side of the picture, pixels.
    """
    low, high = obj.mesh.bounds
    long = float(np.max(high - low))
    foot = np.array([low[0] - 0.12 * long, low[1], high[2]])
    head = foot + np.array([0.0, 0.30 * long, 0.0])
    arrow = trimesh.creation.cylinder(0.010 * long, segment=[foot, head], sections=16)
    tip = trimesh.creation.cone(0.028 * long, 0.08 * long, sections=24)
    tip.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], [0, 1, 0]))
    tip.apply_translation(head)
    body = Surface.painted(obj.mesh, obj.paint)
    scene, _ = join([body, Surface.of(arrow, UP_RGB), Surface.of(tip, UP_RGB)])
    camera = look(scene.vertices, (0.55, 0.45, 1.0), size=size, margin=0.1)
    return corner(Image.fromarray(render(scene, camera).rgb), said)


#: Of the arrow along the up axis.
UP_RGB = (0.18, 0.62, 0.22)
#: Files of a run that the report links, and what each holds.
FILES = {
    "grasps.parquet": "one row a grasp",
    "scene.glb": "object and hands for any 3D viewer",
    "grasps.png": "the kept grasps from three sides",
    "trace.json": "every question and answer",
    "dataset_info.json": "joints, frames, units, versions",
}


def write_all(
    out: Path,
    obj: ObjectModel,
    hand: HandModel,
    trace: Mapping[str, Any],
    pictures: Mapping[str, Image.Image],
    rows: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    said_up: str = "+y up",
) -> None:
    """`grasps.png` and `scene.glb` if there are grasps, and `report.html` in any case.

    Args:
      out: an existing folder.
      trace, pictures: of the reasoning.
      rows: the kept grasps, best first; may be empty.
      notes: small print of the report.
      said_up: what stands below the object's picture, beside an arrow along its up axis.
    """
    shown: list[Shown] = []
    closing = solid = None
    if rows:
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # as in `grasp_sheet`
            strips = list(pool.map(partial(grasp_strip, obj, hand), rows))
        drawn = [_picture(hand, row) for row in rows]
        cards = [
            captioned(strip, (d.title, *d.caption), text_size=256 / 14)
            for strip, d in zip(strips, drawn, strict=True)
        ]
        write_picture(out / "grasps.png", grid(cards, 2, gap=16))
        shown = [Shown(strip, d.title, d.caption) for strip, d in zip(strips, drawn, strict=True)]
        if np.isfinite(rows[0]["pregrasp_pose"]).all():
            closing = closing_sheet(obj, hand, rows[0])
            write_picture(out / "closing.png", closing)
        surface = _surface(obj, rows[0])
        hands = {f"grasp_{row['rank'] + 1}": d.vertices for row, d in zip(rows, drawn, strict=True)}
        write_scene(build_scene(surface, hands, hand.skin_faces), out / "scene.glb")
        solid = _solid(obj, hand, rows, surface.face_colors())
    files = {name: said for name, said in FILES.items() if (out / name).is_file()}
    page = build_report(
        trace, rows, pictures, object_picture=portrait(obj, said_up), shown=shown, closing_picture=closing,
        solid=solid, limits=LIMITS, files=files, notes=notes,
    )  # fmt: skip
    write_report(out / "report.html", page)


def _surface(obj: ObjectModel, row: Mapping[str, Any]) -> Surface:
    """The object in its own colours, each part that a row holds in that of its number."""
    held = np.isin(obj.face_part, row["part_ids"])
    return Surface.painted(obj.mesh, obj.paint, parted(obj.face_part, row["part_ids"]), held)


def _solid(
    obj: ObjectModel, hand: HandModel, rows: Sequence[Mapping[str, Any]], face_rgb: np.ndarray
) -> Solid:
    """Object and hands at pregrasp, grasp and squeeze; a stage that was not planned is the grasp."""
    stages = []
    for pose, joints in (
        ("pregrasp_pose", "pregrasp_joints"), ("hand_pose", "joints"), ("hand_pose", "squeeze_joints")
    ):  # fmt: skip
        known = [row if np.isfinite([*row[pose], *row[joints]]).all() else None for row in rows]
        poses = [row[pose] if at else row["hand_pose"] for row, at in zip(rows, known, strict=True)]
        angles = [row[joints] if at else row["joints"] for row, at in zip(rows, known, strict=True)]
        stages.append(posed_skin(hand, np.array(poses, float), np.array(angles, float)))
    return Solid(
        np.asarray(obj.mesh.vertices), np.asarray(obj.mesh.faces), face_rgb, np.asarray(hand.skin_faces),
        np.stack(stages, axis=1), captions(rows),
    )  # fmt: skip


def verdict(row: Mapping[str, Any]) -> str:
    """Whether a grasp is good or why not, and what it held; of that what is known, "" if nothing.

    Args:
      row: of `grasps.parquet`.
    """
    said = []
    if row.get("good") is not None:
        known = {n: np.array([np.nan if row.get(n) is None else row[n]], float) for n in JUDGED}
        why = next((words for words, true in lacks(known).items() if true[0]), "")
        said.append("good" if row["good"] else f"not good{': ' * bool(why)}{why}")
    held = []
    if row.get("six_force_held") is not None:
        held.append(f"{row['six_force_held']} of 6 forces")
    if row.get("hold_share") is not None and np.isfinite(row["hold_share"]):
        held.append(f"{100 * row['hold_share']:.0f} % of perturbed tests")
    said += ["held " + ", ".join(held)] * bool(held)
    return "; ".join(said)


def caption(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Lines under a grasp: whether it is good and what it held, penetration, and the gravity test."""
    judged = verdict(row)
    held = "still in contact" if row["contact_end"] else "contact lost"
    depth, volume, moved = (number(row[name], 2) for name in ("p_dep_cm", "p_vol_cm3", "sim_dis_cm"))
    measured = (f"depth {depth} cm, volume {volume} cm³", f"gravity test: moved {moved} cm, {held}")
    return (judged, *measured) if judged else measured


def _picture(hand: HandModel, row: Mapping[str, Any], told: bool = True) -> GraspPicture:
    pose, joints = (np.asarray(row[name], dtype=np.float64) for name in ("hand_pose", "joints"))
    skin = posed_skin(hand, pose, joints)
    p_obj_palm, R_obj_palm = palm_from_base(hand, pose)
    title, said = "", ()
    if told:
        # another method's grasp has no energy
        energy = f", energy {row['energy_total']:.1f}" if np.isfinite(row["energy_total"]) else ""
        title, said = f"#{row['rank'] + 1}  {row['grasp_type']}{energy}", caption(row)
    return GraspPicture(
        vertices=skin,
        d_finger=R_obj_palm[:, 0],
        d_palm=R_obj_palm[:, 2],
        d_thumb=thumb_side(hand, skin, p_obj_palm, R_obj_palm),
        title=title,
        caption=said,
    )
