"""Basin taps: a body, a swan neck and a lever or a cross knob."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 7000.0  # brass


def build(draw: Draw) -> Shape:
    base, tall, reach = draw(0.024, 0.028), draw(0.09, 0.12), draw(0.11, 0.15)
    body = union(
        cylinder(1.25 * base, 0.006, "base", 0.0015),
        revolve(curve([(base, 0.004), (0.9 * base, 0.4 * tall), (0.86 * base, tall)], 6), "body"),
    )
    if draw.variant % 2 == 0:
        top = tall + draw(0.06, 0.09)
        spout = tube(
            [
                (0, 0.4 * tall, 0),
                (0, tall + 0.01, 0),
                (0.3 * reach, top + 0.03, 0),
                (0.75 * reach, top + 0.02, 0),
                (reach, tall + 0.02, 0),
            ],
            0.021,
            "spout",
            normal=(0, 0, 1),
            round_ends=False,
        )
        knob = tube([(0, 0.6 * tall, 0.5 * base), (0, 0.6 * tall, base + 0.018)], 0.018, "handle")
        lever = tube(
            [
                (0, 0.6 * tall, base + 0.012),
                (-0.004, 0.6 * tall + 0.03, base + 0.022),
                (-0.006, 0.6 * tall + 0.075, base + 0.032),
            ],
            [0.014, 0.011, 0.015],
            "handle",
            [0.014, 0.009, 0.008],
            normal=(0, 0, 1),
        )
        return union(body, spout, knob, lever)
    spout = tube(
        [
            (-0.01, 0.7 * tall, 0),
            (0.3 * reach, 0.82 * tall, 0),
            (0.8 * reach, 0.8 * tall, 0),
            (reach, 0.66 * tall, 0),
        ],
        [0.03, 0.027, 0.024, 0.022],
        "spout",
        0.021,
        normal=(0, 1, 0),
        round_ends=False,
    )
    stem = cylinder(0.009, 0.03, "body").move(y=tall - 0.002)
    if draw.variant == 1:
        lever = tube(
            [
                (-0.02, tall + 0.016, 0),
                (0, tall + 0.022, 0),
                (0.05, tall + 0.034, 0),
                (0.095, tall + 0.046, 0),
            ],
            [0.026, 0.032, 0.02, 0.018],
            "handle",
            [0.014, 0.02, 0.01, 0.008],
        )
        return union(body, spout, stem, lever)
    arms = tube(
        [(-0.036, tall + 0.03, 0), (0, tall + 0.03, 0), (0.036, tall + 0.03, 0)],
        [0.014, 0.0105, 0.014],
        "handle",
    )
    hub = cylinder(0.011, 0.018, "handle", 0.003).move(y=tall + 0.022)
    return union(body, spout, stem, arms, arms.turn(y=90), hub)
