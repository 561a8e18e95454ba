"""Computer keyboards."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, slab
from zdg_jax.objects.zoo.outline import rectangle
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1100.0  # plastic


def build(draw: Draw) -> Shape:
    cols, rows = draw.pick(15, 18, 14, 17), draw.pick(5, 6, 5, 6)
    pitch = draw(0.0185, 0.0195)
    w, d, t = cols * pitch + 0.016, rows * pitch + 0.018, draw(0.014, 0.019)
    body = slab(rectangle(w, d, 0.006), t, "body", 0.002)
    keys = []
    for j in range(rows):
        z = (j - (rows - 1) / 2) * pitch
        bar = j == rows - 1
        i = 0
        while i < cols:
            span = 6 if bar and i == cols // 2 - 3 else 1
            x = (i + (span - 1) / 2 - (cols - 1) / 2) * pitch
            cap = blend(
                "keys" if span == 1 else "space_bar",
                box(span * pitch - 0.0028, 0.001, pitch - 0.0028, "x"),
                box(span * pitch - 0.0055, 0.001, pitch - 0.0055, "x").move(y=0.0062),
            )
            keys.append(cap.move(x, t - 0.0012, z))
            i += span
    feet = box(0.03, 0.006, 0.01, "feet", 0.001).move(0.4 * w, -0.005, -0.4 * d).twin()
    return union(body, *keys, feet)
