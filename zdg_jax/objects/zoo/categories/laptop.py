"""Laptops, open."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, slab
from zdg_jax.objects.zoo.outline import rectangle
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1600.0  # aluminium


def build(draw: Draw) -> Shape:
    w, d, t = draw(0.3, 0.36), draw(0.21, 0.25), draw(0.013, 0.018)
    base = slab(rectangle(w, d, 0.01), t, "base", 0.002)
    well = box(0.86 * w, 0.004, 0.46 * d, "keys").move(0, t - 0.002, -0.14 * d)
    nx, nz = 13, 5
    px, pz = 0.84 * w / nx, 0.44 * d / nz
    keys = [
        box(0.8 * px, 0.0028, 0.8 * pz, "keys").move((i - 6) * px, t - 0.0032, -0.14 * d + (j - 2) * pz)
        for i in range(nx)
        for j in range(nz)
    ]
    pad = box(0.32 * w, 0.003, 0.24 * d, "touchpad").move(0, t - 0.0008, 0.27 * d)
    lid = slab(rectangle(w, d, 0.01), 0.007, "lid", 0.0015)
    glass = box(0.94 * w, 0.01, 0.86 * d, "screen").move(y=0.0062, z=-0.01 * d)
    tilt = draw.pick(105, 115, 95, 125)
    top = (lid - glass).move(z=-d / 2).turn(x=tilt).move(y=t - 0.002, z=-d / 2 + 0.002)
    hinge = cylinder(0.007, 0.7 * w, "hinge", 0.001, 24).turn(z=90).move(0.35 * w, t - 0.002, -d / 2 + 0.005)
    return union(base - well - pad, *keys, top, hinge)
