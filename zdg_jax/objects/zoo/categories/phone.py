"""Smartphones lying on their back, and a feature phone."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, slab
from zdg_jax.objects.zoo.outline import rectangle
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 2200.0  # glass and aluminium


def build(draw: Draw) -> Shape:
    w, long, t = draw(0.068, 0.078), draw(0.142, 0.162), draw(0.0078, 0.0095)
    body = slab(rectangle(w, long, draw(0.008, 0.012)), t, "back", 0.0018)
    front = box(1, 1, 1, "x").move(y=t - 0.0025)
    body = body.zone(front, {"back": "frame"})
    margin = draw.pick(0.003, 0.0035, 0.004, 0.003)
    cut = draw.pick(0.0, 0.0, 0.03, 0.0)
    screen = slab(rectangle(w - 2 * margin, long - 2 * margin - cut, 0.007), 0.01, "screen").move(
        y=t - 0.0006, z=-cut / 3
    )
    body = body - screen
    lens = union(
        *(
            cylinder(0.0055, 0.0018, "camera", 0.0004, 28).move(
                w / 2 - 0.014, -0.0014, -long / 2 + 0.014 + 0.014 * i
            )
            for i in range(draw.pick(3, 2, 1, 3))
        )
    )
    keys = box(0.002, 0.0026, 0.014, "button", 0.0006).move(w / 2, t / 2 - 0.0013, -0.2 * long) + box(
        0.002, 0.0026, 0.026, "button", 0.0006
    ).move(-w / 2, t / 2 - 0.0013, -0.24 * long)
    slot = box(0.03, 0.0014, 0.004, "speaker").move(0, t - 0.0007, -long / 2 + 0.0015)
    home = (
        cylinder(0.0065, 0.002, "button", 0.0004, 28).move(0, t - 0.0014, long / 2 - 0.013) if cut else slot
    )
    return union(body, lens, keys) - slot + home if cut else union(body, lens, keys) - slot
