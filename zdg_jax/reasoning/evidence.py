"""What a question's numbers are taken from: the object's whole surface, or what its pictures show of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from zdg_jax.objects.model import SignedDistanceField, SurfaceSamples, expanded, half_spaces
from zdg_jax.objects.parts.descriptors import straight_side, weighted_median
from zdg_jax.objects.parts.through_holes import MIN_DIAMETER
from zdg_jax.objects.region import Region, measure
from zdg_jax.objects.sdf.build import field_values
from zdg_jax.reasoning.lifting import one_hand
from zdg_jax.reasoning.protocol import ObservedObject, ObservedPart, vec3
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.render.scene import Frame


class Evidence(ABC):
    """The numbers that the stages' observations are made of; metres, object frame.

    Attributes:
      object: size, axes and parts.
      samples: surface points with outward normals.
      held: which of them belong to the hand region.
      region: of those, centre, axes and extents.
      hull: half-spaces of the expanded convex hull (eq. 1).
      func_center: mean of what thumb and index touch.
    """

    state: ReasonState
    object: ObservedObject
    samples: SurfaceSamples
    held: Bool[np.ndarray, " n"]
    region: Region
    hull: Float[np.ndarray, "planes 4"]
    func_center: Float[np.ndarray, "3"]

    @property
    def thickness(self) -> float:
        """Local thickness of the held part(s), metres, weighted by their surface."""
        own = [p for p in self.object.parts if p.number in self.state.hand_parts]
        return float(np.average([p.thickness for p in own], weights=[max(p.area_share, 1e-9) for p in own]))

    @abstractmethod
    def overlap(self, points: Float[np.ndarray, "n 3"]) -> float:
        """Share of points that lie inside the object."""


def observed_region(of: Evidence) -> dict[str, object]:
    """The fields of `RegionObservations` besides the object's and the chosen parts."""
    region = of.region
    return {
        "center": vec3(region.center),
        "region_extents": vec3(region.extents),
        "region_axis": vec3(region.axis),
    }


class Whole(Evidence):
    """The mesh: parts are measured on all sides, hidden ones too, and what is inside is known exactly.

    No viewer of the pictures knows this much; the `offline` reasoner does.
    """

    def __init__(self, state: ReasonState) -> None:
        self.state, self.object, self.samples = state, state.observed, state.obj.samples

    @cached_property
    def held(self) -> Bool[np.ndarray, " n"]:
        return self.state.known_hand_mask

    @cached_property
    def region(self) -> Region:
        return self.state.region

    @cached_property
    def hull(self) -> Float[np.ndarray, "planes 4"]:
        return expanded(self.state.obj.hull, self.state.config.hull_expansion)

    @cached_property
    def func_center(self) -> Float[np.ndarray, "3"]:
        return self.state.func_center

    def overlap(self, points: Float[np.ndarray, "n 3"]) -> float:
        return overlap_share(points, self.state.obj.field)


def overlap_share(points: Float[np.ndarray, "n 3"], field: SignedDistanceField) -> float:
    """Share of points (metres, object frame) inside the object: signed distance below 0."""
    return float((field_values(field, points) < 0).mean())


#: Points taken of one part in one view.
_MOST = 1500
#: A pixel's surface is seen at most so obliquely: the cosine that its area is divided by.
_OBLIQUE = 0.2
#: Normals face along an axis from here on, cosine; a side shows if it has this share of the other's.
_FACES, _SHOWS = 0.3, 0.1
#: Points and normals run against each other by so much where a surface is hollow.
_HOLLOW = -0.15
#: Of a vessel whose inside shows nobody sees how thick its wall is: a guess, metres.
_WALL = 0.004
#: A part is a loop if it has this share of a hole's border.
_BORDER = 0.45
#: Parts touch where their pixels do, and their depths by this, metres.
_TOUCH = 0.01


class Seen(Evidence):
    """What the pictures of some side views show: each pixel's part, how far it is and how it faces.

    A viewer tells depth and slope by shading and perspective; here they are read off the drawn views exactly.
    Nothing of a hidden surface gets in: parts that do not show are not there, a part's centre is that of what
    shows of it, and its size is that of what shows, but for one guess: a side of it that is turned away is
    taken to be like the one that shows (`completed`). Lengths are in metres, as the marked sizes of the
    parts let a viewer tell.

    Args:
      state: its chosen parts are read when asked for.
      views: of `state.frames`, those which the question shows.
    """

    def __init__(self, state: ReasonState, views: tuple[int, ...]) -> None:
        self.state = state
        self._shown = state.once(
            ("seen", views),
            lambda: _Shown(
                [(state.frames[v], np.where(_large(state, v), state.part_maps[v], 0)) for v in views]
            ),
        )
        self.object, self.samples = self._shown.object, self._shown.samples

    @cached_property
    def held(self) -> Bool[np.ndarray, " n"]:
        mask = np.isin(self._shown.parts, self.state.hand_parts)
        return one_hand(self.samples.points, mask, self.state.camera.p_world_cam) if mask.any() else ~mask

    @cached_property
    def region(self) -> Region:
        return self._shown.measured(self.held)

    @cached_property
    def hull(self) -> Float[np.ndarray, "planes 4"]:
        return expanded(half_spaces(self.samples.points), self.state.config.hull_expansion)

    @cached_property
    def func_center(self) -> Float[np.ndarray, "3"]:
        mask = np.isin(self._shown.parts, self.state.func_parts)
        return self._shown.measured(mask if mask.any() else self.held).center

    def overlap(self, points: Float[np.ndarray, "n 3"]) -> float:
        """Share of points behind what shows, by no more than the part there is thick."""
        return self._shown.overlap(points)


class _Shown:
    """Some views' pixels as points, and the object that they show: the same for all tasks.

    Args:
      views: frame and part number of each pixel, 0 where nothing is marked.
    """

    def __init__(self, views: list[tuple[Frame, Int[np.ndarray, "h w"]]]) -> None:
        self._views = views
        clouds = [_cloud(frame, parts) for frame, parts in views]
        points, normals, self.parts, self.areas = (np.concatenate([c[i] for c in clouds]) for i in range(4))
        self.samples = SurfaceSamples(points, normals, np.zeros(len(points), np.int64))

    @cached_property
    def object(self) -> ObservedObject:
        points, total = self.samples.points, self.areas.sum()
        low, high = points.min(axis=0), points.max(axis=0)
        whole = self.measured(np.ones(len(points), bool))
        along = points @ whole.axis
        holes = self._holes()
        near = self._neighbours()
        found = []
        for n in np.unique(self.parts).tolist():
            own = self.parts == n
            region, weight = self.measured(own), self.areas[own]
            e = np.maximum(region.extents, 1e-6)
            hollow = self._hollow(own)
            place = 2 * (region.center @ whole.axis - along.min()) / max(float(np.ptp(along)), 1e-9) - 1
            thick = min(float(e[2]), self._width(n))
            spread = np.full(int(own.sum()), thick)
            triangles = points[own][:, None].repeat(3, axis=1)
            straight = straight_side(triangles, region.center, region.axes.T, e, spread, weight)
            found.append(
                ObservedPart(
                    number=n,
                    center=vec3(region.center),
                    axis=vec3(region.axis),
                    extents=vec3(e),
                    elongation=float(e[0] / e[1]),
                    flatness=float(e[1] / e[2]),
                    thickness=thick,
                    area_share=float(weight.sum() / total),
                    relative_center=vec3(
                        2 * (region.center - (low + high) / 2) / np.maximum(high - low, 1e-6)
                    ),
                    axial_position=float(np.clip(place, -1, 1)),
                    is_loop=n in holes,
                    hole_diameter=holes.get(n, 0.0),
                    end_distance=float(1 - min(abs(place), 1.0)),
                    concave=hollow,
                    neighbours=near.get(n, ()),
                    straight=vec3(straight),
                )
            )
        hollows = {p.number for p in found if p.concave}
        parts = tuple(
            p.model_copy(update={"thickness": min(p.thickness, _WALL)})
            if p.concave or (hollows & set(p.neighbours) and p.area_share > 0.1)
            else p
            for p in found
        )
        return ObservedObject(
            extents=vec3(high - low),
            long_axis=vec3(whole.axis),
            principal_extents=vec3(whole.extents),
            center=vec3(whole.center),
            parts=parts,
        )

    def overlap(self, points: Float[np.ndarray, "n 3"]) -> float:
        """See `Seen.overlap`; in the first view."""
        frame, parts = self._views[0]
        uv, z = frame.camera.project(points)
        u, v = np.floor(uv).astype(int).T
        inside = (u >= 0) & (v >= 0) & (u < parts.shape[1]) & (v < parts.shape[0])
        u, v = np.where(inside, u, 0), np.where(inside, v, 0)
        thick = np.zeros(int(parts.max()) + 1)
        for part in self.object.parts:
            thick[part.number] = part.thickness
        behind = z - np.where(inside, frame.depth[v, u], np.inf)
        return float((inside & (behind > 0) & (behind < thick[parts[v, u]])).mean())

    def measured(self, mask: Bool[np.ndarray, " n"]) -> Region:
        """Centre, axes and extents of some points, each for its area, `completed`."""
        even = _even(self.areas[mask])
        points, normals = self.samples.points[mask][even], self.samples.normals[mask][even]
        return completed(measure(points), points, normals)

    def _hollow(self, mask: Bool[np.ndarray, " n"]) -> bool:
        """Whether normals run together: mean (p - c) . n below -0.15 of the mean |p - c|."""
        weight = self.areas[mask] / self.areas[mask].sum()
        offset = self.samples.points[mask] - weight @ self.samples.points[mask]
        along = float(weight @ (offset * self.samples.normals[mask]).sum(axis=1))
        return along < _HOLLOW * float(weight @ np.linalg.norm(offset, axis=1))

    def _width(self, number: int) -> float:
        """Width of a part's own outline, metres: of its inner discs the greater ones, over all views."""
        widths = []
        for frame, parts in self._views:
            mask = parts == number
            if mask.any():
                inner = np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1)))[1:-1, 1:-1]
                scale = float(np.median(frame.depth[mask])) / frame.camera.focal
                ridge = inner[mask & (inner >= np.asarray(ndimage.maximum_filter(inner, 3)))]
                widths.append(2 * weighted_median(ridge, ridge) * scale)
        return max(widths)

    def _holes(self) -> dict[int, float]:
        """Parts around openings that show background: number to the greatest disc that fits, metres."""
        found: dict[int, float] = {}
        for frame, parts in self._views:
            inner = np.asarray(ndimage.binary_fill_holes(frame.mask), bool) & ~frame.mask
            label = np.zeros(inner.shape, np.int32)
            ndimage.label(inner, output=label)
            radius = np.asarray(ndimage.distance_transform_edt(inner))
            for k in range(1, int(label.max()) + 1):
                ring = np.asarray(ndimage.binary_dilation(label == k, iterations=3), bool) & (parts > 0)
                if not ring.any():
                    continue
                scale = float(np.median(frame.depth[ring])) / frame.camera.focal
                diameter = 2 * float(radius[label == k].max()) * scale
                numbers, counts = np.unique(parts[ring], return_counts=True)
                for n in numbers[counts >= _BORDER * counts.sum()].tolist():
                    if diameter >= MIN_DIAMETER:
                        found[n] = max(found.get(n, 0.0), diameter)
        return found

    def _neighbours(self) -> dict[int, tuple[int, ...]]:
        """Parts whose pixels and depths meet in some view."""
        pairs: set[tuple[int, int]] = set()
        for frame, parts in self._views:
            for a, b, p, q in (
                (parts[1:], parts[:-1], frame.depth[1:], frame.depth[:-1]),
                (parts[:, 1:], parts[:, :-1], frame.depth[:, 1:], frame.depth[:, :-1]),
            ):
                with np.errstate(invalid="ignore"):
                    meet = (a != b) & (a > 0) & (b > 0) & (np.abs(p - q) < _TOUCH)
                pairs |= set(map(tuple, np.stack([a[meet], b[meet]], axis=1).tolist()))
        both = pairs | {(b, a) for a, b in pairs}
        return {n: tuple(sorted(b for a, b in both if a == n)) for n in {a for a, _ in both}}


def completed(region: Region, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Region:
    """A region of which one side shows, as one that is alike on its other side.

    Along an axis that the normals face on one side only, e' = min(2 e, max(e, w)), with w the least of the
    extents that are not smaller than e: a half cylinder becomes a whole one, a flat face stays flat. The
    centre moves to the middle of what is added. What is hollow is left.

    Args:
      region: measured on the points.
      points, normals: metres and unit; those that show.
    Returns:
      the region, axes again by falling extent.
    """
    extents, center = region.extents.copy(), region.center.copy()
    place = (points - center) @ region.axes.T
    facing = normals @ region.axes.T
    if float((place * facing).sum(axis=1).mean()) < 0:
        return region
    for k in range(3):
        plus, minus = float((facing[:, k] > _FACES).mean()), float((facing[:, k] < -_FACES).mean())
        if min(plus, minus) >= _SHOWS * max(plus, minus):
            continue
        e = region.extents[k]
        others = np.delete(region.extents, k)
        longer = others[others >= e]
        grown = min(2 * e, max(e, float(longer.min()) if len(longer) else e))
        side = 1.0 if plus > minus else -1.0
        # the middle of the grown part lies half of `grown` behind the near end of what shows
        near = float(np.quantile(side * place[:, k], 0.98))
        center += side * (near - 0.5 * grown) * region.axes[k]
        extents[k] = grown
    order = np.argsort(-extents, kind="stable")
    return Region(center, region.axes[order], extents[order])


def _large(state: ReasonState, view: int) -> Bool[np.ndarray, "h w"]:
    """Pixels of the parts that can be pointed at: specks are not marked."""
    return np.isin(state.part_maps[view], list(state.visible_pixels(view)))


def _cloud(
    frame: Frame, parts: Int[np.ndarray, "h w"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points, outward normals, part numbers and areas (square metres) of what a view shows, thinned out."""
    rows, columns, areas = [], [], []
    for n in np.unique(parts[parts > 0]):
        v, u = np.nonzero(parts == n)
        step = -(-len(v) // _MOST)
        rows.append(v[::step])
        columns.append(u[::step])
        areas.append(np.full(len(v[::step]), float(step)))
    v, u = np.concatenate(rows), np.concatenate(columns)
    depth, normal, camera = frame.depth[v, u], frame.normal[v, u], frame.camera
    points = camera.back_project(np.stack([u, v], axis=1) + 0.5, depth)
    sight = camera.p_world_cam - points
    cosine = (normal * sight).sum(axis=1) / np.linalg.norm(sight, axis=1)
    area = np.concatenate(areas) * (depth / camera.focal) ** 2 / np.maximum(cosine, _OBLIQUE)
    return points, normal, parts[v, u], area


def _even(areas: Float[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Rows that stand for equal areas: as many as there are, at even steps of the summed area."""
    total = np.cumsum(areas)
    steps = (np.arange(len(areas)) + 0.5) / len(areas) * total[-1]
    return np.searchsorted(total, steps)
