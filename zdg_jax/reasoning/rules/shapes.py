"""Which family of shapes an object looks like, where no word says what it is."""

from __future__ import annotations

import numpy as np

from zdg_jax.reasoning.protocol import ObservedObject, ObservedPart
from zdg_jax.reasoning.rules.roles import graspable, grip_size, out, ramp, solid, spread


def upright(obj: ObservedObject) -> float:
    """How far the object's longest axis stands up: |long_axis . y|."""
    return abs(obj.long_axis[1])


def lean(obj: ObservedObject) -> float:
    """Height over the larger horizontal size."""
    return obj.extents[1] / max(obj.extents[0], obj.extents[2], 1e-9)


def _blade(part: ObservedPart, obj: ObservedObject) -> float:
    """How much a part is a long thin blade; a wide one, as a saw's, only where a thick loop is at one end."""
    hilted = any(
        p.is_loop and p.end_distance < 0.5 and p.thickness > max(6 * part.thickness, 0.015) for p in obj.parts
    )
    widest = (0.12, 0.18) if hilted else (0.04, 0.07)
    return (
        ramp(part.extents[1] / max(part.thickness, 1e-4), 2.0, 5.0)
        * (1 - ramp(part.thickness, 0.004, 0.008))
        * ramp(part.elongation, 1.5, 3.0)
        * (1 - ramp(part.extents[1], *widest))
        * ramp(part.area_share, 0.05, 0.15)
    )


def _two_handled(loops: list[ObservedPart]) -> float:
    """How much two small loops lie on opposite sides, as a cooking pot's."""
    small = [p for p in loops if p.area_share < 0.12]
    return max(
        (
            ramp(min(out(p), out(q)), 0.5, 0.7)
            * ramp(-sum(p.relative_center[k] * q.relative_center[k] for k in (0, 2)), 0.2, 0.4)
            for p in small
            for q in small
            if p.number < q.number
        ),
        default=0.0,
    )


def _bow(part: ObservedPart, obj: ObservedObject) -> float:
    """How much a part is a bow or bar over the rest, as a bucket's, whose hole is the opening."""
    _, y, _ = part.relative_center
    if part.concave or part.is_loop or part.area_share > 0.15 or grip_size(part) > 0.08:
        return 0.0
    span = part.extents[0] / max(obj.extents[0], obj.extents[2])
    width = part.extents[1] / min(obj.extents[0], obj.extents[2])  # a box's top is as wide as the box
    return (
        ramp(y, 0.5, 0.7)
        * (1.0 - ramp(width, 0.5, 0.8))
        * (1.0 - ramp(out(part), 0.2, 0.4))
        * (1.0 - ramp(abs(part.axis[1]), 0.2, 0.4))
        * ramp(part.elongation, 1.4, 1.8)
        * ramp(span, 0.3, 0.5)
        * solid(part)
    )


def _stem(part: ObservedPart, obj: ObservedObject) -> float:
    """How much a part is a thin upright stem between a foot and what it carries."""
    y = part.center[1]
    if part.concave or part.is_loop or abs(part.axis[1]) < 0.9 or grip_size(part) > 0.03:
        return 0.0
    wide = [p.center[1] for p in obj.parts if p is not part and spread(p, obj) > 2.0 * grip_size(part)]
    between = any(c < y for c in wide) and any(c > y for c in wide)
    return float(between) * ramp(part.elongation, 1.5, 2.5) * ramp(part.extents[0], 0.025, 0.04)


def _fixture(part: ObservedPart, obj: ObservedObject) -> float:
    """How much a part is the plate or foot of something that stands fast and carries a bar, clear of it."""
    thin = 1.0 - ramp(part.thickness, 0.012, 0.016)
    bars = [p for p in obj.parts if p is not part and graspable(p) > 0.3 and p.elongation > 1.5]
    if part.concave or part.is_loop or not bars:
        return 0.0
    foot = float(part.relative_center[1] < -0.85 and part.extents[1] > 2.5 * part.extents[2])
    # a plate stands at one face of the thing, bars at the other
    apart = 0.0
    for bar in bars:
        for k in (0, 2):
            own, other = part.relative_center[k], bar.relative_center[k]
            if own * other < 0:
                apart = max(apart, ramp(abs(own), 0.6, 0.8) * ramp(abs(other), 0.2, 0.4))
    plate = apart * ramp(part.area_share, 0.3, 0.45) * abs(part.axis[1])
    return thin * max(0.3 * foot, 0.9 * plate)


def _hook(part: ObservedPart, obj: ObservedObject) -> float:
    """How much a part is a bent bar at one end that stands out of the thing's line, as a cane's handle."""
    off = np.array(part.center) - np.array(max(obj.parts, key=lambda p: p.area_share).center)
    off -= (off @ np.array(obj.long_axis)) * np.array(obj.long_axis)
    if part.concave or part.is_loop:
        return 0.0
    return (
        ramp(float(np.linalg.norm(off)), 0.01, 0.02)
        * graspable(part)
        * ramp(part.extents[1] / max(part.thickness, 1e-4), 1.5, 2.2)
        * ramp(1.0 - part.end_distance, 0.6, 0.8)
        * (1.0 - ramp(part.area_share, 0.1, 0.2))
        * solid(part)
    )


def _side_by_side(p: ObservedPart, q: ObservedPart, obj: ObservedObject) -> float:
    """How much two bars are the two levers of one tool: of a length, side by side, a finger apart."""
    along = np.array(obj.long_axis)
    line = np.array(p.center) - np.array(q.center)
    shift = abs(float(line @ along))
    gap = float(np.linalg.norm(line - (line @ along) * along))
    longer, shorter = max(p.extents[0], q.extents[0]), min(p.extents[0], q.extents[0])
    return (
        ramp(shorter / longer, 0.5, 0.75)
        * (1.0 - ramp(shift / longer, 0.25, 0.5))
        * ramp(gap / max(p.thickness, q.thickness, 1e-4), 1.2, 2.0)
        * (1.0 - ramp(gap, 0.08, 0.12))
        * ramp(min(p.area_share, q.area_share), 0.08, 0.15)
        * solid(p)
        * solid(q)
    )


def _gripped_below(grip: ObservedPart, body: ObservedPart) -> float:
    """How much a part is the grip under a body that points forward, as of a drill that stands."""
    if grip.concave or grip.is_loop or body.concave or body.is_loop:
        return 0.0
    return (
        graspable(grip)
        * solid(grip)
        * ramp(grip.thickness, 0.012, 0.02)
        * ramp(1.0 - abs(float(np.dot(grip.axis, body.axis))), 0.2, 0.5)
        * (1.0 - ramp(abs(body.axis[1]), 0.3, 0.6))
        * ramp(body.elongation, 1.5, 2.2)
        * ramp(body.area_share, 0.3, 0.4)
        * ramp(body.relative_center[1] - grip.relative_center[1], 0.3, 0.6)
    )


def family_fit(obj: ObservedObject) -> dict[str, float]:
    """How well the whole shape agrees with each family, 0..1; a family not listed is neutral (0.3).

    Round and tall, flat and wide, long and thin are read off the principal extents e0 >= e1 >= e2; loops and
    cavities off the parts.
    """
    e0, e1, e2 = obj.principal_extents
    long, disc = e0 / max(e1, 1e-9), e1 / max(e2, 1e-9)
    parts = obj.parts
    loops = [p for p in parts if p.is_loop and p.hole_diameter > 0.012 and not p.concave]
    cavity = any(p.concave for p in parts)
    loop_out = max((out(p) for p in loops), default=0.0)
    on_top = max(
        (ramp(p.relative_center[1], 0.3, 0.6) * (1.0 - ramp(out(p), 0.3, 0.6)) for p in loops), default=0.0
    )
    on_top = max([on_top, *(_bow(p, obj) for p in parts)])
    elongated, flat = ramp(long, 1.5, 2.5), ramp(disc, 2.5, 5.0)
    round_ = 1.0 - ramp(long, 1.15, 1.5)
    widths = [spread(p, obj) for p in parts if p.area_share > 0.07] or [1.0]
    ends = 1.0 - min(widths) / max(max(widths), 1e-9)
    # what stands and is taller than any bottle, a broom say, is a stick all the same
    stands = ramp(upright(obj), 0.7, 0.95) * (1.0 - ramp(e0, 0.4, 0.6))
    blade = max(_blade(p, obj) for p in parts)
    small_hand = 1.0 - ramp(e0, 0.05, 0.09)
    thick = [p for p in parts if p.area_share > 0.12 and p.thickness > 0.015 and p.elongation > 1.25]
    bent = max((1 - abs(float(np.dot(p.axis, q.axis))) for p in thick for q in thick), default=0.0)
    gripped = max((_gripped_below(p, q) for p in parts for q in parts if p is not q), default=0.0)
    levers = [p for p in parts if p.elongation > 2.5 and p.area_share > 0.05 and graspable(p) > 0.3]
    fork = max((1 - abs(float(np.dot(p.axis, q.axis))) for p in levers for q in levers), default=0.0)
    pair = max((_side_by_side(p, q, obj) for p in levers for q in levers if p.number < q.number), default=0.0)
    stemmed = max(_stem(p, obj) for p in parts)
    # a saucepan is as deep as it likes: a bar that sticks out of a dish of more than a ladle's size
    dish = max((ramp(p.extents[1], 0.10, 0.13) for p in parts if p.concave), default=0.0)
    bar = max(
        (
            graspable(p)
            * ramp(p.elongation, 2.0, 3.5)
            * ramp(out(p), 0.3, 0.55)
            * (1 - ramp(p.area_share, 0.2, 0.3))
            for p in parts
            if not p.is_loop and not p.concave and abs(p.axis[1]) < 0.7
        ),
        default=0.0,
    )
    # a pot may have its lid on, and no inside
    pot = _two_handled(loops) * ramp(max(p.extents[1] for p in parts), 0.10, 0.13)
    x, _, z = obj.extents
    turned = 1.0 - ramp(max(x, z) / max(min(x, z), 1e-9), 1.1, 1.3)
    lies = 1.0 - ramp(lean(obj), 0.35, 0.7)
    return {
        "stick_tool": elongated * (0.4 + 0.6 * ends) * (1.0 - stands) * (1.0 - 0.3 * blade),
        # a keyboard is long and of one piece, but no hand closes around it
        "rod": elongated
        * (1.0 - 0.8 * ends)
        * (1.0 - stands)
        * (1.0 - 0.7 * blade)
        * (1.0 - ramp(e1, 0.095, 0.11)),
        "blade_tool": 0.95 * elongated * blade * (1.0 - stands),
        "two_loop": float(len(loops) >= 2) * ramp(disc, 1.8, 3.0) * ramp(long, 1.2, 1.8),
        # a kettle may hang from a bow over it, but by its shape alone it is none
        "handled_vessel": max(
            ramp(loop_out, 0.4, 0.7)
            * ramp(lean(obj), 0.4, 0.7)
            * (1.0 if cavity else 0.7)
            * (1.0 - 0.5 * on_top),
            0.25 * on_top,
        ),
        "top_handle": 0.9 * on_top,
        "bottle": stands
        * ramp(long, 1.3, 1.8)
        * (0.4 if cavity else 1.0)
        * (0.3 if loops else 1.0)
        * (1.0 - 0.7 * stemmed),
        "cylinder": ramp(lean(obj), 0.6, 0.9)
        * (1.0 - ramp(lean(obj), 1.8, 2.4))
        * turned
        * (1.0 if cavity else 0.8)
        * (0.3 if loops else 1.0)
        * (1.0 - 0.7 * on_top)
        * (1.0 - 0.7 * stemmed),
        "bowl": round_
        * lies
        * (1.0 - ramp(disc, 4.0, 8.0))
        * (1.0 if cavity else 0.4)
        * ramp(disc, 1.2, 1.8),
        "plate": round_ * ramp(disc, 3.5, 6.0) * lies,
        "pistol": max(lies * ramp(bent, 0.2, 0.5), gripped * (1.0 - ramp(lean(obj), 0.9, 1.2)))
        * (1.0 - ramp(long, 1.6, 2.5))
        * (0.2 if cavity else 1.0 - small_hand),
        "squeezer": lies
        * max((1.0 - ramp(long, 1.8, 2.6)) * ramp(disc, 1.8, 3.5) * ramp(fork, 0.02, 0.1) * 0.8, 0.95 * pair),
        "spray": stands * ramp(long, 1.8, 2.6) * 0.8 * (1.0 - 0.7 * stemmed),
        "stemmed": stemmed,
        "hooked": 0.95 * elongated * max(_hook(p, obj) for p in parts),
        "pan": max(flat * ramp(long, 1.2, 1.6) * (0.8 if cavity else 0.5), 0.9 * dish * bar, 0.9 * pot),
        "block": (1.0 - elongated) * (1.0 - flat) * (0.3 if cavity else 0.8) * (0.3 if loops else 1.0),
        "small": small_hand,
        "pen": ramp(long, 5.0, 8.0) * (1.0 - ramp(e1, 0.012, 0.025)),
        "slab": 0.0,  # what a device is that no hand spans
        "handled_comb": 0.0,  # what a comb is that has a handle
        "hanging": 0.0,  # what a vessel is under a bow
        "fixture": max(_fixture(p, obj) for p in parts),
        "comb": 0.9
        * elongated
        * flat
        * (1.0 - ramp(max(p.thickness for p in parts), 0.006, 0.009))
        * ramp(long, 2.5, 3.5),
        # a remote control is thicker than a phone: what is one by its name or use, but no guess
        "device": max(flat, 0.25 * ramp(disc, 1.6, 2.2)) * ramp(long, 1.2, 1.6) * (1.0 - 0.7 * ends),
    }
