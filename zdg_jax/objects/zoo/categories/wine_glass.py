"""Stemmed glasses: wine, champagne, cocktail."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, revolve, vessel
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 2500.0  # glass


def build(draw: Draw) -> Shape:
    r, bowl, stem = draw(0.034, 0.043), draw(0.09, 0.11), draw(0.075, 0.095)
    foot, t = draw(0.033, 0.039), draw(0.004, 0.005)
    mouth = draw.pick(0.75, 0.9, 0.55, 0.7) * r
    wide = draw.pick(1.0, 1.0, 0.62, 1.15) * r
    y = stem
    profile = curve([(t, y), (0.6 * wide, y + 0.12 * bowl), (wide, y + 0.45 * bowl), (mouth, y + bowl)], 10)
    cup, hollow = vessel(profile, 0.0022, "bowl", floor=0.006)
    shape = cup - hollow
    stand = revolve([(foot, 0), (foot, 0.002), (0.3 * foot, 0.0055), (0.9 * t, 0.014)], "foot")
    rod = revolve([(0.9 * t, 0.013), (0.8 * t, 0.5 * stem), (1.2 * t, y + 0.004)], "stem")
    top = box(0.3, 0.03, 0.3, "rim").move(y=y + bowl - 0.01)
    return union(shape, rod, stand).zone(top, {"bowl": "rim", "inside": "rim"})
