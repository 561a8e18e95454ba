"""Shopping baskets with slotted sides and a handle across."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, ear, panel
from zdg_jax.objects.zoo.outline import rectangle
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 600.0  # wicker


def build(draw: Draw) -> Shape:
    w, d, h = draw(0.28, 0.36), draw(0.19, 0.24), draw(0.13, 0.17)
    taper = 0.86
    outer = blend(
        "body", box(taper * w, 0.01, taper * d, "x", 0.004), box(w, 0.01, d, "x", 0.004).move(y=h - 0.01)
    )
    t = 0.008
    inner = blend(
        "inside",
        box(taper * w - 2 * t, 0.01, taper * d - 2 * t, "x").move(y=t),
        box(w - 2 * t, 0.01, d - 2 * t, "x").move(y=h + 0.003),
    )
    count = draw.pick(6, 8, 5, 7)
    slot = panel(rectangle(0.45 * w / count, 0.55 * h, 0.005), 2, "body").move(y=0.48 * h)
    slots = union(*(slot.move(x=(i - (count - 1) / 2) * 0.8 * w / count) for i in range(count)))
    side = panel(rectangle(0.45 * d / 4, 0.55 * h, 0.005), 2, "body").move(y=0.48 * h).turn(y=90)
    sides = union(*(side.move(z=(i - 1.5) * 0.75 * d / 4) for i in range(4)))
    tall = h + draw(0.11, 0.14)
    handle = ear(
        [
            (-0.49 * w, h - 0.02),
            (-0.46 * w, h + 0.05),
            (-0.28 * w, tall - 0.012),
            (0, tall),
            (0.28 * w, tall - 0.012),
            (0.46 * w, h + 0.05),
            (0.49 * w, h - 0.02),
        ],
        0.012,
        "handle",
        0.026,
    )
    rim = (
        box(w + 0.012, 0.016, d + 0.012, "rim", 0.005) - box(w - 2 * t, 0.1, d - 2 * t, "rim").move(y=-0.04)
    ).move(y=h - 0.014)
    return union(outer - inner - slots - sides, rim, handle)
