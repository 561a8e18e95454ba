"""Hand-built facts of the families of shapes, in metres, +y up."""

from __future__ import annotations

import numpy as np

from zdg_jax.reasoning.protocol import ObservedObject, ObservedPart, Vec3

X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def part(
    number: int,
    center: Vec3,
    axis: Vec3,
    extents: Vec3,
    thickness: float,
    share: float,
    *,
    hole: float = 0.0,
    concave: bool = False,
    near: tuple[int, ...] = (),
) -> ObservedPart:
    """A part; positions relative to the object are filled in by `thing`."""
    return ObservedPart(
        number=number,
        center=center,
        axis=axis,
        extents=extents,
        elongation=extents[0] / extents[1],
        flatness=extents[1] / extents[2],
        thickness=thickness,
        area_share=share,
        relative_center=(0.0, 0.0, 0.0),
        axial_position=0.0,
        is_loop=hole > 0,
        hole_diameter=hole,
        end_distance=0.0,
        concave=concave,
        neighbours=near,
    )


def thing(extents: Vec3, long_axis: Vec3, principal: Vec3, *parts: ObservedPart) -> ObservedObject:
    """An object about the origin; every part adjoins the next unless it says others."""
    half = np.array(extents) / 2
    numbers = [p.number for p in parts]
    made = []
    for k, p in enumerate(parts):
        along = float(np.clip(np.dot(p.center, long_axis) / (principal[0] / 2), -1, 1))
        rel = tuple(float(v) for v in np.clip(np.array(p.center) / half, -1, 1))
        near = p.neighbours or tuple(numbers[j] for j in (k - 1, k + 1) if 0 <= j < len(numbers))
        made.append(
            p.model_copy(
                update={
                    "relative_center": rel,
                    "axial_position": along,
                    "end_distance": 1 - abs(along),
                    "neighbours": near,
                }
            )
        )
    return ObservedObject(
        extents=extents,
        long_axis=long_axis,
        principal_extents=principal,
        center=(0.0, 0.0, 0.0),
        parts=tuple(made),
    )


def hammer() -> ObservedObject:
    """Lying, handle along +z, head at -z across x."""
    return thing(
        (0.13, 0.03, 0.33),
        Z,
        (0.33, 0.13, 0.03),
        part(1, (0.0, 0.0, 0.05), Z, (0.22, 0.035, 0.03), 0.028, 0.55),
        part(2, (0.0, 0.0, -0.14), X, (0.13, 0.04, 0.03), 0.027, 0.45),
    )


def mug() -> ObservedObject:
    """Standing, loop handle towards +x."""
    return thing(
        (0.12, 0.08, 0.09),
        X,
        (0.12, 0.09, 0.08),
        part(1, (-0.02, 0.0, 0.0), Y, (0.09, 0.09, 0.08), 0.003, 0.5),
        part(2, (0.05, 0.0, 0.0), Y, (0.07, 0.03, 0.012), 0.01, 0.12, hole=0.03),
        part(3, (-0.02, 0.005, 0.0), Y, (0.085, 0.085, 0.07), 0.003, 0.38, concave=True),
    )


def scissors() -> ObservedObject:
    """Lying, blades to -z, two loops at +z."""
    return thing(
        (0.09, 0.015, 0.2),
        Z,
        (0.2, 0.09, 0.015),
        part(1, (-0.02, 0.0, 0.06), Z, (0.07, 0.035, 0.015), 0.012, 0.3, hole=0.022),
        part(2, (0.0, 0.0, -0.05), Z, (0.1, 0.02, 0.005), 0.003, 0.35),
        part(3, (0.025, 0.0, 0.06), Z, (0.08, 0.04, 0.015), 0.012, 0.35, hole=0.024),
    )


def knife() -> ObservedObject:
    """Lying, blade to -x and dropped 4 mm towards +z, which is therefore the edge side."""
    return thing(
        (0.22, 0.02, 0.03),
        X,
        (0.22, 0.03, 0.02),
        part(1, (0.06, 0.0, 0.0), X, (0.1, 0.022, 0.018), 0.018, 0.5),
        part(2, (-0.05, 0.0, 0.004), X, (0.12, 0.025, 0.002), 0.0015, 0.5),
    )


def drill() -> ObservedObject:
    """Lying on its side: body along x with the chuck at -x, grip to +z, trigger in the corner."""
    return thing(
        (0.18, 0.055, 0.19),
        Z,
        (0.22, 0.16, 0.055),
        part(1, (0.02, 0.0, 0.03), Z, (0.11, 0.045, 0.04), 0.038, 0.35, near=(2, 3)),
        part(2, (-0.02, 0.0, -0.06), X, (0.18, 0.06, 0.055), 0.05, 0.6, near=(1, 3)),
        part(3, (-0.012, 0.0, -0.01), Z, (0.025, 0.015, 0.012), 0.012, 0.05, near=(1, 2)),
    )


def spray_bottle() -> ObservedObject:
    """Standing, trigger towards +x."""
    return thing(
        (0.1, 0.27, 0.08),
        Y,
        (0.27, 0.1, 0.08),
        part(1, (0.0, -0.06, 0.0), Y, (0.14, 0.09, 0.07), 0.06, 0.65),
        part(2, (0.0, 0.08, 0.0), Y, (0.09, 0.04, 0.035), 0.035, 0.28),
        part(3, (0.045, 0.08, 0.0), Y, (0.04, 0.015, 0.01), 0.01, 0.07),
    )


def plate() -> ObservedObject:
    return thing(
        (0.26, 0.025, 0.26),
        X,
        (0.26, 0.26, 0.025),
        part(1, (0.0, -0.005, 0.0), X, (0.18, 0.18, 0.008), 0.004, 0.55),
        part(2, (0.0, 0.008, 0.0), X, (0.26, 0.26, 0.012), 0.004, 0.45),
    )


def bowl() -> ObservedObject:
    return thing(
        (0.16, 0.055, 0.16),
        X,
        (0.16, 0.16, 0.055),
        part(1, (0.0, 0.0, 0.0), X, (0.16, 0.16, 0.055), 0.003, 0.52),
        part(2, (0.0, 0.002, 0.0), X, (0.155, 0.155, 0.05), 0.003, 0.48, concave=True),
    )


def bottle() -> ObservedObject:
    """Standing, wider along x."""
    return thing(
        (0.1, 0.19, 0.06),
        Y,
        (0.19, 0.1, 0.06),
        part(1, (0.0, -0.02, 0.0), Y, (0.15, 0.1, 0.06), 0.055, 0.88),
        part(2, (0.0, 0.08, 0.0), Y, (0.035, 0.033, 0.033), 0.03, 0.12),
    )


def saw() -> ObservedObject:
    """Lying, blade to +x, a closed handle at -x and a stub of it that is more like a bar."""
    return thing(
        (0.45, 0.025, 0.13),
        X,
        (0.45, 0.13, 0.025),
        part(1, (0.06, 0.0, 0.0), X, (0.32, 0.11, 0.008), 0.002, 0.57),
        part(2, (-0.16, 0.0, 0.0), Z, (0.13, 0.1, 0.025), 0.028, 0.35, hole=0.043),
        part(3, (-0.2, 0.0, 0.04), Z, (0.07, 0.036, 0.029), 0.028, 0.08),
    )


def umbrella() -> ObservedObject:
    """Lying, closed canopy in the middle and at +x, a hook at -x that rises out of its line."""
    return thing(
        (0.8, 0.11, 0.06),
        X,
        (0.8, 0.11, 0.06),
        part(1, (-0.03, -0.02, 0.0), X, (0.3, 0.06, 0.06), 0.044, 0.62),
        part(2, (0.24, -0.02, 0.0), X, (0.25, 0.048, 0.048), 0.026, 0.23),
        part(3, (-0.3, -0.02, 0.0), X, (0.18, 0.028, 0.018), 0.018, 0.08),
        part(4, (-0.37, 0.03, 0.0), (0.67, 0.74, 0.0), (0.1, 0.05, 0.018), 0.018, 0.07),
    )


def glue_gun() -> ObservedObject:
    """Lying on its side: barrel along x, a stubby grip to +z, the stick out of its rear at -x."""
    return thing(
        (0.2, 0.027, 0.13),
        X,
        (0.2, 0.13, 0.027),
        part(1, (0.02, 0.0, -0.04), X, (0.15, 0.045, 0.027), 0.03, 0.54, near=(2, 3)),
        part(2, (-0.01, 0.0, 0.025), (0.82, 0.0, -0.57), (0.093, 0.063, 0.027), 0.03, 0.39, near=(1,)),
        part(3, (-0.08, 0.0, -0.045), X, (0.06, 0.015, 0.014), 0.011, 0.07, near=(1,)),
    )


def banana() -> ObservedObject:
    return thing(
        (0.18, 0.037, 0.07),
        X,
        (0.18, 0.07, 0.037),
        part(1, (0.0, 0.0, 0.0), X, (0.16, 0.045, 0.036), 0.035, 0.95),
        part(2, (0.08, 0.01, 0.02), X, (0.02, 0.012, 0.011), 0.011, 0.05),
    )


THINGS = {
    f.__name__: f for f in (hammer, mug, scissors, knife, drill, spray_bottle, plate, bowl, bottle, banana)
}


def mouse() -> ObservedObject:
    """Lying, its buttons to +x, where its top slopes down; a cable there."""
    return thing(
        (0.153, 0.038, 0.066),
        X,
        (0.138, 0.066, 0.04),
        part(1, (-0.019, -0.005, 0.001), X, (0.153, 0.066, 0.04), 0.049, 0.43),
        part(2, (-0.02, -0.019, 0.0), X, (0.113, 0.066, 0.005), 0.033, 0.31, near=(1,)),
        part(3, (-0.014, 0.012, 0.0), (0.99, -0.141, 0.0), (0.1, 0.061, 0.017), 0.039, 0.26, near=(1,)),
    )


def keyboard() -> ObservedObject:
    """Lying, in thirds."""
    return thing(
        (0.301, 0.023, 0.113),
        X,
        (0.301, 0.113, 0.023),
        part(1, (0.0, 0.002, 0.0), X, (0.172, 0.115, 0.022), 0.025, 0.48, near=(2, 3)),
        part(2, (-0.115, 0.002, 0.0), Z, (0.114, 0.083, 0.028), 0.025, 0.26, near=(1,)),
        part(3, (0.115, 0.002, 0.0), Z, (0.113, 0.082, 0.028), 0.025, 0.26, near=(1,)),
    )


def comb() -> ObservedObject:
    """Lying, in thirds."""
    return thing(
        (0.194, 0.004, 0.041),
        X,
        (0.194, 0.041, 0.004),
        part(1, (0.0, 0.0, 0.0), X, (0.104, 0.041, 0.004), 0.005, 0.5, near=(2, 3)),
        part(2, (0.073, 0.0, 0.0), X, (0.052, 0.042, 0.004), 0.005, 0.25, near=(1,)),
        part(3, (-0.073, 0.0, 0.0), X, (0.052, 0.042, 0.004), 0.005, 0.25, near=(1,)),
    )


def door_handle() -> ObservedObject:
    """A plate that stands and faces +z, and its lever, which points to +x."""
    return thing(
        (0.149, 0.213, 0.069),
        (0.22, 0.96, 0.19),
        (0.202, 0.148, 0.066),
        part(1, (-0.051, 0.0, -0.03), Y, (0.213, 0.047, 0.009), 0.009, 0.67, near=(2,)),
        part(2, (-0.014, 0.044, 0.016), (0.98, 0.0, 0.22), (0.137, 0.059, 0.032), 0.019, 0.28, hole=0.019),
    )


def game_controller() -> ObservedObject:
    """Lying, sticks up, its grips to +z."""
    return thing(
        (0.164, 0.052, 0.108),
        X,
        (0.164, 0.105, 0.051),
        part(1, (-0.001, -0.005, -0.014), X, (0.164, 0.095, 0.054), 0.042, 0.83, near=(2, 3, 4)),
        part(2, (-0.07, -0.009, 0.038), (-0.1, 0.86, 0.49), (0.046, 0.041, 0.029), 0.024, 0.07, near=(1,)),
        part(3, (0.071, -0.007, 0.039), (0.55, 0.12, 0.83), (0.038, 0.036, 0.031), 0.025, 0.07, near=(1,)),
        part(4, (0.026, 0.02, 0.004), (0.04, 0.82, -0.57), (0.022, 0.019, 0.018), 0.007, 0.03, near=(1,)),
    )


def dustpan() -> ObservedObject:
    """Lying: a pan that opens to -x, and its handle."""
    return thing(
        (0.28, 0.075, 0.233),
        X,
        (0.274, 0.234, 0.053),
        part(1, (-0.05, -0.01, 0.0), Z, (0.233, 0.162, 0.055), 0.003, 0.91),
        part(2, (0.08, 0.015, 0.0), X, (0.135, 0.039, 0.03), 0.022, 0.09),
    )
