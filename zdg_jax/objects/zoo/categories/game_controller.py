"""Game controllers with two grips."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, revolve, slab
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 800.0  # plastic, mostly hollow


def build(draw: Draw) -> Shape:
    w, t = draw(0.145, 0.16), draw(0.034, 0.04)
    drop = draw.pick(0.052, 0.06, 0.046, 0.056)
    half = curve(
        [
            (0, 0.034),
            (0.25 * w, 0.036),
            (0.42 * w, 0.03),
            (0.5 * w, 0.0),
            (0.53 * w, -drop),
            (0.44 * w, -drop - 0.012),
            (0.33 * w, -0.03),
            (0.2 * w, -0.022),
            (0, -0.022),
        ],
        6,
    )
    outline = np.concatenate([half, (half[1:-1] * [-1, 1])[::-1]])
    body = slab(polygon(outline, 0.003), t, "body", 0.01).move(y=-t / 2)
    grips = box(0.2 * w, 0.2, 0.1, "x").move(0.45 * w, -0.1, 0.066).twin()
    body = body.zone(grips, {"body": "grip"})
    stick = revolve(
        [(0.009, 0.0), (0.0045, 0.004), (0.0045, 0.009), (0.0095, 0.011), (0.0095, 0.014)], "stick", 32
    )
    a, b = draw.pick((0.3, -0.008), (0.17, 0.014), (0.3, -0.012), (0.17, 0.012)), (0.17, 0.014)
    sticks = stick.move(-a[0] * w, t / 2 - 0.001, a[1]) + stick.move(b[0] * w, t / 2 - 0.001, b[1])
    keys = union(
        *(
            cylinder(0.0052, 0.006, "buttons", 0.001, 24).move(
                0.32 * w + 0.011 * u, t / 2 - 0.002, -0.012 + 0.011 * v
            )
            for u, v in ((1, 0), (-1, 0), (0, 1), (0, -1))
        )
    )
    pad_x, pad_z = (-0.17 * w, 0.012) if a[0] > 0.2 else (-0.32 * w, -0.01)
    pad = union(box(0.026, 0.006, 0.009, "dpad", 0.001), box(0.009, 0.006, 0.026, "dpad", 0.001)).move(
        pad_x, t / 2 - 0.003, pad_z
    )
    triggers = box(0.03, 0.016, 0.014, "trigger", 0.005).move(0.33 * w, -0.01, -0.036).twin()
    return union(body, sticks, keys, pad, triggers)
