"""The colours of an object's surface: of vertices, of faces, or from texture images.

Everywhere here they are as a screen takes them (sRGB). glTF alone keeps textures so, and the colours of
vertices and materials in linear light: `encoded` where one is read, `linear` where one is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, Int, UInt8
from scipy.spatial import KDTree

from zdg_jax.foreign import MIB

MAX_PIXELS = 64 * MIB  # of all textures together; larger ones are not unpacked
BARE = (0.80, 0.79, 0.77)  # of faces that say no colour, beside others that do
_UNSAID = (102, 102, 102)  # trimesh's colour of a material that is named and not there
_ABSENT = 100  # trimesh's picture in place of one that is named and not there, every value
_SAME = 1e-6  # of the diagonal: a face this near to a source's is that face
_SPREAD = 100_000  # points by which faces that the source lacks are coloured


def linear(rgb: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Linear light of sRGB values, 0..1: s / 12.92 up to 0.04045, else ((s + 0.055) / 1.055)^2.4.

    IEC 61966-2-1.
    """
    return np.where(rgb <= 0.04045, rgb / 12.92, ((np.maximum(rgb, 0.0) + 0.055) / 1.055) ** 2.4)


def linear_bytes(rgb: Float[np.ndarray, "*n"]) -> UInt8[np.ndarray, "*n"]:
    """`linear` as glTF's vertices and materials hold it, 0..255."""
    return np.rint(255 * linear(rgb)).astype(np.uint8)


def encoded(light: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """The inverse of `linear`."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0) ** (1 / 2.4) - 0.055)


@dataclass(frozen=True, eq=False)
class Paint:
    """A colour everywhere on a mesh's faces.

    Attributes:
      corners: at each corner of each face, 0..1; of a textured face the texture's there.
      uv: texture coordinates of each corner, v upwards; 0 where there is no texture.
      image: index into `images` of each face's texture, -1 where the corners are all there is.
      images: the textures.
    """

    corners: Float[np.ndarray, "faces 3 3"]
    uv: Float[np.ndarray, "faces 3 2"]
    image: Int[np.ndarray, " faces"]
    images: tuple[UInt8[np.ndarray, "_h _w 3"], ...] = ()

    def at(self, face: Int[np.ndarray, " n"], weight: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Colours, 0..1, at places given by face and barycentric weights."""
        rgb = np.einsum("nc,nci->ni", weight, self.corners[face])
        which = self.image[face]
        for k, texture in enumerate(self.images):
            chosen = which == k
            uv = np.einsum("nc,nci->ni", weight[chosen], self.uv[face[chosen]])
            rgb[chosen] = texel(texture, uv)
        return rgb

    @cached_property
    def sha256(self) -> str:
        """Of all colours and textures."""
        digest = hashlib.sha256(np.rint(255 * self.corners).astype(np.uint8).tobytes())
        digest.update(np.ascontiguousarray(self.uv, "<f8").tobytes())
        digest.update(np.ascontiguousarray(self.image, "<i8").tobytes())
        for texture in self.images:
            digest.update(np.array(texture.shape, "<i8").tobytes() + texture.tobytes())
        return digest.hexdigest()


def texel(texture: UInt8[np.ndarray, "h w 3"], uv: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 3"]:
    """The nearest pixel's colour, 0..1; coordinates repeat, v = 0 is the lowest row (as in trimesh)."""
    h, w = texture.shape[:2]
    column = np.rint(uv[..., 0] * (w - 1)).astype(np.int64) % w
    row = np.rint((1 - uv[..., 1]) * (h - 1)).astype(np.int64) % h
    return texture[row, column] / 255.0


def joined(paints: Sequence[Paint]) -> Paint:
    """One paint of several meshes' faces, in their order."""
    offsets = np.cumsum([0, *(len(p.images) for p in paints)])
    image = [np.where(p.image >= 0, p.image + o, -1) for p, o in zip(paints, offsets, strict=False)]
    return Paint(
        np.concatenate([p.corners for p in paints]),
        np.concatenate([p.uv for p in paints]),
        np.concatenate(image),
        tuple(texture for p in paints for texture in p.images),
    )


def plain(faces: int) -> Paint:
    """Every face bare."""
    corners = np.tile(np.array(BARE), (faces, 3, 1))
    return Paint(corners, np.zeros((faces, 3, 2)), np.full(faces, -1))


def paint_of(
    scene: trimesh.Scene, *, light: bool = False
) -> tuple[Float[np.ndarray, "faces 3 3"], Paint] | None:
    """All triangles of a scene, in its own units, and their paint; None if nothing in it has a colour.

    Args:
      scene: read with its materials.
      light: it is of a glTF file, whose colours of vertices and materials are linear light.

    Raises:
      ValueError: textures of more than `MAX_PIXELS`.
    """
    triangles, paints, coloured = [], [], False
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        mesh = scene.geometry[name]
        if not isinstance(mesh, trimesh.Trimesh) or len(mesh.faces) == 0:
            continue
        own = _of_mesh(mesh, encoded if light else np.asarray)
        coloured |= own is not None
        triangles.append(trimesh.transform_points(mesh.vertices, transform)[mesh.faces])
        paints.append(plain(len(mesh.faces)) if own is None else own)
    if sum(texture.size // 3 for paint in paints for texture in paint.images) > MAX_PIXELS:
        raise ValueError("textures too large to unpack")
    return (np.concatenate(triangles), joined(paints)) if coloured else None


def _of_mesh(mesh: trimesh.Trimesh, shown: Callable[[np.ndarray], np.ndarray]) -> Paint | None:
    """Args: shown: makes of the file's colours, 0..1, those of a screen."""
    visual: Any = mesh.visual
    faces, bare = np.asarray(mesh.faces), plain(len(mesh.faces))
    if visual.kind == "face":
        rgb = shown(np.asarray(visual.face_colors)[:, :3] / 255.0)
        return replace(bare, corners=np.repeat(rgb[:, None], 3, axis=1))
    if visual.kind == "vertex":
        return replace(bare, corners=shown(np.asarray(visual.vertex_colors)[:, :3] / 255.0)[faces])
    if visual.kind != "texture":
        return None
    material = visual.material
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if picture is not None and visual.uv is not None:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"a texture of {picture.width} x {picture.height} pixels")
        texture = np.asarray(picture.convert("RGB"))
        if texture.size <= 12 and (texture == _ABSENT).all():
            return None
        factor = getattr(material, "baseColorFactor", None)
        if factor is not None:
            values = linear(np.arange(256) / 255.0) if shown is encoded else np.arange(256) / 255.0
            byte = np.rint(255 * shown(values[:, None] * np.asarray(factor)[:3] / 255.0)).astype(np.uint8)
            texture = np.stack([byte[texture[..., i], i] for i in range(3)], axis=-1)
        uv = np.nan_to_num(np.asarray(visual.uv, np.float64), posinf=0.0, neginf=0.0)[faces]
        return Paint(texel(texture, uv), uv, np.zeros(len(faces), np.int64), (texture,))
    factor = getattr(material, "baseColorFactor", getattr(material, "diffuse", None))
    beside = np.asarray(visual.vertex_attributes.get("color", ()))  # of vertices that have a material too
    if len(beside) == len(mesh.vertices) and beside.ndim == 2:
        most = np.iinfo(beside.dtype).max if beside.dtype.kind == "u" else 1.0
        tint = 1.0 if factor is None else np.asarray(factor)[:3] / 255.0
        return replace(bare, corners=shown(np.clip(beside[:, :3] / most * tint, 0.0, 1.0))[faces])
    if factor is None or tuple(np.asarray(factor)[:3]) == _UNSAID:
        return None
    return replace(bare, corners=np.tile(shown(np.asarray(factor)[:3] / 255.0), (len(faces), 3, 1)))


def transferred(triangles: Float[np.ndarray, "source 3 3"], paint: Paint, mesh: trimesh.Trimesh) -> Paint:
    """The paint of a mesh that checks have mended, from that of the file's own faces.

    A face that is still there keeps its texture. One that mending made (simplified, filled, cut) takes at
    each corner the colour of the nearest of 100,000 points spread over the source.

    Args:
      triangles: of the source, in the mesh's frame, metres.
      paint: theirs.
      mesh: as checked, metres.
    """
    distance, source = KDTree(triangles.mean(axis=1)).query(np.asarray(mesh.triangles).mean(axis=1))
    source = np.asarray(source)
    kept = distance <= _SAME * mesh.scale
    corners = np.asarray(mesh.triangles)
    gap = np.linalg.norm(corners[:, :, None] - triangles[source][:, None], axis=3)
    turn = gap.argmin(axis=2)  # faces may start at another corner now, or be turned over
    rows = source[:, None]
    rgb, uv = paint.corners[rows, turn], paint.uv[rows, turn]
    if not kept.all():
        rng = np.random.default_rng(0)
        size = np.linalg.norm(
            np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1
        )
        face = rng.choice(len(triangles), _SPREAD, p=size / size.sum())
        weight = rng.dirichlet(np.ones(3), _SPREAD)
        tree = KDTree(np.einsum("nc,nci->ni", weight, triangles[face]))
        near = np.asarray(tree.query(corners[~kept].reshape(-1, 3))[1])
        rgb[~kept] = paint.at(face, weight)[near].reshape(-1, 3, 3)
    return Paint(rgb, uv, np.where(kept, paint.image[source], -1), paint.images)
