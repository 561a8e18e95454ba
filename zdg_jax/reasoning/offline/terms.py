"""The names that the data files may use: features of parts and terms of directions."""

from __future__ import annotations

from typing import Literal

Intent = Literal["use", "handover", "move"]
INTENTS: tuple[Intent, ...] = ("use", "handover", "move")

# Features of a part, 0..1 each; computed in shape.py.
FEATURES = (
    "elongated",
    "flat",
    "thin",
    "slender",
    "graspable",
    "at_end",
    "large",
    "small",
    "heavy",
    "wide",
    "along",
    "high",
    "low",
    "outlying",
    "aside",
    "patch",
    "apart",
    "between",
    "loop",
    "tall_hole",
    "concave",
)

# Terms that score one unit direction d; computed in geometry.py. A term that a region does not
# define (no rest of the object, no long axis) is left out.
TERMS = (
    "up",  # d . y
    "up_line",  # |d . y|
    "side",  # sqrt(1 - (d . y)^2)
    "ref",  # d . r, r from the hand region to the `toward` parts
    "ref_line",  # |d . r|
    "-ref_line",  # 1 - |d . r|
    "level_ref",  # d . h, h = r laid into the horizontal plane
    "forward",  # d . f, f = r without its component along the region's long axis, as far as it has one
    "across",  # sqrt(1 - (d . a)^2), a the region's long axis, scaled by how long the region is
    "broadside",  # mean alignment of the region's normals with d
    "slim",  # |d . w|, w the wider horizontal axis: thumb and fingers then meet across the thinner
    "-slim",  # 1 - |d . w|
    "flank",  # 1 - |d . t|, t the thinner horizontal axis: not onto a broad face
    "spine",  # d . s, s from a blade's centre to its handle's centre line
)
