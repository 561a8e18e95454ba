"""Pocket lighters: a body, a wheel, a thumb button."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, cylinder, slab
from zdg_jax.objects.zoo.outline import ellipse
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1500.0  # plastic and steel


def build(draw: Draw) -> Shape:
    w, d, h = draw(0.022, 0.026), draw(0.0115, 0.0135), draw(0.058, 0.066)
    body = Shape.of(slab(ellipse(w, d, 40), h, "body", 0.0012).solid, "body")
    if draw.variant % 2:
        body = box(w + 0.012, 0.036, d, "body", 0.0025)
        h = 0.036
        lid = (
            box(w + 0.0118, 0.02, d, "cap", 0.0025)
            .move(x=-(w + 0.0118) / 2, y=0)
            .turn(z=110)
            .move(x=-(w + 0.012) / 2 + 0.0045, y=h - 0.001)
        )
        chimney = box(0.014, 0.016, 0.8 * d, "guard", 0.001).move(y=h - 0.002) - union(
            *(
                cylinder(0.0018, 0.04, "guard", segments=14).turn(x=90).move(i * 0.0042, h + 0.009, 0.02)
                for i in (-1, 0, 1)
            )
        )
        wheel = cylinder(0.0052, 0.0062, "wheel", 0.0006).turn(x=90).move(0.011, h + 0.006, 0.0031)
        button = box(0.006, 0.006, 0.006, "button", 0.001).move(0.0135, h - 0.002)
        return union(body, lid, chimney, wheel, button)
    guard = slab(ellipse(0.96 * w, 0.94 * d, 40), 0.012, "guard", 0.0005).move(y=h - 0.001)
    cut = box(0.6 * w, 0.02, 0.1, "guard").move(0.44 * w, h + 0.004)
    port = cylinder(0.004, 0.03, "guard", segments=20).move(-0.22 * w, h + 0.003)
    wheel = cylinder(0.0048, 0.0075, "wheel", 0.0006).turn(x=90).move(0.12 * w, h + 0.0085, 0.00375)
    button = blend(
        "button",
        box(0.006, 0.003, 0.008, "x", 0.001).move(0.38 * w, h - 0.0005),
        box(0.003, 0.003, 0.008, "x", 0.001).move(0.46 * w, h + 0.003),
    )
    return union(body, guard - cut - port, wheel, button)
