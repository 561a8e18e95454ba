"""Detergent and milk bottles with a handle through the shoulder."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, cylinder, panel
from zdg_jax.objects.zoo.outline import rectangle
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 950.0  # plastic with contents


def build(draw: Draw) -> Shape:
    w, d, h = draw(0.11, 0.14), draw(0.065, 0.085), draw(0.2, 0.26)
    sh = 0.55 * h
    lower = box(w, sh + 0.05, d, "body", 0.018)
    neck_x = -0.16 * w
    upper = blend(
        "body",
        box(w, 0.05, d, "body", 0.018).move(y=sh),
        cylinder(0.02, 0.01, "body").move(x=neck_x, y=h),
        cylinder(0.014, 0.01, "body").move(x=0.36 * w, y=h - 0.03),
    )
    hole_h, hole_w = draw(0.085, 0.095), draw(0.03, 0.034)
    tilt = draw.pick(28, 22, 32, 25)
    hole = panel(rectangle(hole_w, hole_h, 0.0145), 0.2, "handle").turn(z=tilt).move(0.2 * w, h - 0.058)
    grip = (
        panel(rectangle(hole_w + 0.05, hole_h + 0.018, 0.02), 0.3, "x")
        .turn(z=tilt)
        .move(0.2 * w + 0.028, h - 0.062)
    )
    body = lower + upper - hole
    cap = cylinder(draw.pick(0.021, 0.024, 0.021, 0.019), draw(0.026, 0.034), "cap", 0.002).move(
        neck_x, h + 0.008
    )
    return body.zone(grip, {"body": "handle"}) + cap
