"""Directions that rules speak of, and how a candidate direction scores on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from zdg_jax.reasoning.protocol import ObservedObject, ObservedPart, RegionObservations, Vec3
from zdg_jax.reasoning.rules.roles import ramp

_UP = np.array([0.0, 1.0, 0.0])


def unit(v: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"] | None:
    """v / |v|, None where |v| < 1e-6."""
    norm = float(np.linalg.norm(v))
    return None if norm < 1e-6 else v / norm


def centroid(parts: tuple[ObservedPart, ...]) -> Float[np.ndarray, "3"]:
    """Area-weighted mean of the parts' centres, metres."""
    weights = np.array([max(p.area_share, 1e-6) for p in parts])
    return weights @ np.array([p.center for p in parts]) / weights.sum()


@dataclass(frozen=True)
class Region:
    """The hand region and what lies around it.

    Attributes:
      center: C, metres.
      axis: long axis of the region, None if it has none.
      long: 0..1, how clearly it is longer than wide.
      ref: unit vector to the parts that the rule looks towards, None if there are none.
      spine: unit vector across a blade to its back, None if nothing tells it.
      barrel: unit vector along the largest part that `ref` points to, where that is a bar which reaches
        farther to one side of the region.
      muzzle: unit vector along that part too, towards the side on which the rest of the object reaches much
        farther from the line of the region's axis.
      slim: unit horizontal vector along the object's wider horizontal size, None if it is round.
      downhill: unit horizontal vector along which the object's top falls, None if it is level or steep.
    """

    center: Float[np.ndarray, "3"]
    axis: Float[np.ndarray, "3"] | None
    long: float
    ref: Float[np.ndarray, "3"] | None
    spine: Float[np.ndarray, "3"] | None
    slim: Float[np.ndarray, "3"] | None
    barrel: Float[np.ndarray, "3"] | None = None
    downhill: Float[np.ndarray, "3"] | None = None
    muzzle: Float[np.ndarray, "3"] | None = None

    @property
    def forward(self) -> Float[np.ndarray, "3"] | None:
        """`ref` without its component along the region's axis, as far as the region is long.

        Of a stubby region beside a bar it is the way along the bar, `barrel`: a grip that is hardly longer
        than wide has its longest axis anywhere. Where a grip points at the middle of what it is under, as a
        hair dryer's, the rest of `ref` tells nothing: then it is the way to the longer end, `muzzle`.
        """
        if self.ref is None or self.axis is None:
            return self.ref
        if self.barrel is not None and self.long < _STUBBY:
            return self.barrel
        ahead = self._beside_axis(self.ref)
        if self.muzzle is not None and float(np.linalg.norm(ahead)) < _IN_LINE:
            ahead = self._beside_axis(self.muzzle)
        return unit(ahead)

    def _beside_axis(self, way: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
        """Without its component along the region's axis, as far as the region is long."""
        assert self.axis is not None
        return way - self.long * (way @ self.axis) * self.axis

    @property
    def level_ref(self) -> Float[np.ndarray, "3"] | None:
        """`ref` laid into the horizontal plane; None where it is within 15 degrees of upright."""
        if self.ref is None or abs(self.ref[1]) > 0.966:
            return None
        return unit(self.ref * np.array([1.0, 0.0, 1.0]))


def _spine(held: tuple[ObservedPart, ...], toward: tuple[ObservedPart, ...]) -> Float[np.ndarray, "3"] | None:
    """From a blade's middle to its back; None where nothing tells it.

    Where the blade itself does not, its edge side drops below the line of the handle, so its back looks to
    that line: from the blade's centre square onto it, at least 1.5 mm. The handle is the thicker of the two.
    A loop, as a saw's, stands across the blade instead and reaches over its back.
    """
    blades = [p for p in (*held, *toward) if any(p.straight)]
    if blades:
        return unit(np.array(max(blades, key=lambda p: p.area_share).straight))
    if not held or not toward:
        return None
    blade, grip = sorted((held, toward), key=lambda parts: max(p.thickness for p in parts))
    handle = max(grip, key=lambda p: p.area_share)
    axis = np.array(handle.axis)
    off = np.array(handle.center) - centroid(blade)
    head = max(blade, key=lambda p: p.area_share)
    if head.thickness < _BRISTLES * head.extents[2] and head.flatness < 2 and head.elongation > 2:
        # Neck and bristles of a toothbrush rise from the neck to its end. Its handle's line is no measure:
        # so far from the head a slight slope turns it over.
        tilt = -np.sign(off @ np.array(head.axis)) * np.array(head.axis)
        return unit((tilt @ axis) * axis - tilt)
    along = (off @ axis) * axis
    off = along if handle.is_loop else off - along
    return unit(off) if float(np.linalg.norm(off)) > 0.0015 else None


#: Bristles are thinner than that share of what they stand in.
_BRISTLES = 0.3
#: A region is stubby below this `long`; a bar is so much longer than wide, and reaches so far to one side.
_STUBBY, _BAR, _AHEAD = 0.9, 1.5, 0.1
#: Less of a unit vector is no direction; a bar reaches so much farther to its front than to its back.
_IN_LINE, _FARTHER = 0.2, 1.15


def _barrel(
    ref: Float[np.ndarray, "3"] | None, toward: tuple[ObservedPart, ...]
) -> Float[np.ndarray, "3"] | None:
    """The long axis of the largest part that `ref` points to, in the sense of `ref`."""
    if ref is None or not toward:
        return None
    bar = max(toward, key=lambda p: p.area_share)
    ahead = float(ref @ np.array(bar.axis))
    return np.sign(ahead) * np.array(bar.axis) if bar.elongation > _BAR and abs(ahead) > _AHEAD else None


def _muzzle(
    center: Float[np.ndarray, "3"],
    axis: Float[np.ndarray, "3"] | None,
    toward: tuple[ObservedPart, ...],
    rest: tuple[ObservedPart, ...],
) -> Float[np.ndarray, "3"] | None:
    """The long axis of the largest part of `toward`, to the end that is farther from the line of `axis`."""
    if axis is None or not toward:
        return None
    bar = max(toward, key=lambda p: p.area_share)
    way = np.array(bar.axis)
    if bar.elongation < _BAR or abs(float(way @ axis)) > 0.7:
        return None
    square = way - (way @ axis) * axis
    line = center + ((np.array(bar.center) - center) @ axis) * axis

    def reach(side: float) -> float:
        ends = [
            side * float((np.array(p.center) - line) @ square)
            + 0.5 * p.extents[0] * abs(float(square @ np.array(p.axis)))
            for p in rest
        ]
        return max(ends)

    ahead, back = reach(1.0), reach(-1.0)
    return None if max(ahead, back) < _FARTHER * min(ahead, back) else np.sign(ahead - back) * way


def _downhill(obj: ObservedObject) -> Float[np.ndarray, "3"] | None:
    """Where the top slopes to: the highest part's long axis, laid level, if it falls by 3 to 30 degrees."""
    tops = [p for p in obj.parts if p.area_share > 0.15 and p.relative_center[1] > 0.4]
    if not tops:
        return None
    axis = np.array(max(tops, key=lambda p: p.relative_center[1]).axis)
    return unit(-np.sign(axis[1]) * axis * np.array([1.0, 0.0, 1.0])) if 0.05 < abs(axis[1]) < 0.5 else None


def _slim(obj: ObservedObject) -> Float[np.ndarray, "3"] | None:
    """Horizontal direction of the object's wider side, where the two horizontal sizes differ by 15 %."""
    x, _, z = obj.extents
    if max(x, z) < 1.15 * min(x, z):
        return None
    # A body that stands askew to the world axes: its own wide axis, if some part shows it.
    flat = [p for p in obj.parts if abs(p.axis[1]) < 0.3 and p.area_share > 0.3]
    if flat:
        axis = np.array(max(flat, key=lambda p: p.area_share).axis)
        return unit(axis * np.array([1.0, 0.0, 1.0]))
    return np.array([1.0, 0.0, 0.0]) if x > z else np.array([0.0, 0.0, 1.0])


def region_of(
    obj: ObservedObject,
    held: tuple[int, ...],
    toward: tuple[int, ...],
    center: Vec3,
    axis: Vec3 | None,
    extents: Vec3 | None,
) -> Region:
    """Gathers the reference directions of a hand region.

    Args:
      obj: the whole object.
      held, toward: part numbers; an empty `toward` means the rest of the object.
      center: C, metres.
      axis, extents: the region's long axis and principal extents in metres, None where not known.

    Returns:
      The region.
    """
    by = {p.number: p for p in obj.parts}
    held_parts = tuple(by[n] for n in held if n in by)
    others = tuple(by[n] for n in toward if n in by and n not in held)
    others = others or tuple(p for p in obj.parts if p.number not in held)
    c = np.array(center)
    ref = unit(centroid(others) - c) if others else None
    long = ramp(extents[0] / max(extents[1], 1e-9), 1.1, 1.6) if extents else 0.0
    a = unit(np.array(axis)) if axis else None
    rest = tuple(p for p in obj.parts if p.number not in held)
    return Region(
        c,
        a,
        long,
        ref,
        _spine(held_parts, others),
        _slim(obj),
        _barrel(ref, others),
        _downhill(obj),
        _muzzle(c, a, others, rest),
    )


def held_region(observed: RegionObservations, toward: tuple[int, ...]) -> Region:
    """`region_of` from the observations of a stage that knows the hand region."""
    return region_of(
        observed.object,
        observed.hand_parts,
        toward,
        observed.center,
        observed.region_axis,
        observed.region_extents,
    )


Term = Callable[[np.ndarray, str], float]


def terms_of(region: Region, broadside: Mapping[str, float] | None = None) -> dict[str, Term]:
    """The terms that this region defines (see affordances.TERMS): (unit direction, label) -> value.

    Args:
      region: the hand region.
      broadside: label -> mean max(0, n . D) over the region, where known.
    """
    terms: dict[str, Term] = {
        "up": lambda d, _: float(d @ _UP),
        "up_line": lambda d, _: abs(float(d @ _UP)),
        "side": lambda d, _: float(np.sqrt(max(0.0, 1 - (d @ _UP) ** 2))),
    }
    ref, level, forward = region.ref, region.level_ref, region.forward
    axis, spine, slim = region.axis, region.spine, region.slim
    if ref is not None:
        terms["ref"] = lambda d, _: float(d @ ref)
        terms["ref_line"] = lambda d, _: abs(float(d @ ref))
        terms["-ref_line"] = lambda d, _: 1 - abs(float(d @ ref))
    if level is not None:
        right = np.cross(level, _UP)
        terms["right"] = lambda d, _: float(d @ right)
        terms["level_ref"] = lambda d, _: float(d @ level)
    if forward is not None:
        terms["forward"] = lambda d, _: float(d @ forward)
        thumbward = None if ref is None else unit(ref - (ref @ forward) * forward)
        if thumbward is not None:
            beside = np.cross(forward, thumbward)
            terms["right_of_grip"] = lambda d, _: float(d @ beside)
    if axis is not None:
        terms["across"] = lambda d, _: region.long * float(np.sqrt(max(0.0, 1 - (d @ axis) ** 2)))
    downhill = region.downhill
    if downhill is not None:
        terms["downhill"] = lambda d, _: float(d @ downhill)
    if spine is not None:
        terms["spine"] = lambda d, _: float(d @ spine)
    if slim is not None:
        terms["slim"] = lambda d, _: abs(float(d @ slim))
        thin = np.cross(_UP, slim)
        terms["flank"] = lambda d, _: 1 - abs(float(d @ thin))
        terms["-slim"] = lambda d, _: 1 - abs(float(d @ slim))
    if broadside:
        most = max(broadside.values()) or 1.0
        terms["broadside"] = lambda d, label: broadside.get(label, 0.0) / most
    return terms


def score(
    weights: Mapping[str, float],
    terms: Mapping[str, Term],
    d: Float[np.ndarray, "3"],
    label: str = "",
) -> float:
    """sum(w_t * t(d)) over the terms that the region defines."""
    return float(sum(w * terms[t](d, label) for t, w in weights.items() if t in terms))
