"""One scene for all backends: a hand of spheres, fixed or actuated, and a free object of convex pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import mujoco
import numpy as np
from jaxtyping import Float

from sim_eval.solids import Inertial

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
