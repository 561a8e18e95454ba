"""The structured numbers behind a picture: what the `offline` reasoner reads instead of pixels.

Every number here could be read off the visual prompt by a person. No file name, no label.
All vectors are in the object frame (metres, +y up).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Vec3 = tuple[float, float, float]


class Facts(BaseModel):
    """Common to all stages: the sentence, and the name only if the user gave one."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    task: str
    object_name: str | None


class PartFacts(BaseModel):
    """One marked part; see `zdg_jax.objects.model.PartDescriptor` for the meaning of each number."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    number: int
    center: Vec3
    axis: Vec3
    extents: Vec3
    elongation: float
    flatness: float
    thickness: float
    area_share: float
    relative_center: Vec3
    axial_position: float
    is_loop: bool
    hole_diameter: float
    end_distance: float
    concave: bool
    neighbours: tuple[int, ...]


class ObjectFacts(BaseModel):
    """The whole object: size along world axes, principal axes, all parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    extents: Vec3
    long_axis: Vec3
    principal_extents: Vec3
    center: Vec3
    parts: tuple[PartFacts, ...]


class ViewFacts(Facts):
    """Four side views: which parts show, as pixel counts."""

    object: ObjectFacts
    view_front: tuple[Vec3, ...]  # unit vector from the object to each camera
    visible_pixels: tuple[dict[int, int], ...]  # one dict a view: part number -> pixels


class PartChoiceFacts(Facts):
    """Choice of hand part(s) or functional-finger part(s) in the chosen view."""

    object: ObjectFacts
    visible_pixels: dict[int, int]
    role: str  # "hand" or "functional"
    hand_parts: tuple[int, ...]  # the earlier answer, empty in the hand stage


class PointFacts(Facts):
    """Numbered contour points for thumb and index."""

    object: ObjectFacts
    hand_parts: tuple[int, ...]
    func_parts: tuple[int, ...]
    points: dict[int, Vec3]
    normals: dict[int, Vec3]
    opposed: tuple[tuple[int, int], ...] = ()  # pairs that can press against each other (eqs. 4-5)


class DirectionFacts(Facts):
    """18 approach directions from the centre C of the hand region."""

    object: ObjectFacts
    hand_parts: tuple[int, ...]
    func_parts: tuple[int, ...]
    center: Vec3
    directions: dict[str, Vec3]
    region_extents: Vec3  # principal extents of the hand region
    region_axis: Vec3
    exit_distance: dict[str, float]  # from C to the expanded hull along each direction (eq. 1)
    blocked: dict[str, float]  # share 0..1 of the palm's approach corridor filled by other parts
    normal_alignment: dict[str, float]  # mean max(0, n . D) over the region's samples


class GraspTypeFacts(Facts):
    """Grasp types of the hand card."""

    object: ObjectFacts
    hand_parts: tuple[int, ...]
    func_parts: tuple[int, ...]
    direction: str
    direction_vector: Vec3
    region_extents: Vec3
    region_axis: Vec3
    region_thickness: float


class RotationFacts(Facts):
    """K imagined hand rotations around D_palm that passed eq. 3."""

    object: ObjectFacts
    hand_parts: tuple[int, ...]
    func_parts: tuple[int, ...]
    center: Vec3
    direction: str
    direction_vector: Vec3
    grasp_type: str
    finger_directions: dict[int, Vec3]  # D_finger of each candidate still offered
    thumb_directions: dict[int, Vec3]  # from palm centre towards the thumb side
    func_center: Vec3
    region_axis: Vec3
    region_extents: Vec3
    overlap: dict[int, float]  # share of hand skin inside the object
