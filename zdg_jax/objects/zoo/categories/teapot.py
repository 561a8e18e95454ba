"""Teapots with spout, ear, lid and knob."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import ear, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 2300.0  # china


def build(draw: Draw) -> Shape:
    r, h = draw(0.06, 0.072), draw(0.09, 0.12)
    belly = draw.pick(1.0, 0.92, 1.08, 1.0)
    mouth = 0.55 * r
    profile = curve(
        [(0.6 * r, 0), (0.82 * r, 0.1 * h), (belly * r, 0.42 * h), (0.86 * r, 0.8 * h), (mouth, h)], 8
    )
    body = revolve(profile, "body")
    reach = draw(0.042, 0.05)
    handle = ear(
        [
            (0.78 * r, 0.2 * h),
            (r + 0.7 * reach, 0.18 * h),
            (r + reach, 0.55 * h),
            (r + 0.66 * reach, 0.92 * h),
            (0.7 * r, 0.86 * h),
        ],
        0.012,
        "handle",
        0.014,
    )
    tip = r + draw(0.045, 0.06)
    spout = tube(
        [
            (-0.6 * r, 0.22 * h, 0),
            (-0.98 * r, 0.34 * h, 0),
            (-(r + tip) / 2, 0.75 * h, 0),
            (-tip, 1.02 * h, 0),
        ],
        [0.045, 0.036, 0.021, 0.017],
        "spout",
        round_ends=False,
        normal=(0, 0, 1),
    )
    bore = tube(
        [(-(r + tip) / 2, 0.75 * h, 0), (-tip, 1.02 * h, 0), (-tip - 0.006, 1.1 * h, 0)],
        [0.006, 0.01, 0.012],
        "spout",
        normal=(0, 0, 1),
        smooth=3,
    )
    lid = revolve(
        curve(
            [
                (mouth + 0.002, h - 0.003),
                (mouth + 0.002, h + 0.002),
                (0.6 * mouth, h + 0.012),
                (0.006, h + 0.016),
            ],
            5,
        ),
        "lid",
    )
    knob = revolve(
        curve([(0.006, h + 0.012), (0.006, h + 0.02), (0.012, h + 0.028), (0.007, h + 0.036)], 5), "knob"
    )
    return union(body, spout, handle) - bore + lid + knob
