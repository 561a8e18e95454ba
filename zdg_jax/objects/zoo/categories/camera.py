"""Compact and reflex cameras."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, cylinder, revolve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1200.0  # metal and glass


def build(draw: Draw) -> Shape:
    w, h, t = draw(0.11, 0.14), draw(0.068, 0.09), draw(0.034, 0.046)
    body = box(w, h, t, "body", 0.006)
    reach, r = draw.pick(0.03, 0.055, 0.024, 0.07), draw(0.024, 0.032)
    x = draw.pick(0.0, 0.08, 0.1, 0.05) * w
    lens = cylinder(r, reach, "lens", 0.0015) + cylinder(1.08 * r, 0.014, "lens", 0.001).move(y=0.35 * reach)
    lens = lens - revolve([(0.78 * r, reach - 0.006), (0.88 * r, reach + 0.01)], "glass")
    lens = lens.turn(x=90).move(x, 0.47 * h, t / 2 - 0.002)
    grip = box(0.026, 0.94 * h, 0.03, "grip", 0.009).move(-w / 2 + 0.013, 0.02 * h, t / 2)
    button = cylinder(0.007, 0.006, "shutter_button", 0.001, 28).move(-w / 2 + 0.017, h - 0.002, 0.22 * t)
    dial = cylinder(0.0095, 0.008, "dial", 0.0008).move(0.33 * w, h - 0.001)
    if draw.variant % 2:
        hump = blend(
            "viewfinder",
            box(0.05, 0.002, 0.9 * t, "x", 0.0009).move(x, h - 0.003),
            box(0.032, 0.002, 0.6 * t, "x", 0.0009).move(x, h + 0.02, 0.1 * t),
        )
    else:
        hump = box(0.024, 0.012, 0.008, "viewfinder", 0.002).move(x, h - 0.005)
    return union(body, lens, grip, button, dial, hump)
