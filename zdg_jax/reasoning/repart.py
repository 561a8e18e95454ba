"""Segments of the chosen view in place of the geometric parts, and their completed masks (paper III-A)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from zdg_jax.objects.model import ObjectModel, Part
from zdg_jax.objects.parts.descriptors import describe_part
from zdg_jax.reasoning.lifting import vote
from zdg_jax.reasoning.segmenter import Segmenter
from zdg_jax.reasoning.state import ReasonState, observe_object
from zdg_jax.render.scene import Frame

_NEIGHBOURS = 5


def repart(
    obj: ObjectModel, frame: Frame, labels: Int[np.ndarray, "h w"]
) -> tuple[ObjectModel, Int[np.ndarray, "h w"]]:
    """Give every face the segment under its pixels, unseen faces by their features (paper III-A).

    A face takes the segment that most of its pixels have. The samples of seen faces train a KNN classifier
    on the object's features, which labels the other samples, and an unseen face takes the label of its
    nearest sample. This is what the marks and numbers of one view need; contact regions are lifted from
    the masks themselves.

    Args:
      obj: with its geometric parts.
      frame: the view, of the object alone.
      labels: segment of each pixel from 1, 0 off the object.
    Returns:
      (the object with parts numbered as the segments, the labels that its faces bear out: a segment
      smaller than the faces it lies on is gone).
    """
    face_label = _seen_faces(frame, labels, len(obj.mesh.faces))
    sample_label = face_label[obj.samples.faces]
    seen = sample_label > 0
    if not seen.any():
        raise ValueError("got a view in which no surface sample's face shows; expected some")
    if not seen.all():
        near = min(_NEIGHBOURS, int(seen.sum()))
        sample_label[~seen] = vote(obj.features[seen], sample_label[seen], obj.features[~seen], near)
    unseen = face_label == 0
    _, nearest = KDTree(obj.samples.points).query(np.asarray(obj.mesh.triangles_center)[unseen])
    face_label[unseen] = sample_label[nearest]
    lost = ~np.isin(labels, face_label) & (labels > 0)
    labels = np.where(lost, face_label[np.maximum(frame.face, 0)], labels)
    parts = _describe(obj, face_label)
    changed = replace(obj, parts=parts, face_part=face_label, sample_part=face_label[obj.samples.faces])
    return changed, labels


def parts_under(obj: ObjectModel, mask: Bool[np.ndarray, " samples"]) -> tuple[int, ...]:
    """The parts that lie mostly in a region; the one that shares most of it, if none does.

    Args:
      obj: its parts and samples.
      mask: the region.
    """
    numbers = np.array([part.number for part in obj.parts])
    inside = np.array([(mask & (obj.sample_part == n)).sum() for n in numbers])
    whole = np.array([max(int((obj.sample_part == n).sum()), 1) for n in numbers])
    mostly = numbers[inside > 0.5 * whole]
    return tuple(int(n) for n in (mostly if len(mostly) else numbers[[inside.argmax()]]))


def _seen_faces(frame: Frame, labels: Int[np.ndarray, "h w"], count: int) -> Int[np.ndarray, " faces"]:
    """The commonest label among each face's pixels; 0 where none shows."""
    shown = frame.mask & (labels > 0)
    size = int(labels.max()) + 1
    pairs, votes = np.unique(frame.face[shown].astype(np.int64) * size + labels[shown], return_counts=True)
    face_label = np.zeros(count, np.int64)
    order = np.argsort(votes, kind="stable")  # the last one written wins: the commonest
    face_label[pairs[order] // size] = pairs[order] % size
    return face_label


def _describe(obj: ObjectModel, face_label: Int[np.ndarray, " faces"]) -> tuple[Part, ...]:
    """Descriptors of the new parts; thickness, holes and hollows come from the geometric parts under them."""
    mesh: trimesh.Trimesh = obj.mesh
    thickness, concave, hole = (np.zeros(len(face_label)) for _ in range(3))
    for part in obj.parts:
        thickness[part.faces] = part.descriptor.thickness
        concave[part.faces] = part.descriptor.concave
        hole[part.faces] = part.descriptor.hole_diameter
    parts = []
    for number in np.unique(face_label):
        faces = np.flatnonzero(face_label == number)
        weight: Float[np.ndarray, " part_faces"] = mesh.area_faces[faces] / mesh.area_faces[faces].sum()
        holed = hole[faces] > 0
        bordered = float(hole[faces].max()) if weight[holed].sum() > 0.5 else 0.0
        described = describe_part(mesh, faces, thickness, bordered, bool(weight @ concave[faces] > 0.5))
        parts.append(Part(int(number), faces, described))
    return tuple(parts)


async def segment_view(state: ReasonState, segmenter: Segmenter) -> None:
    """Make the model's segments the parts of this task; the geometric ones stay if it finds none.

    Args:
      state: view chosen; `obj`, `part_maps` and `observed` change, `given` keeps the object as it was.
      segmenter: runs in a thread, so that other tasks go on meanwhile.
    """
    labels = await asyncio.to_thread(segmenter.segments, state.frame)
    if labels is None:
        state.warnings.append(
            f"{segmenter.name} found no segment that passes its thresholds; geometric parts were marked"
        )
        return
    state.given = state.obj
    state.obj, labels = repart(state.obj, state.frame, labels)
    maps = list(state.part_maps)
    maps[state.view] = labels
    state.part_maps = tuple(maps)
    state.observed = observe_object(state.obj)
    state.marked.clear()


async def complete(state: ReasonState, segmenter: Segmenter, parts: tuple[int, ...]) -> None:
    """Box around the chosen segments -> box prompt -> M^2d; the union of segments where that fails.

    Args:
      state: view segmented; `completed` gains the mask.
      segmenter: as for `segment_view`.
      parts: the chosen numbers.
    """
    chosen = np.isin(state.part_map, parts)
    mask = await asyncio.to_thread(segmenter.complete, state.frame, chosen)
    if mask is None:
        state.warnings.append(
            f"{segmenter.name}: the mask for the box around part(s) {parts} is of something else; "
            "the union of their segments was taken"
        )
        return
    state.completed[parts] = mask
