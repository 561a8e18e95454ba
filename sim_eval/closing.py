"""Close an actuated hand on an object in C MuJoCo until nothing moves: a grasp in balance of forces.

A refined grasp touches where it may, but nothing balances it: what touches first pushes the object away.
Here the finger pads press along their normals while the object stands in a thick fluid that thins out, so
that all fingers arrive before it gives way, and it gives way only as far as balance asks. The idea is that of
GraspIt!'s autograsp (Miller and Allen 2004: close each finger until contact), with forces in place of contact
flags.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import mujoco
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import Rotation

from sim_eval.hand_scene import BASE_BODY, HandScene, build_hand_scene
from sim_eval.protocols import six_force
from sim_eval.scene import OBJECT_BODY, scaled
from sim_eval.simobject import SimObject
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.transmission import actuator_force, drawn_joints


@dataclass(frozen=True)
class ClosingParams:
    """How the hand closes.

    Attributes:
      force: newtons that all pads but the thumb's press with together, and the thumb's alone.
      flex: of the way from the stretched hand, added to the targets: all joints close, not the pads alone.
      opening: share of the way back to the stretched hand at which the hand starts.
      seat: newtons that push the object into the palm until the last `loose` stages.
      drag: kg/s, of the object's translation, stage by stage; its rotation has drag times `arm` squared.
      thick: kg/s, the drag while the force goes.
      arm: metres.
      stairs, steps: of each stage; joint targets follow the hand once a stair.
      light: share of the force that is left in the grasp itself; the squeeze has all of it.
      relaxing: stairs in which it goes.
      pregrasp: share of the way from the grasp to the stretched hand. More of it and the fingers arrive one
        after the other and roll the object.
      rest: m/s and rad/s; an object faster than this at the end is not held.
    """

    force: float = 20.0
    flex: float = 0.1
    opening: float = 0.5
    seat: float = 30.0
    loose: int = 8
    drag: tuple[float, ...] = (300.0, 300.0, 1000.0, 1000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 0.0)
    thick: float = 1000.0
    arm: float = 0.03
    stairs: int = 5
    steps: int = 10
    light: float = 0.02
    relaxing: int = 15
    pregrasp: float = 0.03
    rest: float = 0.5


@dataclass(frozen=True)
class Closed:
    """One row a grasp; rows that are not `held` are NaN.

    Attributes:
      hand_pose: xyz (metres) and wxyz of link 0 in the object frame, where the object has come to rest.
      joints: active joint angles with a light touch, radians.
      pregrasp: joints opened by a little, radians.
      squeeze: joint targets that press with all of the force, radians.
      held: at least two links touch and the object rests.
      links: how many links touch.
    """

    hand_pose: Float[np.ndarray, "n 7"]
    joints: Float[np.ndarray, "n active"]
    pregrasp: Float[np.ndarray, "n active"]
    squeeze: Float[np.ndarray, "n active"]
    held: Bool[np.ndarray, " n"]
    links: Int[np.ndarray, " n"]


def close_hand(
    hand: HandModel,
    obj: SimObject,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    params: ClosingParams | None = None,
    threads: int = 1,
) -> Closed:
    """Close the hand from given joints; object, friction and contacts are those of `six_force`.

    Each stair the servos' targets are T q + f / kp, T^T f nearest to tau = sum_k F_k J_k^T n_k over the
    finger pads, n_k a pad's outward normal: position servos as force control.

    Args:
      hand: its pads and servos; the base stands still, and the thumb can't pass through other fingers.
      obj: cut as C MuJoCo wants it.
      hand_pose: xyz (metres) and wxyz of link 0 in the object frame.
      joints: where the hand starts, radians.
      params: see `ClosingParams`.
      threads: rows are dealt to so many; the result doesn't depend on it.
    """
    params = params or ClosingParams()
    scene = _scene(hand, obj)
    n, active = joints.shape
    blank = np.full((n, active), np.nan)
    out = Closed(
        np.full((n, 7), np.nan), blank, blank.copy(), blank.copy(), np.zeros(n, bool), np.zeros(n, int)
    )
    threads = max(1, min(threads, n))

    def work(first: int) -> None:
        model = copy.copy(scene.model)
        data = mujoco.MjData(model)
        for row in range(first, n, threads):
            if np.isfinite(hand_pose[row]).all() and np.isfinite(joints[row]).all():
                _close_one(hand, obj, scene, model, data, hand_pose[row], joints[row], params, out, row)

    mujoco.set_mju_user_warning(lambda _: None)
    if threads == 1:
        work(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
    return out


@lru_cache(maxsize=16)
def _scene(hand: HandModel, obj: SimObject) -> HandScene:
    """That of `six_force`, but the thumb does not pass through other fingers."""
    names = {f"link{i}": f for i, f in enumerate(hand.link_finger)}

    def collide(spec: mujoco.MjSpec) -> None:
        for name, f in names.items():
            for geom in spec.body(name).geoms:
                geom.contype |= 2 * (f == hand.thumb)
                geom.conaffinity |= 2 * (f >= 0 and f != hand.thumb)

    inertial = scaled(obj.inertial, six_force.MASS)
    return build_hand_scene(hand, obj.pieces, inertial, six_force.PARAMS, collide)


def _close_one(
    hand: HandModel,
    obj: SimObject,
    scene: HandScene,
    model: mujoco.MjModel,
    data: mujoco.MjData,
    pose: np.ndarray,
    start: np.ndarray,
    params: ClosingParams,
    out: Closed,
    row: int,
) -> None:
    base, body = model.body(BASE_BODY).id, model.body(OBJECT_BODY).id
    dof = int(model.jnt_dofadr[model.body_jntadr[body]])
    free = slice(dof, dof + 6)
    model.body_pos[base], model.body_quat[base] = pose[:3], pose[3:] / np.linalg.norm(pose[3:])
    mujoco.mj_resetData(model, data)
    opened = start + params.opening * (hand.open_joints - start)
    data.qpos[:] = scene.qpos(hand, opened[None])[0]
    d_palm = Rotation.from_quat(pose[3:], scalar_first=True).apply(hand.R_base_palm[:, 2])
    torque = _pad_torque(hand, scene, model, data, params.force)
    flex = params.flex * hand.servo_kp * (start - hand.open_joints)
    for stage, drag in enumerate(params.drag):
        seated = stage < len(params.drag) - params.loose
        data.xfrc_applied[body, :3] = -params.seat * seated * d_palm
        model.dof_damping[free] = np.repeat([drag, drag * params.arm**2], 3)
        for _ in range(params.stairs):
            target = _press(hand, scene, data, torque() + flex, 1.0)
            mujoco.mj_step(model, data, params.steps)
    squeeze = target
    rests = bool(np.abs(data.qvel[free]).max() < params.rest)
    model.dof_damping[free] = np.repeat([params.thick, params.thick * params.arm**2], 3)
    for _ in range(params.relaxing):
        _press(hand, scene, data, torque() + flex, params.light)
        mujoco.mj_step(model, data, params.steps)
    mujoco.mj_forward(model, data)
    pairs = model.geom_bodyid[data.contact.geom].reshape(-1, 2)
    touching = set(pairs[(pairs == body).any(axis=1)].ravel().tolist()) - {body}
    if not (rests and len(touching) >= 2 and np.isfinite(data.qpos).all()):
        return
    R = data.xmat[body].reshape(3, 3)
    turn = (Rotation.from_matrix(R).inv() * Rotation.from_quat(pose[3:], scalar_first=True)).as_quat(
        scalar_first=True
    )
    out.hand_pose[row] = np.r_[R.T @ (pose[:3] - data.xpos[body]) + obj.inertial.com, turn]
    out.joints[row] = _active(hand, scene, data)
    out.pregrasp[row] = out.joints[row] + params.pregrasp * (hand.open_joints - out.joints[row])
    out.squeeze[row], out.held[row], out.links[row] = squeeze, True, len(touching)


def _pad_torque(
    hand: HandModel, scene: HandScene, model: mujoco.MjModel, data: mujoco.MjData, force: float
) -> Callable[[], Float[np.ndarray, " active"]]:
    """tau of every active joint as the hand stands in `data`."""
    thumb = hand.link_finger[hand.pad_link] == hand.thumb
    share = np.where(thumb, 1.0 / max(thumb.sum(), 1), 1.0 / max((~thumb).sum(), 1)) * force
    bodies = [model.body(f"link{link}").id for link in hand.pad_link]
    coupling = hand.coupling[scene.hinge]
    jacobian = np.zeros((3, model.nv))

    def torque() -> np.ndarray:
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        hinge = np.zeros(len(scene.hinge))
        for body, p, n, f in zip(bodies, hand.p_link_pad, hand.n_link_pad, share, strict=True):
            R = data.xmat[body].reshape(3, 3)
            mujoco.mj_jac(model, data, jacobian, None, data.xpos[body] + R @ p, body)
            hinge += f * jacobian[:, scene.dof_adr].T @ (R @ n)
        return coupling.T @ hinge

    return torque


def _press(
    hand: HandModel, scene: HandScene, data: mujoco.MjData, torque: np.ndarray, share: float
) -> Float[np.ndarray, " active"]:
    """Set the servos' targets to T q + share f / kp; returns the joint angles that stand for them."""
    force = actuator_force(hand, share * torque)
    target = drawn_joints(hand, _active(hand, scene, data), force / hand.servo_kp)
    data.ctrl[:] = scene.targets(target)
    return target


def _active(hand: HandModel, scene: HandScene, data: mujoco.MjData) -> Float[np.ndarray, " active"]:
    """Active joint angles, within limits."""
    hinge = dict(zip((hand.joint_names[j] for j in scene.hinge), data.qpos[scene.qpos_adr], strict=True))
    return np.clip([hinge.get(name, 0.0) for name in hand.active_names], hand.lower, hand.upper)
