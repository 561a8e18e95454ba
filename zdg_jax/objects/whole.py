"""What a mesh must be as a whole once all is mended, and how its closed shells lie in each other."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from manifold3d import Error, Manifold, Mesh64, OpType
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from zdg_jax.errors import UserError
from zdg_jax.objects.sdf.mesh_distance import winding_number


# The outer boundary of shells that overlap or lie in each other: CAD assemblies, ribs inside a case.
def outer_boundary(mesh: trimesh.Trimesh, label: Int[np.ndarray, " faces"]) -> trimesh.Trimesh | None:
    """Surface of the union of closed shells, ∂(∪_k S_k).

    Args:
      mesh: closed.
      label: the shell of each face, from 0.

    Returns:
      The surface; None for one shell, or where a shell faces inward (a cavity, by whose side alone can be
      told what lies in it), or bounds no solid.
    """
    count = int(label.max(initial=0)) + 1
    if count < 2:
        return None
    shells = [_solid(mesh, label == k) for k in range(count)]
    if any(shell is None for shell in shells):
        return None
    union = Manifold.batch_boolean([shell for shell in shells if shell is not None], OpType.Add)
    if union.status() != Error.NoError or union.is_empty():
        return None
    surface = union.to_mesh64()
    vertices, faces = np.asarray(surface.vert_properties)[:, :3], np.asarray(surface.tri_verts)
    return trimesh.Trimesh(vertices.astype(np.float64), faces.astype(np.int64), process=False)


def _solid(mesh: trimesh.Trimesh, chosen: np.ndarray) -> Manifold | None:
    used, faces = np.unique(np.asarray(mesh.faces)[chosen], return_inverse=True)
    vertices = np.ascontiguousarray(np.asarray(mesh.vertices)[used], np.float64)
    solid = Manifold(Mesh64(vertices, np.ascontiguousarray(faces.reshape(-1, 3), np.uint64)))
    return solid if solid.status() == Error.NoError and solid.volume() > 0 else None


MIN_THICKNESS = 5e-5  # metres; thinner things have no inside at the fields' resolution
HOLLOW = 1e-6  # of the oriented box: a closed surface around less encloses nothing
SOUP = 0.5  # share of the surface in single faces
FAR = 100.0  # metres from the origin: there float32 still keeps 8 micrometres
APART = 0.005  # metres between the boxes of pieces that are surely no one thing
MANY = 500  # loose pieces whose boxes are compared
BURIED = 0.05  # share of the surface inside the object that is told
_NUM_PROBES, _PROBE = 2000, 1e-4  # places looked at, and how far in front of them, over the diagonal


def moved_home(mesh: trimesh.Trimesh, warnings: list[str]) -> trimesh.Trimesh:
    """A mesh that lies far from its origin, moved there; others as they are.

    Args:
      mesh: metres, finite.
      warnings: told by how much, so that positions can be moved back.
    """
    centre = np.round(mesh.bounds.mean(axis=0), 3)
    if np.linalg.norm(centre) <= FAR:
        return mesh
    x, y, z = centre.tolist()
    warnings.append(
        f"its origin is {np.linalg.norm(centre):.0f} m away; moved to the middle: add ({x}, {y}, {z}) m to "
        "positions to get the file's own (turned to +y up)"
    )
    return trimesh.Trimesh(np.asarray(mesh.vertices) - centre, mesh.faces, process=False)


def without_doubles(mesh: trimesh.Trimesh, warnings: list[str]) -> trimesh.Trimesh:
    """Each face once: a face that stands there twice, wound alike, counts its mass twice."""
    faces = np.asarray(mesh.faces)
    first = faces.argmin(axis=1)
    turned = faces[np.arange(len(faces))[:, None], (first[:, None] + np.arange(3)) % 3]
    _, kept = np.unique(turned, axis=0, return_index=True)
    doubled = len(faces) - len(kept)
    if not doubled:
        return mesh
    warnings.append(f"dropped {doubled} faces that were there twice")
    return trimesh.Trimesh(mesh.vertices, faces[np.sort(kept)], process=False)


def check_whole(mesh: trimesh.Trimesh, label: str, is_closed: bool) -> None:
    """Whether there is a body at all.

    Args:
      mesh: mended, metres.
      label: for messages.
      is_closed: no open edge remains.

    Raises:
      UserError: flat, around nothing, or faces that hang together nowhere.
    """
    points = np.asarray(mesh.vertices)[np.unique(mesh.faces)]
    centred = points - points.mean(axis=0)
    axes = np.linalg.svd(centred.T @ centred)[0]
    extents = np.ptp(centred @ axes, axis=0)
    if len(points) < 4 or extents.min() < MIN_THICKNESS:
        size = " x ".join(f"{1e3 * e:.3g}" for e in extents)
        raise UserError(
            f"{label}, a flat mesh of {size} mm",
            f"a body, {1e3 * MIN_THICKNESS:g} mm thick or more",
            "give it a thickness",
        )
    if is_closed and abs(enclosed(mesh)) < HOLLOW * extents.prod():
        raise UserError(
            f"{label}, a closed surface around no volume", "a body", "export one side of each surface only"
        )


def check_soup(mesh: trimesh.Trimesh, label: str, num_faces: Int[np.ndarray, " faces"]) -> None:
    """Raises UserError if most of the surface is single faces; `num_faces` is that of each face's piece."""
    alone = float(mesh.area_faces[num_faces <= 1].sum() / mesh.area)
    if alone > SOUP:
        raise UserError(
            f"{label}, whose faces hang together nowhere ({100 * alone:.0f} % of the surface)",
            "faces that share vertices", "export it as one surface",
        )  # fmt: skip


def outward(
    mesh: trimesh.Trimesh, label: Int[np.ndarray, " faces"], is_open: Bool[np.ndarray, " pieces"]
) -> tuple[trimesh.Trimesh, int]:
    """Each closed shell that lies in no other, turned so that it encloses a positive volume.

    A shell inside another may be a cavity, or a part; it stays as it is.

    Args:
      mesh: metres.
      label: the piece of each face.
      is_open: pieces that are not closed; they stay too.

    Returns:
      (the mesh, how many shells were turned).
    """
    faces = np.array(mesh.faces)
    vertices = np.asarray(mesh.vertices) - mesh.bounds.mean(axis=0)
    volume = np.bincount(label, weights=_signed(vertices[faces]), minlength=len(is_open))
    turned = [
        k
        for k in np.flatnonzero((volume < 0) & ~is_open)
        if not _inside_another(vertices, faces, label, volume, int(k))
    ]
    flipped = np.isin(label, turned)
    faces[flipped] = faces[flipped][:, ::-1]
    return trimesh.Trimesh(mesh.vertices, faces, process=False), len(turned)


def buried_share(mesh: trimesh.Trimesh) -> float:
    """Share of the surface in front of which there is still object: inner walls, shells in shells.

    Args:
      mesh: closed, faces outward.
    """
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(mesh.faces), _NUM_PROBES, p=mesh.area_faces / mesh.area)
    weights = rng.dirichlet(np.ones(3), _NUM_PROBES)  # anywhere on a face: half of a large one may be buried
    points = np.einsum("pc,pci->pi", weights, mesh.triangles[chosen])
    ahead = points + _PROBE * mesh.scale * mesh.face_normals[chosen]
    return float((winding_number(np.asarray(mesh.vertices), np.asarray(mesh.faces), ahead) > 0.5).mean())


def _inside_another(
    vertices: Float[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "m 3"],
    label: Int[np.ndarray, " m"],
    volume: Float[np.ndarray, " pieces"],
    piece: int,
) -> bool:
    points = vertices[np.unique(faces[label == piece])]
    points = points[:: max(1, len(points) // 64)]
    for other in np.flatnonzero(np.abs(volume) > np.abs(volume[piece])):
        theirs = faces[label == other]
        corners = vertices[np.unique(theirs)]
        if (corners.min(axis=0) <= points.min(axis=0)).all() and (
            points.max(axis=0) <= corners.max(axis=0)
        ).all():
            round_it = np.abs(winding_number(vertices, theirs, points))
            if (round_it > 0.5).all():
                return True
    return False


def _signed(corners: Float[np.ndarray, "faces 3 3"]) -> Float[np.ndarray, " faces"]:
    return np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6.0


def enclosed(mesh: trimesh.Trimesh) -> float:
    """Signed volume, cubic metres, about the middle, so that open meshes get a sensible one."""
    centred = np.asarray(mesh.vertices) - mesh.bounds.mean(axis=0)
    return float(_signed(centred[mesh.faces]).sum())


def num_apart(mesh: trimesh.Trimesh, label: Int[np.ndarray, " faces"]) -> int:
    """Groups of loose pieces that can't touch: their boxes along the axes are more than `APART` apart.

    Args:
      mesh: metres.
      label: the piece of each face, from 0.
    """
    count = int(label.max()) + 1
    if count > MANY:  # tiles, bristles, grains
        return 1
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    corners = mesh.vertices[mesh.faces]
    np.minimum.at(low, label, corners.min(axis=1))
    np.maximum.at(high, label, corners.max(axis=1))
    near = (np.maximum(low[:, None] - high, low - high[:, None]) <= APART).all(axis=-1)
    return int(connected_components(coo_array(near), directed=False)[0])
