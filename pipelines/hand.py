"""What `zdg hand` does: first cards, found grasp types, pictures, and the way of a hand as trajectories."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float
from PIL import Image
from scipy.spatial.transform import Rotation, Slerp

from pipelines.dataset import joint_order, load_grasps, write_atomic
from pipelines.formats import GraspFile
from pipelines.runtime import output_folder
from zdg_jax.errors import UserError
from zdg_jax.hands.io.hand_spec import HandCard, card_text, parse_card, read_card, write_types
from zdg_jax.hands.io.model_files import compile_model, find_model
from zdg_jax.hands.kinematics import posed_in_palm
from zdg_jax.hands.load import REFERENCE, from_card, load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.propose import first_card
from zdg_jax.hands.validate import check_card
from zdg_jax.reasoning.pictures import hand_colors
from zdg_jax.render import sheets
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import TARGET, Surface, join, look

# Pictures of a hand for whoever writes its card: zero pose with frames and pads, and its grasp types.
#: x (D_finger), y and z (D_palm).
AXES = ((0.86, 0.16, 0.14), (0.18, 0.62, 0.22), (0.12, 0.32, 0.86))


def hand_sheet(hand: HandModel, *, size: int = 320) -> Image.Image:
    """Zero pose with palm frame and pads, then every grasp type, each from palm, thumb's side and above.

    Arrows: D_finger red, y green, D_palm blue; pads are blue dots with their normals.

    Args:
      hand: any hand.
      size: side of each picture, pixels.
    """
    poses = {"zero pose: D_finger red, D_palm blue": hand.open_joints}
    poses |= {name: kind.joints for name, kind in hand.grasp_types.items()}
    cards = []
    for name, joints in poses.items():
        strip = sheets.row(list(_views(hand, joints, size)), gap=3)
        cards.append(sheets.captioned(strip, (f"{hand.name}: {name}",), text_size=size / 18))
    return sheets.grid(cards, 2, gap=14)


def _views(hand: HandModel, joints: Float[np.ndarray, " active"], size: int):
    """The palm frame is drawn as x to the right, y towards the thumb's other side, z to the viewer."""

    place = partial(posed_in_palm, hand, joints)
    skin = place("skin")
    surfaces = [Surface.from_arrays(skin, hand.skin_faces, hand_colors(hand), smooth=True)]
    surfaces += [
        _arrow(np.zeros(3), axis * 0.06, 0.0016, rgb) for axis, rgb in zip(np.eye(3), AXES, strict=True)
    ]
    for p, n in zip(place("pad"), place("pad_normal"), strict=True):
        surfaces += [_arrow(p, n * 0.02, 0.001, TARGET), _dot(p, 0.003, TARGET)]
    scene, _ = join(surfaces)
    thumb = np.sign(skin[hand.skin_finger == hand.thumb, 1].mean()) or -1.0
    for front, up in (((0.25, 0.2 * thumb, 1.0), (1.0, 0.0, 0.0)), ((0.15, thumb, 0.45), (1.0, 0.0, 0.0)),
                      ((1.0, 0.35 * thumb, 0.75), (0.0, 0.0, 1.0))):  # fmt: skip
        camera = look(skin, np.array(front), size=size, margin=0.1, up=up)
        yield Image.fromarray(render(scene, camera).rgb)


def _arrow(start: np.ndarray, along: np.ndarray, radius: float, rgb: tuple[float, float, float]) -> Surface:
    shaft = trimesh.creation.cylinder(radius, segment=[start, start + along], sections=12)
    tip = trimesh.creation.cone(2.4 * radius, 5 * radius, sections=12)
    tip.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], along))
    tip.apply_translation(start + along)
    whole, _ = join([Surface.of(shaft, rgb), Surface.of(tip, rgb)])
    return whole


def _dot(center: np.ndarray, radius: float, rgb: tuple[float, float, float]) -> Surface:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=radius)
    ball.apply_translation(center)
    return Surface.of(ball, rgb)


NOTE = """First card, by `zdg hand new`. Look at hand.png, mend what is wrong here, then run `zdg hand fit`.
Metres; directions and points in the frame of the link named beside them; angles in degrees."""


def new_hand(
    reference: str, *, name: str | None = None, base: str | None = None, out: str | None = None
) -> tuple[Path, list[str]]:
    """Inspect a model, write its first card with found grasp types, and draw it.

    Args:
      reference: as in a card's `model`; a path is stored relative to the card.
      name: of the hand; by default the model's file or folder name.
      base: link that the fingers branch from; guessed if None.
      out: folder of the card; must not hold one yet.
    Returns: the card, and what `check_card` says of it.
    Raises:
      UserError: no usable model, or a card that is there already.
    """
    path = find_model(reference, Path.cwd(), name or "new")
    source = compile_model(path)
    name = name or re.sub(r"\W+", "_", path.stem).lower()
    folder = output_folder(out or name)
    card = folder / "card.yaml"
    if card.exists():
        raise UserError(f"{card}, which is there already", "a new folder", "choose another --out, or edit it")
    if ":" not in reference:
        reference = os.path.relpath(path.resolve(), folder.resolve())
    fields = first_card(source.model, reference, name, base)
    if fields["skin"] == "collision":
        del fields["skin"]
    card.write_text(card_text(fields, NOTE), encoding="utf-8")
    hand = from_card(read_card(card), folder)
    write_types(card, hand)
    draw(hand, folder / "hand.png")
    return card, check_card(card)


def fit_types(path: Path) -> HandModel:
    """Find a card's grasp types anew, those of the reference hand; types of its own stay as they are.

    Returns: the hand with them; they are in the card.
    """
    values = parse_card(path)
    if values.get("name") == REFERENCE:
        raise UserError(f"{REFERENCE}, whose types are the reference", "another hand", "edit its card")
    example = load_hand(REFERENCE)
    own = {k: v for k, v in (values.get("grasp_types") or {}).items() if k not in example.grasp_types}
    told = read_card(path)
    card = HandCard.model_validate({**told.model_dump(), "grasp_types": own})
    hand = from_card(card, path.parent)
    write_types(path, hand)
    return hand


def draw(hand: HandModel, path: Path) -> Path:
    """Write the hand's sheet there.

    Raises:
      UserError: a name that is no picture's.
    """
    known = Image.registered_extensions()
    if path.suffix.lower() not in known:
        raise UserError(f"{path}, no picture's name", "one that ends in .png or .jpg", "change --out")
    hand_sheet(hand).save(path)
    return path


# The way of a hand: pregrasp, grasp, squeeze, lift; joint trajectories in the robot's own joint order.
def joint_path(
    hand: HandModel,
    pregrasp: Float[np.ndarray, "n active"],
    grasp: Float[np.ndarray, "n active"],
    squeeze: Float[np.ndarray, "n active"],
    steps: int,
) -> Float[np.ndarray, "n times joints"]:
    """All joints of the model at 2 `steps` + 1 times, straight between the three poses.

    q(t) = A q_active(t) + b: followers and fixed joints are among them, so that a controller that knows only
    the model's joints can play it.

    Args:
      hand: whose `joint_names` give the order.
      pregrasp, grasp, squeeze: active joints, radians.
      steps: from one pose to the next.
    """
    t = np.linspace(0.0, 1.0, steps + 1)[None, :, None]
    closing = pregrasp[:, None] + t * (grasp - pregrasp)[:, None]
    pressing = grasp[:, None] + t[:, 1:] * (squeeze - grasp)[:, None]
    return np.concatenate([closing, pressing], axis=1) @ hand.coupling.T + hand.coupling_offset


def base_path(
    before: Float[np.ndarray, "n 7"], at: Float[np.ndarray, "n 7"], steps: int
) -> Float[np.ndarray, "n times 7"]:
    """The base link's poses at the times of `joint_path`: straight to the grasp, then still.

    p(t) = p_0 + t (p_1 - p_0), the turn by spherical interpolation.

    Args:
      before, at: xyz wxyz at the pregrasp and at the grasp, metres.
      steps: from one pose to the next.
    """
    t = np.linspace(0.0, 1.0, steps + 1)
    place = before[:, None, :3] + t[None, :, None] * (at - before)[:, None, :3]
    turns = [
        Slerp([0.0, 1.0], Rotation.from_quat(np.stack([a, b])[:, [4, 5, 6, 3]]))(t).as_quat()[:, [3, 0, 1, 2]]
        for a, b in zip(before, at, strict=True)
    ]
    coming = np.concatenate([place, np.array(turns).reshape(len(at), len(t), 4)], axis=2)
    return np.concatenate([coming, np.repeat(at[:, None], steps, axis=1)], axis=1)


def trajectories(path: str, steps: int = 10) -> dict[str, Any]:
    """Trajectories of every grasp with status "ok" whose closing was planned.

    Args:
      path: `grasps.parquet` or its folder.
      steps: from one pose to the next.
    Returns: `hand`, `joint_names` (the robot's own order), `base_link`, `stages` with the step each ends at,
      and by grasp `grasp_id`, `object_id`, `hand_pose` (xyz wxyz of the base link in the object frame,
      metres), `base_poses` [grasps, times, 7] (the same on the way) and `positions` [grasps, times, joints],
      radians.
    Raises:
      UserError: what the file lacks, or fewer than one step.
    """
    if steps < 1:
        raise UserError(f"--steps {steps}", "1 or more", "choose another --steps")
    grasps, info = load_grasps(Path(path).expanduser())
    hand = load_hand(info["hand"])
    order = joint_order(info["joint_names"], hand)
    planned = np.isfinite(grasps.pregrasp).all(axis=1) & np.isfinite(grasps.squeeze).all(axis=1)
    grasps = grasps.take(grasps.ok & planned)
    poses = [joints[:, order] for joints in (grasps.pregrasp, grasps.joints, grasps.squeeze)]
    known = np.isfinite(grasps.pregrasp_pose).all(axis=1, keepdims=True)
    before = np.where(known, grasps.pregrasp_pose, grasps.hand_pose)
    return {
        "hand": hand.name, "base_link": hand.link_names[0], "joint_names": list(hand.joint_names),
        "stages": {"pregrasp": 0, "grasp": steps, "squeeze": 2 * steps},
        "units": {"angle": "rad", "length": "m"},
        "grasp_id": list(grasps["grasp_id"]),
        "object_id": [grasps.tasks[task]["object_id"] for task in grasps.task_index],
        "hand_pose": grasps.hand_pose,
        "base_poses": base_path(before, grasps.hand_pose, steps),
        "positions": joint_path(hand, poses[0], poses[1], poses[2], steps),
    }  # fmt: skip


def write_trajectories(path: str, out: str, *, steps: int = 10) -> int:
    """Write `trajectories` as .npz or .json.

    Returns: how many.
    Raises:
      UserError: another suffix, a folder that can't be written, or what `trajectories` refuses.
    """
    file = Path(out).expanduser()
    if file.suffix not in (".npz", ".json"):
        raise UserError(f"--out {out}", "a name that ends in .npz or .json", "choose another --out")
    output_folder(str(file.parent))
    found = trajectories(path, steps)
    if file.suffix == ".npz":
        sink = io.BytesIO()
        stages = list(found["stages"].items())
        plain = {k: v for k, v in found.items() if k not in ("stages", "units")}
        np.savez_compressed(
            sink, allow_pickle=False, stage_names=np.array([n for n, _ in stages]),
            stage_ends=np.array([s for _, s in stages]), **{k: np.asarray(v) for k, v in plain.items()},
        )  # fmt: skip
        write_atomic(file, sink.getvalue())
    else:
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}
        write_atomic(file, json.dumps(plain, allow_nan=False).encode() + b"\n")
    return len(found["grasp_id"])


#: Value of the slider at which each stage is reached.
STAGES = {"pregrasp": 0.0, "grasp": 1.0, "squeeze": 2.0, "lift": 3.0}
#: How far the object and the hand go up, metres.
LIFT = 0.10


@dataclass(frozen=True)
class At:
    """A hand and an object at one time.

    Attributes:
      pose: xyz (metres) and wxyz of the hand's link 0 in the object frame.
      joints: active, radians; on the way to the squeeze the servos' targets, which the object resists.
      lift: metres that hand and object have gone up by.
      said: in words.
    """

    pose: Float[np.ndarray, " 7"]
    joints: Float[np.ndarray, " active"]
    lift: float
    said: str


def at_stage(grasps: GraspFile, row: int, time: float) -> At:
    """One grasp at a time of `STAGES`, straight between stages; a stage that the file lacks is the grasp.

    p(t) = p_0 + t (p_1 - p_0), the turn by spherical interpolation, q(t) = q_0 + t (q_1 - q_0).

    Args:
      grasps, row: which grasp.
      time: 0 pregrasp, 1 grasp, 2 squeeze, 3 lifted.
    """
    pose, joints = grasps.hand_pose[row], grasps.joints[row]
    before, squeeze = (
        q if np.isfinite(q).all() else joints for q in (grasps.pregrasp[row], grasps.squeeze[row])
    )
    away = pose if grasps.pregrasp_pose is None else grasps.pregrasp_pose[row]
    away = away if np.isfinite(away).all() else pose
    if time < 1.0:
        steps = 64
        way = base_path(away[None], pose[None], steps)[0]
        return At(
            way[round(steps * time)], before + time * (joints - before), 0.0, "coming" if time else "pregrasp"
        )
    press = min(time - 1.0, 1.0)
    up = LIFT * max(0.0, time - 2.0)
    said = "lifted, servos at the squeeze's targets" if up else "squeeze: servo targets" if press else "grasp"
    return At(pose, joints + press * (squeeze - joints), up, said)
