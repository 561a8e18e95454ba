"""Toothbrushes."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, tube
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1100.0  # plastic


def build(draw: Draw) -> Shape:
    length, w = draw(0.17, 0.19), draw(0.0125, 0.015)
    dip = draw.pick(0.0, 0.004, 0.007, 0.002)
    handle = tube(
        [
            (0, 0, 0),
            (0.2 * length, dip, 0),
            (0.45 * length, dip, 0),
            (0.62 * length, 0.5 * dip, 0),
            (0.76 * length, 0, 0),
        ],
        [0.75 * w, w, 0.9 * w, 0.6 * w, 0.5 * w],
        "handle",
        [0.009, 0.012, 0.0105, 0.0075, 0.006],
    )
    head = tube(
        [(0.73 * length, 0, 0), (0.84 * length, 0, 0), (length - 0.004, 0, 0)],
        [0.5 * w, 0.9 * w, 0.75 * w],
        "head",
        [0.0055, 0.005, 0.005],
        square=2.5,
    )
    rows = draw.pick(7, 8, 6, 7)
    span = 0.15 * length
    tufts = [
        cylinder(0.0016, 0.0115 + 0.0015 * ((i + draw.variant) % 2), "bristles", segments=10).move(
            0.82 * length + span * i / (rows - 1), 0, z
        )
        for i in range(rows)
        for z in (-0.0036, 0, 0.0036)
    ]
    return union(handle, head, *tufts)
