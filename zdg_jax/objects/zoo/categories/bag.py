"""Handbags and shopping bags with two upright handles."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, ear
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 500.0  # fabric with contents


def build(draw: Draw) -> Shape:
    w, h, d = draw(0.28, 0.34), draw(0.2, 0.26), draw(0.1, 0.13)
    style = draw.pick("tote", "purse", "tote", "purse")
    top_w, top_d = (1.05 * w, 0.75 * d) if style == "tote" else (0.72 * w, 0.4 * d)
    body = blend(
        "body",
        box(w, 0.03, d, "x", 0.012),
        box(1.02 * w, 0.02, d, "x", 0.009).move(y=0.35 * h),
        box(top_w, 0.012, top_d, "x", 0.005).move(y=h - 0.012),
    )
    if style == "tote":
        body = body - blend(
            "inside",
            box(0.9 * w, 0.02, 0.75 * d, "x").move(y=0.03),
            box(top_w - 0.012, 0.02, top_d - 0.012, "x").move(y=h),
        )
    else:
        clasp = box(0.03, 0.02, top_d + 0.012, "clasp", 0.004).move(y=h - 0.024)
        flap = blend(
            "flap",
            box(top_w + 0.01, 0.008, top_d + 0.01, "x", 0.003).move(y=h - 0.004),
            box(0.5 * w, 0.008, 0.85 * d, "x", 0.003).move(y=0.62 * h, z=0.1 * d),
        )
        body = union(body, flap, clasp)
    arch, reach = draw(0.1, 0.13), 0.24 * w
    bow = [
        (-reach, h - 0.05),
        (-reach, h - 0.01),
        (-0.85 * reach, h + 0.65 * arch),
        (0, h + arch),
        (0.85 * reach, h + 0.65 * arch),
        (reach, h - 0.01),
        (reach, h - 0.05),
    ]
    strap = ear(bow, 0.0075, "handle", 0.018 if style == "tote" else 0.011)
    z = top_d / 2 - (0.004 if style == "tote" else 0.006)
    return union(body, strap.turn(x=4).move(z=z), strap.turn(x=-4).move(z=-z))
