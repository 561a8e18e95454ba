"""Cordless drills standing on their battery."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, cylinder, revolve, tube
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1800.0  # plastic and motor


def build(draw: Draw) -> Shape:
    body_l, r = draw(0.14, 0.17), draw(0.028, 0.033)
    tall = draw(0.16, 0.18)
    barrel = tube(
        [(-0.4 * body_l, tall, 0), (0, tall, 0), (0.5 * body_l, tall, 0)],
        2 * r,
        "body",
        [2 * r, 2.15 * r, 2 * r],
        square=2.6,
    )
    collar = cylinder(0.82 * r, 0.03, "body", 0.002).turn(z=-90).move(0.5 * body_l, tall)
    chuck = (
        revolve([(0.65 * r, 0), (0.68 * r, 0.016), (0.4 * r, 0.034)], "chuck")
        .turn(z=-90)
        .move(0.5 * body_l + 0.028, tall)
    )
    bit = cylinder(0.0032, draw(0.05, 0.08), "bit", segments=20).turn(z=-90).move(0.5 * body_l + 0.058, tall)
    lean = draw.pick(0.018, 0.01, 0.024, 0.014)
    handle = tube(
        [(-0.006, tall - 0.5 * r, 0), (-0.01, 0.62 * tall, 0), (-0.01 - lean, 0.03, 0)],
        [0.034, 0.031, 0.034],
        "handle",
        [0.046, 0.042, 0.046],
        normal=(1, 0, 0),
        round_ends=False,
    )
    battery = box(draw(0.095, 0.115), 0.042, 0.068, "battery", 0.008).move(-0.006 - lean)
    trigger = blend(
        "trigger",
        box(0.014, 0.018, 0.013, "x", 0.004).move(0.021, 0.66 * tall),
        box(0.01, 0.012, 0.013, "x", 0.004).move(0.012, 0.66 * tall + 0.014),
    )
    return union(barrel, collar, chuck, bit, handle, battery, trigger)
