"""Suitcases standing up: a briefcase handle or a trolley."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, ear, tube
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 250.0  # shell, packed lightly


def build(draw: Draw) -> Shape:
    w, h, d = draw(0.36, 0.42), draw.pick(0.3, 0.52, 0.34, 0.48), draw(0.14, 0.2)
    body = box(w, h, d, "body", 0.02).move(y=0.012)
    ribs = union(
        *(
            box(0.012, 0.86 * h, d + 0.006, "body", 0.003, 8).move(x=(i - 2) * 0.17 * w, y=0.07 * h)
            for i in range(5)
        )
    )
    seam = box(w + 0.004, h + 0.004, 0.008, "frame", 0.003, 8).move(y=0.01)
    grip_w = draw(0.11, 0.13)
    top = h + 0.012
    handle = ear(
        [
            (-grip_w / 2 - 0.008, top - 0.006),
            (-grip_w / 2 - 0.003, top + 0.026),
            (-grip_w / 2 + 0.02, top + 0.038),
            (0, top + 0.04),
            (grip_w / 2 - 0.02, top + 0.038),
            (grip_w / 2 + 0.003, top + 0.026),
            (grip_w / 2 + 0.008, top - 0.006),
        ],
        0.015,
        "handle",
        0.022,
    )
    feet = cylinder(0.012, 0.016, "wheels", 0.002).move(0.4 * w, 0, 0.33 * d)
    if draw.variant % 2:
        feet = cylinder(0.02, 0.018, "wheels", 0.003).turn(x=90).move(0.4 * w, 0.018, 0.4 * d)
        rise = top + draw(0.3, 0.36)
        bars = (
            cylinder(0.007, rise - top + 0.02, "trolley", segments=16).move(0.12, top - 0.02, -0.3 * d).twin()
        )
        cross = tube(
            [(-0.132, rise, -0.3 * d), (0, rise + 0.004, -0.3 * d), (0.132, rise, -0.3 * d)],
            0.024,
            "trolley",
            0.02,
        )
        return union(body, ribs, seam, handle, feet.twin().twin("z"), bars, cross)
    locks = box(0.03, 0.016, 0.014, "lock", 0.003).move(0.3 * w, h + 0.002, 0.0).twin()
    return union(body, ribs, seam, handle, feet.twin().twin("z"), locks)
