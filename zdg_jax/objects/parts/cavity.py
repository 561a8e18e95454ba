"""The inside of open vessels: mugs, bowls, cups."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool, Float

from zdg_jax.objects.parts.graph_cut import FaceGraph
from zdg_jax.objects.parts.visibility import RayMeshIntersector, spiral_rays
from zdg_jax.pose import frame_about

RAYS = 12
SEEN = 0.25  # blurred enclosure above which a face may be inside; outside walls see almost nothing
THIN = 0.12  # wall thickness over the diagonal
MIN_SHARE = 0.12  # of the surface
COVER = 0.45  # inside area over the area of its hull: a cup's is 0.6-0.9, a channel's below 0.35
OPEN = 0.7  # share of the inside that sees daylight through one mouth
HOLLOW = 0.5  # mean enclosure of what is the inside of a neck and no handle's face
TILT = np.deg2rad(25)


def enclosure(mesh: trimesh.Trimesh, normals: Float[np.ndarray, "faces 3"]) -> Float[np.ndarray, " faces"]:
    """Share 0..1 of outward rays, cosine-weighted around each face's normal, that meet the object again."""
    r2 = (np.arange(RAYS) + 0.5) / RAYS * 0.9  # grazing rays only meet the roughness of the scan
    directions = spiral_rays(normals, np.sqrt(1 - r2), np.sqrt(r2))
    start = np.repeat(mesh.triangles_center + normals * 3e-3 * mesh.scale, RAYS, axis=0)
    hit = np.asarray(RayMeshIntersector(mesh).intersects_any(start, directions))
    return hit.reshape(-1, RAYS).mean(axis=1)


def find_cavity(
    graph: FaceGraph,
    normals: Float[np.ndarray, "faces 3"],
    thickness: Float[np.ndarray, " faces"],
    enclosed: Float[np.ndarray, " faces"],
    taken: Bool[np.ndarray, " faces"],
) -> Bool[np.ndarray, " faces"]:
    """The inside of a thin-walled vessel with one mouth, if the object is one; all False otherwise.

    Faces that see much of the object, over a thin wall, vote for the place and direction of the cavity;
    the inside is then what sees its axis.

    Args:
      graph: of the mesh.
      normals: smoothed outward normals of the faces.
      thickness: shape diameter of the faces, metres.
      enclosed: from `enclosure`.
      taken: faces that belong to loops.

    Returns:
      True for the faces of the inside.
    """
    mesh, area = graph.mesh, graph.mesh.area_faces
    nothing = np.zeros(len(area), dtype=bool)
    seen = blur(graph, enclosed, 12)
    votes = (seen > SEEN) & (blur(graph, thickness, 6) < THIN * np.linalg.norm(mesh.extents)) & ~taken
    votes = _largest(graph, votes)
    if area[votes].sum() < MIN_SHARE * area.sum():
        return nothing
    hull = trimesh.convex.convex_hull(mesh.triangles_center[votes])
    mouth = area[votes] @ mesh.face_normals[votes]
    mouth /= max(float(np.linalg.norm(mouth)), 1e-15)
    if area[votes].sum() < COVER * hull.area or not _opens_towards(mesh, votes, mouth):
        return nothing
    inside = _largest(graph, _sees_axis(mesh, normals, votes, mouth) & ~taken)
    inside = _filled(graph, inside)
    return inside if area[inside].sum() >= MIN_SHARE * area.sum() else nothing


def without_handle(
    graph: FaceGraph,
    enclosed: Float[np.ndarray, " faces"],
    inside: Bool[np.ndarray, " faces"],
    end: Bool[np.ndarray, " faces"],
) -> Bool[np.ndarray, " faces"]:
    """The inside without the near face of a handle, which looks over a ladle's bowl as the inside does.

    Args:
      graph: of the mesh.
      enclosed: from `enclosure`.
      inside: from `find_cavity`.
      end: the narrow end, from `handle_end`; of a bottle that is its neck, whose inside is enclosed.
    """
    both = inside & end
    if not both.any():
        return inside
    area = graph.mesh.area_faces[both]
    hollow = float(np.average(enclosed[both], weights=area)) > HOLLOW
    return inside if hollow else _largest(graph, inside & ~end)


def rim_band(
    graph: FaceGraph, inside: Bool[np.ndarray, " faces"], width: float
) -> Bool[np.ndarray, " faces"]:
    """Faces on either side within `width` metres, over the surface, of the mouth's edge."""
    a, b = graph.pairs.T
    border = np.unique(graph.pairs[inside[a] != inside[b]])
    return _largest(graph, graph.distance_to(border) < width)  # not the edges of holes in the walls


def blur(graph: FaceGraph, values: Float[np.ndarray, " faces"], rounds: int) -> Float[np.ndarray, " faces"]:
    """Area-weighted mean over the neighbouring faces, `rounds` times."""
    area = graph.mesh.area_faces + 1e-15
    matrix = graph.weighted(np.ones(len(graph.pairs)))
    for _ in range(rounds):
        values = (matrix @ (values * area) + values * area) / (matrix @ area + area)
    return values


def _opens_towards(mesh: trimesh.Trimesh, inside: np.ndarray, mouth: np.ndarray) -> bool:
    side, across, _ = frame_about(mouth).T
    start = mesh.triangles_center[inside] + 3e-3 * mesh.scale * mesh.face_normals[inside]
    tracer = RayMeshIntersector(mesh)
    free = np.zeros(len(start), dtype=bool)
    for angle in np.arange(6) * (np.pi / 3):  # tilted a little: along rough walls straight sight is blocked
        tilt = np.cos(angle) * side + np.sin(angle) * across
        direction = np.cos(TILT) * mouth + np.sin(TILT) * tilt
        free |= ~np.asarray(tracer.intersects_any(start, np.tile(direction, (len(start), 1))))
    return float(np.average(free, weights=mesh.area_faces[inside])) > OPEN


def _sees_axis(
    mesh: trimesh.Trimesh, normals: np.ndarray, votes: np.ndarray, mouth: np.ndarray
) -> Bool[np.ndarray, " faces"]:
    """Faces with free sight to one of the points on the cavity's axis."""
    centers, area = mesh.triangles_center, mesh.area_faces
    middle = area[votes] @ centers[votes] / area[votes].sum()
    height = (centers[votes] - middle) @ mouth
    low, high = np.percentile(height, [5, 95])
    start = centers + normals * 3e-3 * mesh.scale
    tracer = RayMeshIntersector(mesh)
    seen = np.zeros(len(centers), dtype=bool)
    for part in (0.3, 0.45, 0.6, 0.75, 0.9):
        target = middle + mouth * (low + part * (high - low))
        direction = target - start
        distance = np.linalg.norm(direction, axis=1)
        faces = np.flatnonzero(~seen & (np.einsum("nd,nd->n", direction, normals) > 0))
        hits, rays, _ = tracer.intersects_location(
            start[faces], direction[faces] / distance[faces, None], multiple_hits=False
        )
        first = np.full(len(faces), np.inf)
        first[rays] = np.linalg.norm(hits - start[faces][rays], axis=1)
        seen[faces[first > distance[faces]]] = True
    return seen


def _largest(graph: FaceGraph, mask: Bool[np.ndarray, " faces"]) -> Bool[np.ndarray, " faces"]:
    """The connected piece of `mask` with the greatest area."""
    if not mask.any():
        return mask
    piece = graph.pieces(mask)
    return piece == int(np.argmax(np.bincount(piece[mask], weights=graph.mesh.area_faces[mask])))


def _filled(graph: FaceGraph, mask: Bool[np.ndarray, " faces"]) -> Bool[np.ndarray, " faces"]:
    """With the islands that the mask surrounds, such as shaded spots on rough walls."""
    return ~_largest(graph, ~mask) if mask.any() else mask
