"""GraspTTA's gravity test in PyBullet: an engine, contact model and hand shape that share nothing with ours.

Constants as in Hasson et al. 2019 and GraspTTA: 1/240 s, 35 steps, 150 solver iterations, friction 3 on both,
restitution 0.5 (object) and 0 (hand), 1 kg, 9.8 m/s²; the hand is a static concave mesh, the object a
compound of convex hulls. Bullet multiplies the two frictions: 9.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pybullet as p
from scipy.spatial import ConvexHull

STEPS, TIMESTEP, ITERATIONS = 35, 1.0 / 240.0, 150


class Bullet:
    """One physics server.

    Args:
      pieces: vertices of the object's convex pieces, object frame, metres.
      centre: the object's centre of mass; GraspTTA takes the mean of the mesh's vertices.
      restitution: of the object.
      inertia: principal moments about `centre` along the axes of the frame; Bullet's own (of a box) if None.
      margin: collision margin of both shapes, metres; PyBullet's own if None.
    """

    def __init__(
        self,
        pieces: Sequence[np.ndarray],
        centre: np.ndarray,
        *,
        restitution: float = 0.5,
        inertia: np.ndarray | None = None,
        margin: float | None = None,
    ) -> None:
        self.client = p.connect(p.DIRECT)
        self.pieces, self.centre, self.inertia = pieces, np.asarray(centre), inertia
        self.restitution, self.margin = restitution, margin

    def close(self) -> None:
        p.disconnect(self.client)

    def drop(self, hand_vertices: np.ndarray, hand_faces: np.ndarray) -> tuple[float, bool]:
        """Way of the object, metres, and whether they touched after every step; hand a surface."""
        with tempfile.TemporaryDirectory() as folder:
            hand, thing = Path(folder) / "hand.obj", Path(folder) / "object.obj"
            _write(hand, [(hand_vertices, hand_faces)])
            shape = self._start(
                lambda: p.createCollisionShape(
                    p.GEOM_MESH,
                    fileName=str(hand),
                    flags=p.GEOM_FORCE_CONCAVE_TRIMESH,
                    physicsClientId=self.client,
                )
            )
            return self._run(shape, thing)

    def drop_spheres(self, centres: np.ndarray, radii: np.ndarray) -> tuple[float, bool]:
        """The same with a hand of spheres, as MuJoCo has it."""
        with tempfile.TemporaryDirectory() as folder:
            bodies = self._start(
                lambda: [
                    (p.createCollisionShape(p.GEOM_SPHERE, radius=float(r), physicsClientId=self.client), c)
                    for c, r in zip(centres, radii, strict=True)
                ]
            )
            return self._run(bodies, Path(folder) / "object.obj")

    def _start(self, hand):
        p.resetSimulation(physicsClientId=self.client)
        p.setPhysicsEngineParameter(
            enableFileCaching=0,
            numSolverIterations=ITERATIONS,
            fixedTimeStep=TIMESTEP,
            physicsClientId=self.client,
        )
        p.setGravity(0, -9.8, 0, physicsClientId=self.client)
        return hand()

    def _run(self, hand, thing: Path) -> tuple[float, bool]:
        places = hand if isinstance(hand, list) else [(hand, np.zeros(3))]
        static = [
            p.createMultiBody(0, shape, basePosition=list(at), physicsClientId=self.client)
            for shape, at in places
        ]
        for body in static:
            self._surface(body, 0.0)
        _write(thing, [_hull(piece - self.centre) for piece in self.pieces])
        shape = p.createCollisionShape(p.GEOM_MESH, fileName=str(thing), physicsClientId=self.client)
        body = p.createMultiBody(1.0, shape, basePosition=list(self.centre), physicsClientId=self.client)
        self._surface(body, self.restitution)
        if self.inertia is not None:
            p.changeDynamics(body, -1, localInertiaDiagonal=list(self.inertia), physicsClientId=self.client)
        touched = True
        for _ in range(STEPS):
            p.stepSimulation(physicsClientId=self.client)
            touched &= bool(p.getContactPoints(bodyA=body, physicsClientId=self.client))
        end = p.getBasePositionAndOrientation(body, physicsClientId=self.client)[0]
        return float(np.linalg.norm(np.array(end) - self.centre)), touched

    def _surface(self, body: int, restitution: float) -> None:
        margin = {} if self.margin is None else {"collisionMargin": self.margin}
        p.changeDynamics(
            body, -1, lateralFriction=3.0, restitution=restitution, physicsClientId=self.client, **margin
        )


def _hull(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hull = ConvexHull(points)
    order = {v: i for i, v in enumerate(hull.vertices)}
    faces = np.array([[order[v] for v in f] for f in hull.simplices])
    corners = points[hull.simplices]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flip = np.sum(normal * hull.equations[:, :3], axis=1) < 0
    faces[flip] = faces[flip][:, ::-1]
    return points[hull.vertices], faces


def _write(path: Path, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    lines, offset = [], 1
    for number, (vertices, faces) in enumerate(parts):
        lines.append(f"o part{number}")
        lines += [f"v {x:.9f} {y:.9f} {z:.9f}" for x, y, z in vertices]
        lines += [f"f {a} {b} {c}" for a, b, c in np.asarray(faces) + offset]
        offset += len(vertices)
    path.write_text("\n".join(lines) + "\n")
