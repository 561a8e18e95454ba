"""Cartons: shoe box, parcel, cereal packet."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, slab
from zdg_jax.objects.zoo.outline import rectangle
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 400.0  # card with contents


def build(draw: Draw) -> Shape:
    w, h, d = draw.pick((0.3, 0.11, 0.19), (0.19, 0.27, 0.065), (0.24, 0.15, 0.18), (0.15, 0.1, 0.1))
    w, h, d = w * draw(0.95, 1.05), h * draw(0.95, 1.05), d * draw(0.95, 1.05)
    if draw.variant % 4 in (0, 3):  # a lid that overlaps
        body = box(w, h - 0.006, d, "body", 0.002)
        lid = box(w + 0.007, 0.034 if draw.variant == 0 else 0.03, d + 0.007, "lid", 0.002).move(y=h - 0.034)
        return body + lid
    body = box(w, h, d, "body", 0.002)
    flaps = slab(rectangle(w - 0.003, d - 0.003), 0.003, "lid", 0.0008).move(y=h - 0.0008)
    seam = box(w, 0.01, 0.0016, "lid").move(y=h + 0.0012)
    tape = box(0.86 * w, 0.0009, 0.03, "tape").move(y=h + 0.002)
    return union(body, flaps - seam, tape) if draw.variant == 2 else union(body, flaps - seam)
