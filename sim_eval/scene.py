"""One scene for all backends: a hand of spheres, fixed or actuated, and a free object of convex pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import mujoco
import numpy as np
from jaxtyping import Float, Int

from sim_eval.simobject import SimObject
from sim_eval.solids import Inertial
from zdg_jax.hands.io.model_files import hand_source
from zdg_jax.hands.model import HandModel

# The actuated hand in a scene, built from the `HandModel`: links, limits, couplings, position servos.
#: Stands for the pieces in models whose contacts a backend finds itself.
PLACEHOLDER = 1e-3


@dataclass(frozen=True)
class HandScene:
    """A compiled scene with an actuated hand.

    Attributes:
      model: link 0 is the only mocap body, and the object is last.
      hinge: which of the hand's joints have a hinge in the model (those that can move at all).
      qpos_adr: where those stand in `qpos`; the object's pose is the last seven.
      dof_adr: where they stand in `qvel`.
      transmission: the hand's; actuators stand in its order.
    """

    model: mujoco.MjModel
    hinge: Int[np.ndarray, " hinges"]
    qpos_adr: Int[np.ndarray, " hinges"]
    dof_adr: Int[np.ndarray, " hinges"]
    transmission: Float[np.ndarray, "actuators active"]

    def targets(self, active: Float[np.ndarray, "*rows active"]) -> Float[np.ndarray, "*rows actuators"]:
        """MuJoCo's `ctrl` for active joint angles: T q, radians."""
        return np.asarray(active, np.float64) @ self.transmission.T

    def qpos(self, hand: HandModel, active: Float[np.ndarray, "n active"]) -> Float[np.ndarray, "n qpos"]:
        """Joint positions of the whole model, the object as posed, from active joint angles."""
        q = np.tile(self.model.qpos0, (len(active), 1))
        q[:, self.qpos_adr] = (active @ hand.coupling.T + hand.coupling_offset)[:, self.hinge]
        return q


@dataclass(frozen=True)
class _Dynamics:
    mass: np.ndarray
    com: np.ndarray
    quat: np.ndarray
    inertia: np.ndarray
    damping: np.ndarray
    armature: np.ndarray


def build_hand_scene(
    hand: HandModel,
    pieces: tuple[Float[np.ndarray, "_ 3"], ...],
    inertial: Inertial,
    params: SceneParams,
    change: Callable[[mujoco.MjSpec], object] = lambda _: None,
) -> HandScene:
    """Compile an actuated hand and an object.

    Masses, inertias, damping and armature of the links are those of the hand's own MJCF. Every actuator is a
    position servo, f = kp (target - T q) within +-torque, joint torques T^T f, kp and torque from the hand's
    card; T is the identity but where the card has tendons. Coupled joints follow by joint equalities. Joints
    that the card fixes at 0 are left out. The hand's own weight is not simulated: a controller would
    compensate it.

    Args:
      hand: any hand.
      pieces: of the object; none for a placeholder without collisions of its own.
      inertial: of the object.
      params: physics; its gravity is that of the object's surroundings and should be 0.
      change: told the specification before it is compiled.

    Raises:
      ValueError: MuJoCo refuses a piece, or the card fixes a joint elsewhere than at 0.
    """
    spec, dynamics = new_spec(params), _dynamics(hand)
    moves = np.asarray(hand.coupling.any(axis=1))
    if (hand.coupling_offset[~moves] != 0).any():
        raise ValueError("got a joint that is fixed elsewhere than at 0; expected 0, or a coupled joint")
    bodies: list[mujoco.MjsBody] = []
    for i, parent in enumerate(hand.link_parent):
        root = spec.worldbody if parent < 0 else bodies[parent]
        body = root.add_body(
            name=f"link{i}", pos=hand.p_parent_link[i] if i else np.zeros(3),
            quat=hand.q_parent_link[i] if i else np.array([1.0, 0.0, 0.0, 0.0]),
            mocap=parent < 0, mass=dynamics.mass[i], ipos=dynamics.com[i], iquat=dynamics.quat[i],
            inertia=dynamics.inertia[i], explicitinertial=True,
        )  # fmt: skip
        bodies.append(body)
        for j in np.flatnonzero((hand.joint_link == i) & moves):
            _add_hinge(body, hand, int(j), dynamics)
        for s in np.flatnonzero(hand.sphere_link == i):
            add_sphere(body, float(hand.sphere_radius[s]), params, hand.p_link_sphere[s].tolist())
    active = {name: k for k, name in enumerate(hand.active_names)}
    _add_servos(spec, hand)
    _add_couplings(spec, hand, active, moves)
    add_object(spec, pieces, inertial, params)
    if not pieces:
        spec.body("object").add_geom(
            type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[PLACEHOLDER, 0, 0], mass=0.0, contype=0, conaffinity=1,
            friction=list(params.friction), condim=params.condim,
        )  # fmt: skip
    change(spec)
    model = spec.compile()
    hinge = np.flatnonzero(moves)
    ids = [model.joint(hand.joint_names[j]).id for j in hinge]
    return HandScene(
        model, hinge, model.jnt_qposadr[ids].copy(), model.jnt_dofadr[ids].copy(), hand.transmission
    )


@lru_cache(maxsize=64)
def hand_scene(hand: HandModel, obj: SimObject, inertial_mass: float, params: SceneParams) -> HandScene:
    """`build_hand_scene` of a `SimObject`, kept."""
    from sim_eval.scene import scaled

    return build_hand_scene(hand, obj.pieces, scaled(obj.inertial, inertial_mass), params)


def _add_hinge(body: mujoco.MjsBody, hand: HandModel, j: int, dynamics: _Dynamics) -> None:
    name = hand.joint_names[j]
    joint = body.add_joint(
        name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=hand.joint_axis[j], pos=hand.p_link_joint[j],
        damping=[dynamics.damping[j], 0, 0] if _vector_damping() else dynamics.damping[j],
        armature=dynamics.armature[j],
    )  # fmt: skip
    if name in hand.active_names:
        k = hand.active_names.index(name)
        joint.limited = mujoco.mjtLimited.mjLIMITED_TRUE
        joint.range = [hand.lower[k], hand.upper[k]]


def _vector_damping() -> bool:
    """Newer MuJoCo stores polynomial damping of a joint, three numbers."""
    return np.ndim(mujoco.MjSpec().worldbody.add_body().add_joint().damping) > 0


def _add_servos(spec: mujoco.MjSpec, hand: HandModel) -> None:
    kp, most = hand.servo_kp, hand.servo_torque
    for name, arms in zip(hand.actuator_names, hand.transmission, strict=True):
        tendon = name not in hand.active_names
        if tendon:
            wrap = spec.add_tendon(name=name)
            for k in np.flatnonzero(arms):
                wrap.wrap_joint(hand.active_names[k], float(arms[k]))
        spec.add_actuator(
            name=name, target=name,
            trntype=mujoco.mjtTrn.mjTRN_TENDON if tendon else mujoco.mjtTrn.mjTRN_JOINT,
            gaintype=mujoco.mjtGain.mjGAIN_FIXED, biastype=mujoco.mjtBias.mjBIAS_AFFINE,
            gainprm=[kp] + [0.0] * 9, biasprm=[0.0, -kp] + [0.0] * 8, forcelimited=1,
            forcerange=[-most, most],
        )  # fmt: skip


def _add_couplings(spec: mujoco.MjSpec, hand: HandModel, active: dict[str, int], moves: np.ndarray) -> None:
    for j, name in enumerate(hand.joint_names):
        if name in active or not moves[j]:
            continue
        (k,) = np.flatnonzero(hand.coupling[j])  # a hand's load() knows no joint that follows several
        spec.add_equality(
            type=mujoco.mjtEq.mjEQ_JOINT, name1=name, name2=hand.active_names[k],
            objtype=mujoco.mjtObj.mjOBJ_JOINT,
            data=[hand.coupling_offset[j], hand.coupling[j, k]] + [0.0] * 10,
        )  # fmt: skip


@lru_cache(maxsize=8)
def _dynamics(hand: HandModel) -> _Dynamics:
    model = hand_source(hand).model  # as the hand was read: a URDF is not compiled as it stands
    body = [model.body(name).id for name in hand.link_names]
    dof = [int(model.joint(name).dofadr[0]) for name in hand.joint_names]
    damping = np.asarray(model.dof_damping).reshape(model.nv, -1)[:, 0]
    return _Dynamics(
        model.body_mass[body].copy(), model.body_ipos[body].copy(), model.body_iquat[body].copy(),
        model.body_inertia[body].copy(), damping[dof].copy(), model.dof_armature[dof].copy(),
    )  # fmt: skip


OBJECT_BODY = "object"
#: MuJoCo's own, for a contact's time constant and damping ratio, and its impedance.
SOLREF, SOLIMP = (0.02, 1.0), (0.9, 0.95, 0.001)
#: A pyramid with impratio 1 lets a held object creep.
IMPRATIO = 10.0


@dataclass(frozen=True)
class SceneParams:
    """Physics of a scene; a protocol fixes them.

    Attributes:
      timestep: seconds.
      gravity: m/s², world frame, +y up; acts on the object, never on the hand.
      friction: sliding, torsional (m), rolling (m); torsional and rolling act with condim 4 and 6 only.
      condim: 3 = sliding friction only, 4 = and about the normal.
      contact_tolerance: metres; a gap up to this counts as contact, but exerts no force.
      solref_hand, solimp_hand: of the hand's geoms, MuJoCo's meaning; a contact takes the mean with the
        object's.
    """

    timestep: float
    gravity: tuple[float, float, float]
    friction: tuple[float, float, float]
    condim: int = 3
    contact_tolerance: float = 0.0
    solref_hand: tuple[float, float] = SOLREF
    solimp_hand: tuple[float, float, float] = SOLIMP


@dataclass(frozen=True)
class Scene:
    """A compiled scene; the hand is data, so one model serves all grasps of an object.

    Attributes:
      model: the object's freejoint is its only joint; sphere i is the geom of mocap body i.
      inertial: what the object weighs.
      num_spheres: length of the hand's sphere list.
    """

    model: mujoco.MjModel
    inertial: Inertial
    num_spheres: int


def build_scene(
    sphere_radius: Float[np.ndarray, " spheres"],
    pieces: Sequence[Float[np.ndarray, "_ 3"]],
    inertial: Inertial,
    params: SceneParams,
) -> Scene:
    """Compile a fixed hand and an object with `mujoco.MjSpec`.

    One mocap body a sphere, not static geoms: MuJoCo sorts the geoms of a body into a fixed tree at
    compilation, whereas mocap positions may differ from grasp to grasp.

    Args:
      sphere_radius: metres, > 0.
      pieces: vertices of each convex piece in the object frame, metres.
      inertial: of the whole object.
      params: physics.

    Returns:
      The scene, hand at the origin, object's mesh where it was posed.

    Raises:
      ValueError: MuJoCo refuses a piece.
    """
    spec = new_spec(params)
    for i, radius in enumerate(sphere_radius):
        body = spec.worldbody.add_body(name=f"sphere{i}", mocap=True)
        add_sphere(body, float(radius), params)
    add_object(spec, pieces, inertial, params)
    return Scene(spec.compile(), inertial, len(sphere_radius))


def new_spec(params: SceneParams) -> mujoco.MjSpec:
    """An empty scene with a protocol's options. Only a hand and an object can touch in it."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = params.timestep
    spec.option.gravity = list(params.gravity)
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = IMPRATIO
    spec.option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)  # a burst must stay visible
    return spec


def add_sphere(
    body: mujoco.MjsBody, radius: float, params: SceneParams, pos: Sequence[float] = (0.0, 0.0, 0.0)
) -> None:
    """A sphere of the hand, without mass; it touches the object only."""
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[radius, 0, 0], pos=list(pos), mass=0.0,
        friction=list(params.friction), condim=params.condim, margin=0.0, gap=0.0, contype=1, conaffinity=0,
        solref=list(params.solref_hand), solimp=[*params.solimp_hand, 0.5, 2.0],
    )  # fmt: skip


def add_object(
    spec: mujoco.MjSpec, pieces: Sequence[Float[np.ndarray, "_ 3"]], inertial: Inertial, params: SceneParams
) -> None:
    """The free object; its geoms have no mass, the body has that of the whole mesh.

    Its frame sits at the centre of mass: MuJoCo integrates the frame's own way, so that a far-off origin
    would add an error of first order in the time step to a turning object.
    """
    body = spec.worldbody.add_body(
        name=OBJECT_BODY, pos=inertial.com, mass=inertial.mass, ipos=[0.0, 0.0, 0.0],
        fullinertia=_six(inertial.inertia), explicitinertial=True,
    )  # fmt: skip
    body.add_freejoint()
    for i, vertices in enumerate(pieces):
        mesh = spec.add_mesh(name=f"piece{i}")
        mesh.uservert = np.ascontiguousarray(vertices - inertial.com, np.float64).ravel()
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL  # thin pieces have no volume to speak of
        # the gap lists contacts that near, without force; a margin would push
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh.name, mass=0.0, margin=0.0,
            gap=params.contact_tolerance, friction=list(params.friction), condim=params.condim,
            contype=0, conaffinity=1,
        )  # fmt: skip


def scaled(inertial: Inertial, mass: float) -> Inertial:
    """The same body with another mass, kg."""
    return replace(inertial, mass=mass, inertia=inertial.inertia * (mass / inertial.mass))


def _six(inertia: Float[np.ndarray, "3 3"]) -> list[float]:
    """MuJoCo's order: xx yy zz xy xz yz."""
    return [float(inertia[i, j]) for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
