"""Measures of `human16`: segment lengths, joint frames and limits of an adult right hand.

Bone lengths and soft-tissue tip lengths are the means of Buryanov & Kotiuk, "Proportions of hand
segments", Int. J. Morphol. 28(3), 2010, Table I. Breadths follow the adult finger and hand breadths
of Greiner, "Hand anthropometry of U.S. Army personnel", 1991, rounded to half a millimetre. Joint
limits are DESIGN §4's (GraspIt / AffordPose convention, 16 active joints).

Frame of the palm link: origin at the wrist, x along the middle metacarpal to the fingers, z out of the
palm (D_palm), y = z cross x towards the little finger. Metres, radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Finger:
    """One finger: MCP position, resting fan angle, phalanx lengths and radii at MCP, PIP, DIP, tip."""

    name: str
    mcp: tuple[float, float, float]
    fan: float
    lengths: tuple[float, float, float]
    radii: tuple[float, float, float, float]
    spread_limit: float


_DEG = np.pi / 180.0

#: DIP flexion as a share of PIP flexion (DESIGN §4).
DIP_RATIO = 0.6
FLEXION_LIMITS = (-10.0 * _DEG, 90.0 * _DEG)

#: Distal lengths are bone plus soft tissue, less the tip radius that the capsule's cap adds.
FINGERS = (
    Finger("index", (0.0880, -0.0270, 0.0000), -4 * _DEG, (0.0398, 0.0224, 0.0137),
           (0.0098, 0.0088, 0.0080, 0.0066), 20 * _DEG),
    Finger("middle", (0.0885, -0.0060, -0.0020), 0 * _DEG, (0.0446, 0.0263, 0.0152),
           (0.0098, 0.0088, 0.0080, 0.0067), 10 * _DEG),
    Finger("ring", (0.0830, 0.0140, -0.0010), 4 * _DEG, (0.0414, 0.0257, 0.0152),
           (0.0093, 0.0083, 0.0075, 0.0064), 20 * _DEG),
    Finger("little", (0.0750, 0.0320, 0.0020), 9 * _DEG, (0.0327, 0.0181, 0.0139),
           (0.0083, 0.0074, 0.0066, 0.0057), 30 * _DEG),
)  # fmt: skip

#: Thumb: CMC position, lengths of metacarpal, proximal and distal segment, radii at CMC, MCP, IP, tip.
THUMB_CMC = (0.0180, -0.0230, 0.0080)
THUMB_LENGTHS = (0.0462, 0.0316, 0.0203)
THUMB_RADII = (0.0150, 0.0115, 0.0098, 0.0075)
#: Resting metacarpal direction: angle from x towards -y, in the plane of the palm.
THUMB_AZIMUTH = 42 * _DEG
#: Angle of the flexion plane out of the plane of the palm: the pad faces the fingers, not the ground.
THUMB_ROLL = 38 * _DEG
THUMB_LIMITS = tuple((a * _DEG, b * _DEG) for a, b in ((-10, 70), (-50, 25), (0, 90), (0, 100)))


@dataclass(frozen=True)
class Cone:
    """A tapered capsule of one link, in the palm frame at the zero pose."""

    link: str
    a: tuple[float, float, float]
    b: tuple[float, float, float]
    ra: float
    rb: float


#: Soft mass of the palm: metacarpal rays, thenar and hypothenar eminence, web, wrist.
PALM_CONES = (
    Cone("palm", (0.012, -0.014, -0.001), (0.086, -0.026, -0.001), 0.0135, 0.0108),
    Cone("palm", (0.012, -0.004, -0.002), (0.086, -0.006, -0.003), 0.0135, 0.0112),
    Cone("palm", (0.012, 0.006, -0.002), (0.081, 0.014, -0.002), 0.0135, 0.0108),
    Cone("palm", (0.012, 0.014, -0.001), (0.073, 0.031, 0.001), 0.0130, 0.0100),
    Cone("palm", (0.018, 0.018, 0.005), (0.056, 0.027, 0.005), 0.0125, 0.0110),
    Cone("palm", (0.018, -0.016, 0.005), (0.046, -0.024, 0.006), 0.0130, 0.0105),
    Cone("palm", (-0.012, -0.011, -0.001), (0.012, -0.011, -0.001), 0.0155, 0.0150),
    Cone("palm", (-0.012, 0.011, -0.001), (0.012, 0.011, -0.001), 0.0155, 0.0150),
)


def finger_frame(finger: Finger) -> np.ndarray:
    """[3, 3] columns: axes of the finger's root link in the palm frame (turned by the fan angle)."""
    c, s = np.cos(finger.fan), np.sin(finger.fan)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def thumb_frame() -> np.ndarray:
    """[3, 3] columns: axes of the thumb's metacarpal link; x along the bone, flexion turns x to z."""
    x = np.array([np.cos(THUMB_AZIMUTH), -np.sin(THUMB_AZIMUTH), 0.0])
    ulnar = np.array([np.sin(THUMB_AZIMUTH), np.cos(THUMB_AZIMUTH), 0.0])
    z = np.cos(THUMB_ROLL) * ulnar + np.sin(THUMB_ROLL) * np.array([0.0, 0.0, 1.0])
    return np.stack([x, np.cross(z, x), z], axis=1)
