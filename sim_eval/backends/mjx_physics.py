"""One step of MJX for a hand of spheres and a free object whose shape is data.

MJX's own collision stage is replaced by `sphere_convex.touches`: it culls by bounding spheres about a piece's
middle (on a box, the spheres that touch it are not the nearest to its middle), reports no gaps, and takes the
face with the best axis for the nearest one. Its solver is replaced by `newton.solve`. The rest is MJX's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from sim_eval.backends import newton
from sim_eval.backends.sphere_convex import Touch, touches
from sim_eval.scene import (
    IMPRATIO,
    OBJECT_BODY,
    PLACEHOLDER,
    SOLIMP,
    SOLREF,
    HandScene,
    SceneParams,
    add_object,
    add_sphere,
    build_hand_scene,
    new_spec,
)
from sim_eval.simobject import SimObject
from sim_eval.solids import Inertial, Slots
from zdg_jax.hands.model import HandModel

#: Contacts of one grasp that can push.
CONTACTS = 32
_UNIT = Inertial(1.0, np.zeros(3), np.eye(3), "mesh")


class Bodies(NamedTuple):
    """Objects as data, all of 1 kg, stacked under one axis.

    A body's frame is that of its principal axes: MJX decides at compilation whether they differ (sameframe),
    and if not never looks at `body_iquat`, so that the axes of another object can't be data.

    Attributes:
      slots: pieces in the frame of the principal axes at the centre of mass.
      inertia: principal moments, kg m².
      axes: that frame in the object's, wxyz.
      com: centre of mass in the object's frame, metres.
    """

    slots: Slots
    inertia: Float[np.ndarray | Array, "*objects 3"]
    axes: Float[np.ndarray | Array, "*objects 4"]
    com: Float[np.ndarray | Array, "*objects 3"]


class State(NamedTuple):
    """What is carried from step to step."""

    qpos: Float[np.ndarray | Array, "*rows qpos"]
    qvel: Float[np.ndarray | Array, "*rows dofs"]
    warm: Float[np.ndarray | Array, "*rows dofs"]


class Seen(NamedTuple):
    """What is looked at: see `Rollout`."""

    com: Float[np.ndarray | Array, "*rows 3"]
    quat: Float[np.ndarray | Array, "*rows 4"]
    touching: np.ndarray | Array
    depth: np.ndarray | Array


def stack_bodies(objects: tuple[SimObject, ...], room: int) -> Bodies:
    """Objects as arrays of `room` rows; the last rows repeat the first object."""
    rows = [_row(o) for o in objects]
    rows += [rows[0]] * (room - len(rows))
    slots = Slots(*(np.stack(x).astype(np.float32) for x in zip(*(r[0] for r in rows), strict=True)))
    inertia, axes, com = (np.stack([r[k] for r in rows]).astype(np.float32) for k in (1, 2, 3))
    return Bodies(slots, inertia, axes, com)  # type: ignore[arg-type]


@lru_cache(maxsize=512)
def _row(obj: SimObject) -> tuple[Slots, np.ndarray, np.ndarray, np.ndarray]:
    inertial, slots = obj.inertial, obj.slots
    moments, R = np.linalg.eigh(inertial.inertia)
    R[:, 2] *= np.sign(np.linalg.det(R))
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, R.ravel())
    turned = Slots(slots.normal @ R, slots.offset, slots.corner @ R)
    return turned, moments / inertial.mass, quat, inertial.com


@dataclass(frozen=True, eq=False)
class Physics:
    """A template model on the device and how to step it.

    Attributes:
      model, data: MJX's, of a placeholder object.
      scene: names the joints of an actuated hand; None for a fixed one.
      sphere_geom: geom of each of the hand's spheres; for a fixed hand any geom of the world.
      params: physics.
      mass: of the object, kg.
    """

    model: Any
    data: Any
    scene: HandScene | None
    sphere_radius: Float[np.ndarray, " spheres"]
    sphere_geom: np.ndarray
    params: SceneParams
    mass: float
    contacts: int

    def body(self) -> int:
        """Number of the object's body; it is the last."""
        return self.model.nbody - 1

    def with_object(self, model: Any, bodies: Bodies) -> Any:
        """The model with another object's inertia."""
        b = self.body()
        inertia = self.mass * bodies.inertia
        weight = jnp.stack([jnp.float32(1.0 / self.mass), jnp.mean(1.0 / inertia)])
        return model.replace(
            body_mass=model.body_mass.at[b].set(self.mass),
            body_inertia=model.body_inertia.at[b].set(inertia),
            body_invweight0=model.body_invweight0.at[b].set(weight),
        )

    def forward(
        self, model: Any, data: Any, bodies: Bodies, spheres: Float[Array, "spheres 3"] | None
    ) -> tuple[Any, Seen]:
        """Forces and accelerations of a state, and what is seen of it."""
        mjx = import_mjx()
        d = mjx.kinematics(model, data)
        seen, touch = self.look(d, bodies, spheres)
        d = mjx.tendon(model, mjx.com_pos(model, d))
        d = mjx.factor_m(model, mjx.crb(model, d))
        d = d.tree_replace({"_impl.contact": self._contact(d, touch)})
        d = mjx.transmission(model, mjx.make_constraint(model, d))
        d = mjx.fwd_acceleration(model, mjx.fwd_actuation(model, mjx.fwd_velocity(model, d)))
        qacc, pull = newton.solve(newton.problem(model, d, mjx.full_m(model, d)), d.qacc_warmstart)
        return d.replace(qacc=qacc, qfrc_constraint=pull), seen

    def look(self, d: Any, bodies: Bodies, spheres: Float[Array, "spheres 3"] | None) -> tuple[Seen, Touch]:
        """Contacts of a state; spheres None: those of the actuated hand. Contacts are in the world frame."""
        b = self.body()
        at, R = d.xpos[b], d.xmat[b]
        centre = d.geom_xpos[self.sphere_geom] if spheres is None else spheres
        high = jax.lax.Precision.HIGHEST
        local = jnp.matmul(centre - at[None], R, precision=high)
        touch = touches(local, jnp.asarray(self.sphere_radius, jnp.float32), bodies.slots, self.contacts)
        touch = touch._replace(
            pos=jnp.matmul(touch.pos, R.T, precision=high) + at[None],
            normal=jnp.matmul(touch.normal, R.T, precision=high),
        )
        nearest = jnp.min(touch.dist)
        turn = _times(d.xquat[b], jnp.asarray(bodies.axes) * jnp.array([1.0, -1.0, -1.0, -1.0]))
        seen = Seen(at, turn, nearest <= self.params.contact_tolerance, jnp.maximum(-nearest, 0.0))
        return seen, touch

    def _contact(self, d: Any, touch: Touch) -> Any:
        n, p = self.contacts, self.params
        slide, spin, roll = p.friction
        solref = np.mean([p.solref_hand, SOLREF], axis=0)
        solimp = np.append(np.mean([p.solimp_hand, SOLIMP], axis=0), [0.5, 2.0])
        geom1 = jnp.asarray(self.sphere_geom)[touch.sphere]
        geom2 = jnp.full(n, self.model.ngeom - 1)

        def rows(values: Any) -> Array:
            return jnp.tile(jnp.asarray(values, jnp.float32)[None], (n, 1))

        return d._impl.contact.replace(
            dist=touch.dist, pos=touch.pos, frame=jax.vmap(_frame)(touch.normal), includemargin=jnp.zeros(n),
            friction=rows([slide, slide, spin, roll, roll]), solref=rows(solref),
            solreffriction=jnp.zeros((n, 2)), solimp=rows(solimp),
            geom1=geom1, geom2=geom2, geom=jnp.stack([geom1, geom2], axis=1),
        )  # fmt: skip


@lru_cache(maxsize=8)
def fixed_physics(radius: tuple[float, ...], params: SceneParams, mass: float) -> Physics:
    """For `Drop`: spheres stand in the world; the model knows only as many as there can be contacts."""
    contacts = min(CONTACTS, 4 * len(radius))
    spec = _limited(new_spec(params), contacts)
    for _ in range(contacts):
        add_sphere(spec.worldbody, 0.01, params)
    add_object(spec, (), _UNIT, params)
    spec.body(OBJECT_BODY).add_geom(
        type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[PLACEHOLDER, 0, 0], mass=0.0, contype=0, conaffinity=1,
        condim=params.condim,
    )  # fmt: skip
    return _physics(
        spec.compile(), None, np.array(radius), np.zeros(len(radius), int), params, mass, contacts
    )


@lru_cache(maxsize=8)
def hand_physics(hand: HandModel, params: SceneParams, mass: float) -> Physics:
    """For `Hold`: an actuated hand."""
    contacts = min(CONTACTS, len(hand.sphere_radius))
    scene = build_hand_scene(hand, (), _UNIT, params, lambda spec: _limited(spec, contacts))
    order = np.argsort(hand.sphere_link, kind="stable")  # geoms stand by link
    geom = np.empty(len(order), int)
    geom[order] = np.arange(len(order))
    return _physics(scene.model, scene, hand.sphere_radius, geom, params, mass, contacts)


def _limited(spec: mujoco.MjSpec, contacts: int) -> mujoco.MjSpec:
    spec.add_numeric(name="max_contact_points", data=[contacts])
    spec.option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    return spec


def _physics(
    model: mujoco.MjModel, scene: HandScene | None, radius: np.ndarray, geom: np.ndarray, params: SceneParams,
    mass: float, contacts: int,
) -> Physics:  # fmt: skip
    mjx = import_mjx()
    assert model.opt.impratio == IMPRATIO
    with jax.numpy_rank_promotion("allow"):
        m, d = mjx.put_model(model, impl="jax"), mjx.make_data(model, impl="jax")
    return Physics(m, d, scene, np.asarray(radius, np.float32), geom, params, mass, contacts)


def traced(f: Callable) -> Callable:
    """Trace with full precision (a GPU would round products to three digits) and MJX's loose ranks."""

    def g(*args: Any) -> Any:
        with jax.default_matmul_precision("highest"), jax.numpy_rank_promotion("allow"):
            return f(*args)

    return g


def _times(a: Float[Array, "4"], b: Float[Array, "4"]) -> Float[Array, "4"]:
    """Product of two quaternions."""
    u, v = a[1:], b[1:]
    w = a[0] * b[0] - jnp.sum(u * v)
    return jnp.concatenate([w[None], a[0] * v + b[0] * u + jnp.cross(u, v)])


def _frame(normal: Float[Array, "3"]) -> Float[Array, "3 3"]:
    """Rows: normal, two tangents, chosen as C MuJoCo does."""
    y, z = jnp.array([0.0, 1.0, 0.0]), jnp.array([0.0, 0.0, 1.0])
    t = jnp.where((normal[1] > -0.5) & (normal[1] < 0.5), y, z)
    t = t - normal * jnp.sum(normal * t)
    t = t / jnp.linalg.norm(t)
    return jnp.stack([normal, t, jnp.cross(normal, t)])


def import_mjx() -> Any:
    """`mujoco.mjx`, without its remarks on what else could be installed."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):  # it prints that warp is missing
        from mujoco import mjx
    return mjx
