"""Builds `human16`: its MJCF, skin and sphere chains, from the measures in `anatomy.py`.

Run `python -m zdg_jax.hands.build_human16` to write the two asset files again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from zdg_jax.hands.blend import followed
from zdg_jax.hands.io.sdf_solids import cone_distance, mesh_implicit, smooth_min
from zdg_jax.pose import matrix_to_wxyz


# Measures of `human16`: segment lengths, joint frames and limits of an adult right hand.
#
# Bone lengths and soft-tissue tip lengths are the means of Buryanov & Kotiuk, "Proportions of hand
# segments", Int. J. Morphol. 28(3), 2010, Table I. Breadths follow the adult finger and hand breadths
# of Greiner, "Hand anthropometry of U.S. Army personnel", 1991, rounded to half a millimetre. Joint
# limits are DESIGN §4's (GraspIt / AffordPose convention, 16 active joints).
#
# Frame of the palm link: origin at the wrist, x along the middle metacarpal to the fingers, z out of the
# palm (D_palm), y = z cross x towards the little finger. Metres, radians.
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


ASSETS = Path(__file__).parent / "assets" / "human16"
SKIN_FACES = 1636
#: Radius over which neighbouring cones melt into each other, metres.
BLEND = 0.006
#: Of the radius of the thumb's root, so much bends with it: all of it drew the web up to 5 mm into objects.
THENAR = 0.8


def _num(values) -> str:
    """Nine digits, and nothing below a picometre: that is a processor's last bit."""
    return " ".join(f"{0.0 if abs(v) < 1e-12 else v:.9g}" for v in np.atleast_1d(values))


def _quat(R: np.ndarray) -> str:
    return _num(matrix_to_wxyz(R))


def segments() -> list[Cone]:
    """Every tapered capsule of the hand, in the palm frame at the zero pose."""
    cones = list(PALM_CONES)
    for f in FINGERS:
        x = finger_frame(f)[:, 0]
        p = np.array(f.mcp)
        for name, length, ra, rb in zip(
            ("proximal", "middle", "distal"), f.lengths, f.radii, f.radii[1:], strict=False
        ):
            q = p + length * x
            cones.append(Cone(f"{f.name}_{name}", tuple(p), tuple(q), ra, rb))
            p = q
    x = thumb_frame()[:, 0]
    p = np.array(THUMB_CMC)
    for name, length, ra, rb in zip(
        ("metacarpal", "proximal", "distal"),
        THUMB_LENGTHS,
        THUMB_RADII,
        THUMB_RADII[1:],
        strict=False,
    ):
        q = p + length * x
        cones.append(Cone(f"thumb_{name}", tuple(p), tuple(q), ra, rb))
        p = q
    return cones


def mjcf() -> str:
    """The kinematic tree as MJCF: 20 hinges, DIP coupled to PIP by equality constraints."""
    out = [
        '<mujoco model="human16">',
        '  <compiler angle="radian" autolimits="true" inertiafromgeom="true"/>',
        "  <worldbody>",
        '    <body name="palm">',
    ]

    def geom(link: str, R: np.ndarray, origin: np.ndarray, pad: str) -> None:
        for c in segments():
            if c.link != link:
                continue
            a, b = (np.array(c.a) - origin) @ R, (np.array(c.b) - origin) @ R
            out.append(
                f'{pad}<geom type="capsule" fromto="{_num([*a, *b])}" '
                f'size="{0.5 * (c.ra + c.rb):.6g}" density="1100"/>'
            )

    def hinge(name: str, axis, limits, pad: str) -> None:
        out.append(
            f'{pad}<joint name={quoteattr(name)} axis="{_num(axis)}" range="{_num(limits)}" '
            'damping="0.05" armature="0.0002"/>'
        )

    geom("palm", np.eye(3), np.zeros(3), " " * 6)
    equalities = []
    for f in FINGERS:
        R, p = finger_frame(f), np.array(f.mcp)
        x = R[:, 0]
        out.append(f'      <body name="{f.name}_proximal" pos="{_num(p)}" quat="{_quat(R)}">')
        hinge(f"{f.name}_spread", (0, 0, 1), (-f.spread_limit, f.spread_limit), " " * 8)
        hinge(f"{f.name}_mcp", (0, -1, 0), FLEXION_LIMITS, " " * 8)
        geom(f"{f.name}_proximal", R, p, " " * 8)
        p = p + f.lengths[0] * x
        out.append(f'        <body name="{f.name}_middle" pos="{_num((f.lengths[0], 0, 0))}">')
        hinge(f"{f.name}_pip", (0, -1, 0), FLEXION_LIMITS, " " * 10)
        geom(f"{f.name}_middle", R, p, " " * 10)
        p = p + f.lengths[1] * x
        out.append(f'          <body name="{f.name}_distal" pos="{_num((f.lengths[1], 0, 0))}">')
        hinge(f"{f.name}_dip", (0, -1, 0), np.multiply(DIP_RATIO, FLEXION_LIMITS), " " * 12)
        geom(f"{f.name}_distal", R, p, " " * 12)
        out += ["          </body>", "        </body>", "      </body>"]
        equalities.append((f"{f.name}_dip", f"{f.name}_pip"))

    R, p = thumb_frame(), np.array(THUMB_CMC)
    out.append(f'      <body name="thumb_metacarpal" pos="{_num(p)}" quat="{_quat(R)}">')
    # Opposition turns about the forearm axis, abduction about the palm's normal: both fixed in the palm.
    hinge("thumb_opposition", R.T @ np.array([-1.0, 0.0, 0.0]), THUMB_LIMITS[0], " " * 8)
    hinge("thumb_adduction", R.T @ np.array([0.0, 0.0, 1.0]), THUMB_LIMITS[1], " " * 8)
    geom("thumb_metacarpal", R, p, " " * 8)
    p = p + THUMB_LENGTHS[0] * R[:, 0]
    out.append(f'        <body name="thumb_proximal" pos="{_num((THUMB_LENGTHS[0], 0, 0))}">')
    hinge("thumb_mcp", (0, -1, 0), THUMB_LIMITS[2], " " * 10)
    geom("thumb_proximal", R, p, " " * 10)
    p = p + THUMB_LENGTHS[1] * R[:, 0]
    out.append(f'          <body name="thumb_distal" pos="{_num((THUMB_LENGTHS[1], 0, 0))}">')
    hinge("thumb_ip", (0, -1, 0), THUMB_LIMITS[3], " " * 12)
    geom("thumb_distal", R, p, " " * 12)
    out += [
        "          </body>",
        "        </body>",
        "      </body>",
        "    </body>",
        "  </worldbody>",
        "  <equality>",
    ]
    for child, parent in equalities:
        out.append(f'    <joint joint1="{child}" joint2="{parent}" polycoef="0 {DIP_RATIO} 0 0 0"/>')
    out += ["  </equality>", "</mujoco>", ""]
    return "\n".join(out)


def skin() -> dict[str, np.ndarray]:
    """Watertight skin of the smooth union of all cones at the zero pose.

    Each vertex is on one link, and near a joint follows the other one too (`blend.followed`).
    """
    cones = segments()
    names = list(dict.fromkeys(c.link for c in cones))

    def by_link(points: np.ndarray) -> np.ndarray:
        d = np.stack([cone_distance(points, c.a, c.b, c.ra, c.rb) for c in cones], axis=1)
        return np.stack([d[:, [c.link == n for c in cones]].min(axis=1) for n in names], axis=1)

    def distance(points: np.ndarray) -> np.ndarray:
        """Cones of one chain melt together; separate fingers stay separate but for the web."""
        d = np.stack([cone_distance(points, c.a, c.b, c.ra, c.rb) for c in cones], axis=1)
        palm = smooth_min(d[:, [c.link == "palm" for c in cones]], BLEND)
        total = palm
        for chain in [f.name for f in FINGERS] + ["thumb"]:
            digit = smooth_min(d[:, [c.link.startswith(chain + "_") for c in cones]], 0.002)
            melted = smooth_min(np.stack([digit, palm], axis=1), 2.0 * BLEND if chain == "thumb" else BLEND)
            total = np.minimum(total, melted)
        return total

    corners = np.array([np.add(c.a, s * max(c.ra, c.rb)) for c in cones for s in (-1, 1)]
                       + [np.add(c.b, s * max(c.ra, c.rb)) for c in cones for s in (-1, 1)])  # fmt: skip
    vertices, faces = mesh_implicit(
        distance, corners.min(0) - 0.008, corners.max(0) + 0.008, 0.0022, SKIN_FACES
    )
    link = by_link(vertices).argmin(axis=1)
    other, share = followed(vertices, link, _joints(cones, names))
    return {
        "vertices": vertices, "faces": faces, "link": link, "link_names": np.array(names),
        "other": other, "share": share,
    }  # fmt: skip


def _joints(cones: list[Cone], names: list[str]) -> list[tuple[int, int, np.ndarray, np.ndarray, float]]:
    """Parent, child, anchor, direction along the child's bone and radius of every joint."""
    digits = [c for c in cones if c.link != "palm"]
    joints = []
    for before, cone in zip([None, *digits], digits, strict=False):
        same = before is not None and before.link.split("_")[0] == cone.link.split("_")[0]
        parent = before.link if before is not None and same else "palm"
        a, b = np.array(cone.a), np.array(cone.b)
        way = (b - a) / np.linalg.norm(b - a)
        radius = THENAR * cone.ra if cone.link == "thumb_metacarpal" else cone.ra
        joints.append((names.index(parent), names.index(cone.link), a, way, radius))
    return joints


def spheres() -> dict[str, np.ndarray]:
    """Sphere chains along the cones, spaced by at most 0.7 of the smaller radius."""
    centers, radii, links = [], [], []
    for c in segments():
        a, b = np.array(c.a), np.array(c.b)
        n = max(2, int(np.ceil(np.linalg.norm(b - a) / (0.7 * min(c.ra, c.rb)))) + 1)
        for t in np.linspace(0.0, 1.0, n):
            centers.append(a + t * (b - a))
            radii.append(c.ra + t * (c.rb - c.ra))
            links.append(c.link)
    return {
        "sphere_center": np.array(centers),
        "sphere_radius": np.array(radii),
        "sphere_link": np.array(links),
    }


def main() -> None:
    """Write `human16.xml` and `skin.npz` into the package."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    (ASSETS / "human16.xml").write_text(mjcf())
    s = skin()
    np.savez_compressed(
        ASSETS / "skin.npz",
        vertices=s["vertices"].astype(np.float32),
        faces=s["faces"].astype(np.int32),
        link=s["link_names"][s["link"]],
        other=s["link_names"][s["other"]],
        share=s["share"].astype(np.float32),
        allow_pickle=False,
        **spheres(),
    )


if __name__ == "__main__":
    main()
