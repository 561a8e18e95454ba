"""What `zdg synth` writes for people: `grasps.png`, `scene.glb`, `report.html`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipelines.dataset import write_picture
from pipelines.report.html import build_report, number, write_report
from pipelines.report.scene import build_scene, write_scene
from sim_eval.select.rank import LIMITS
from zdg_jax.hands.kinematics import posed_skin
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.pose import wxyz_to_matrix
from zdg_jax.reasoning.pictures import hand_colors
from zdg_jax.reasoning.stages.rotation import thumb_side
from zdg_jax.render.sheets import GraspPicture, grasp_sheet, grasp_views
from zdg_jax.render.surface import Surface, tinted


def kept_grasps(
    obj: ObjectModel, hand: HandModel, rows: Sequence[Mapping[str, Any]], *, size: int = 256, columns: int = 2
) -> Image.Image:
    """A contact sheet: every grasp from three sides with its measures, the chosen part(s) in blue.

    Args:
      obj, hand: what is drawn.
      rows: of `grasps.parquet`, best first.
      size: side of one picture, pixels.
      columns: grasps in a row.
    """
    target = np.isin(obj.face_part, rows[0]["part_ids"])
    surface = Surface.of(obj.mesh, tinted(target))
    pictures = [_picture(hand, row) for row in rows]
    return grasp_sheet(surface, pictures, hand.skin_faces, size=size, columns=columns)


def grasp_strip(obj: ObjectModel, hand: HandModel, row: Mapping[str, Any], *, size: int = 256) -> Image.Image:
    """One grasp from three sides without a word, the chosen part(s) in blue.

    Args:
      obj, hand: what is drawn.
      row: of `grasps.parquet`.
      size: side of one picture, pixels.
    """
    target = np.isin(obj.face_part, row["part_ids"])
    return grasp_views(Surface.of(obj.mesh, tinted(target)), _picture(hand, row), hand.skin_faces, size=size)


def closing_sheet(
    obj: ObjectModel, hand: HandModel, row: Mapping[str, Any], *, size: int = 256
) -> Image.Image:
    """Pregrasp, grasp and squeeze of one grasp below each other, from three sides.

    Args:
      obj, hand: what is drawn.
      row: of `grasps.parquet`, with a closing.
      size: side of one picture, pixels.
    """
    surface = Surface.of(obj.mesh, tinted(np.isin(obj.face_part, row["part_ids"])))
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
      row: of `grasps.parquet`.
      size: side of each of the three pictures, pixels.
    """
    picture = _picture(hand, row)
    return grasp_views(Surface.of(obj.mesh), picture, hand.skin_faces, hand_rgb=hand_colors(hand), size=size)


def write_all(
    out: Path,
    obj: ObjectModel,
    hand: HandModel,
    trace: Mapping[str, Any],
    pictures: Mapping[str, Image.Image],
    rows: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
) -> None:
    """`grasps.png` and `scene.glb` if there are grasps, and `report.html` in any case.

    Args:
      out: an existing folder.
      trace, pictures: of the reasoning.
      rows: the kept grasps, best first; may be empty.
      notes: small print of the report.
    """
    sheet = closing = None
    if rows:
        sheet = kept_grasps(obj, hand, rows)
        write_picture(out / "grasps.png", sheet)
        if np.isfinite(rows[0]["pregrasp_pose"]).all():
            closing = closing_sheet(obj, hand, rows[0])
            write_picture(out / "closing.png", closing)
        names = [f"grasp_{row['rank'] + 1}" for row in rows]
        skins = posed_skin(hand, *(np.array([row[key] for row in rows]) for key in ("hand_pose", "joints")))
        target = np.isin(obj.face_part, rows[0]["part_ids"])
        hands = dict(zip(names, skins, strict=True))
        scene = build_scene(obj.mesh, hands, hand.skin_faces, face_rgb=tinted(target))
        write_scene(scene, out / "scene.glb")
    page = build_report(
        trace, rows, pictures, grasp_picture=sheet, closing_picture=closing, limits=LIMITS, notes=notes
    )
    write_report(out / "report.html", page)


def caption(row: Mapping[str, Any]) -> tuple[str, str]:
    """Two lines under a grasp: penetration, and the gravity test."""
    held = "still in contact" if row["contact_end"] else "contact lost"
    depth, volume, moved = (number(row[name], 2) for name in ("p_dep_cm", "p_vol_cm3", "sim_dis_cm"))
    return f"depth {depth} cm, volume {volume} cm³", f"gravity test: moved {moved} cm, {held}"


def _picture(hand: HandModel, row: Mapping[str, Any]) -> GraspPicture:
    pose, joints = (np.asarray(row[name], dtype=np.float64) for name in ("hand_pose", "joints"))
    skin = posed_skin(hand, pose, joints)
    R_obj_base = wxyz_to_matrix(pose[3:])
    R_obj_palm = R_obj_base @ hand.R_base_palm
    p_obj_palm = pose[:3] + R_obj_base @ hand.p_base_palm
    # another method's grasp has none
    energy = f", energy {row['energy_total']:.1f}" if np.isfinite(row["energy_total"]) else ""
    return GraspPicture(
        vertices=skin,
        d_finger=R_obj_palm[:, 0],
        d_palm=R_obj_palm[:, 2],
        d_thumb=thumb_side(hand, skin, p_obj_palm, R_obj_palm),
        title=f"#{row['rank'] + 1}  {row['grasp_type']}{energy}",
        caption=caption(row),
    )
