"""What the stages of one task take as given, share and fill in, in order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int
from PIL import Image

from zdg_jax.errors import UserError
from zdg_jax.hands.grasp_types import Types, offered_types
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import EXPANSION, ObjectModel, Part
from zdg_jax.objects.region import Region, measure
from zdg_jax.reasoning.protocol import ObservedObject, ObservedPart, Reasoner, vec3
from zdg_jax.reasoning.segmenter import Segmenter
from zdg_jax.render import marks, raycast, scene
from zdg_jax.render.scene import Camera, Frame, Surface

# Numbers that the reasoning stages take as given.
VIEWS = 4
"""Side views around the object (paper IV-B)."""


@dataclass(frozen=True)
class ReasonConfig:
    """Settings of the chain; lengths in metres. The paper's own numbers are marked with (p).

    Attributes:
      max_attempts: how often one stage is asked before the row fails.
      image_size: side of the square views that masks, pixels and depth are read from, and
        of the view sheet's panels.
      shown_scale: pictures of the chosen view are drawn this many times larger: 1024 pixels by default. No
        answer of the rules depends on it.
      view_index: a view chosen by hand, from 0 ("Ours" of Table I); None lets the reasoner choose ("Ours*");
        "auto" takes the view that shows most of all parts, without a question.
      segmenter: finds the parts in the chosen view (paper III-A); None takes the geometric ones.
      contact: False skips part and point inference and takes the whole object ("W/O Contact").
      types: grasp types that are offered: all of the hand's card, or the paper's five.
      num_points: marked contour points in the point stage.
      rotations: K imagined hand rotations (p).
      tau_n: threshold of eq. 3 (p).
      tau_m: threshold of eq. 5 (p).
      hull_expansion: outward offset of the convex hull's faces in eq. 1; the paper leaves it open. One
        centimetre keeps the open palm just off the surface, where refinement starts well.
      hand_reach: greatest radius around p* whose normals eq. 3 looks at; the paper leaves it open.
        Fingers of 8-9 cm that bend around a body touch it up to about 6 cm from the palm's axis.
      point_radius: radius of the local sphere that makes P_func^3d of P_func^2.5d, about a finger pad.
      neighbors: k of the KNN classifier in the lifting.
      min_part_pixels: a part with fewer pixels in a view is not offered there.
      seed: of every random choice.
      routes: stage name to the reasoner that answers it instead of the main one.
      draw: False draws and shades no picture, for reasoners that look at none (`protocol.looks`); answers
        are the same, traces name no pictures.
    """

    max_attempts: int = 3
    image_size: int = 512
    shown_scale: int = 2
    view_index: int | Literal["auto"] | None = None
    segmenter: Segmenter | None = None
    contact: bool = True
    types: Types = "all"
    num_points: int = 12
    rotations: int = 4
    tau_n: float = 0.85
    tau_m: float = 0.7
    hull_expansion: float = EXPANSION
    hand_reach: float = 0.06
    point_radius: float = 0.01
    neighbors: int = 5
    min_part_pixels: int = 40
    seed: int = 0
    routes: Mapping[str, Reasoner] = field(default_factory=dict)
    draw: bool = True


def parse_view(text: str) -> int | Literal["auto"] | None:
    """`view_index` as a user writes it: "ask", "auto", or a panel's number from 1.

    Raises:
      UserError: anything else.
    """
    if text == "ask":
        return None
    if text == "auto":
        return "auto"
    if text in map(str, range(1, VIEWS + 1)):
        return int(text) - 1
    raise UserError(f"view {text!r}", f"ask, auto, or 1 to {VIEWS}", "choose one with --view")


T = TypeVar("T")
_MOST_DRAWN = 256  # of one object


@dataclass
class ReasonState:
    """Given: obj ... observed. Each stage adds the fields below its name, and its pictures."""

    obj: ObjectModel
    hand: HandModel
    task: str
    config: ReasonConfig
    frames: tuple[Frame, ...]
    part_maps: tuple[Int[np.ndarray, "h w"], ...]  # part number of each pixel, 0 on the background
    observed: ObservedObject
    pictures: dict[str, Image.Image] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    blind: frozenset[str] = frozenset()  # stages whose reasoner looks at no picture
    marked: dict[Hashable, Image.Image] = field(default_factory=dict)  # drawn once
    drawn: dict[Hashable, Any] = field(default_factory=dict)  # see `once`
    # With a segmenter: the object as given, and M^2d of chosen segments once the model has completed it.
    given: ObjectModel | None = None
    completed: dict[tuple[int, ...], Bool[np.ndarray, "h w"]] = field(default_factory=dict)
    # view
    view: int = 0
    # hand_part, func_part and lifting
    hand_parts: tuple[int, ...] = ()
    func_parts: tuple[int, ...] = ()
    finger_parts: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())  # of func_parts the thumb's, the index's
    hand_mask: Bool[np.ndarray, " samples"] | None = None
    func_mask: Bool[np.ndarray, " samples"] | None = None
    points_needed: bool = False
    keep_free: tuple[int, ...] = ()
    # points
    p_obj_points: Float[np.ndarray, "2 3"] | None = None
    # direction
    direction: str = ""
    any_side: bool = False
    direction_vector: Float[np.ndarray, "3"] | None = None
    p_obj_palm: Float[np.ndarray, "3"] | None = None
    R_candidates: Float[np.ndarray, "k 3 3"] | None = None
    kept_rotations: tuple[int, ...] = ()
    # grasp_type
    grasp_type: str = ""
    # rotation
    rotation_index: int | None = None
    # further stages, by the names in their `gives`
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def frame(self) -> Frame:
        """The chosen view."""
        return self.frames[self.view]

    @property
    def shown(self) -> Frame:
        """The chosen view as a model is shown it, `shown_scale` times larger."""
        scale = self.config.shown_scale
        if scale == 1:
            return self.frame
        key = ("shown", self.view)
        if key not in self.drawn:
            body = Surface.painted(self.obj.mesh, self.obj.paint)
            self.drawn[key] = raycast.render(body, raycast.scaled(self.camera, scale))
        return self.drawn[key]

    @property
    def shown_parts(self) -> Int[np.ndarray, "h w"]:
        """Part number of each pixel of `shown`."""
        if self.config.shown_scale == 1:
            return self.part_map
        if self.given is None:
            return marks.part_map(self.shown, self.obj.face_part)
        return self.enlarged(self.part_map)

    def enlarged(self, pixels: np.ndarray) -> np.ndarray:
        """A mask or map of the chosen view at the size that is shown."""
        scale = self.config.shown_scale
        return pixels.repeat(scale, axis=0).repeat(scale, axis=1)

    @property
    def camera(self) -> Camera:
        return self.frame.camera

    @property
    def part_map(self) -> Int[np.ndarray, "h w"]:
        return self.part_maps[self.view]

    @property
    def region(self) -> Region:
        """M_hand^3d: its centre C, axes and extents."""
        mask = self.known_hand_mask
        return self.once(
            ("region", self.view, self.hand_parts), lambda: measure(self.obj.samples.points[mask])
        )

    @property
    def func_center(self) -> Float[np.ndarray, "3"]:
        mask = self.func_mask if self.func_mask is not None else self.known_hand_mask
        return self.obj.samples.points[mask].mean(axis=0)

    @property
    def known_hand_mask(self) -> Bool[np.ndarray, " samples"]:
        if self.hand_mask is None:
            raise RuntimeError("the hand region is known only after the part stages")
        return self.hand_mask

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, kept for all tasks of the object; the key names all that it depends on.

        A segmenter's parts are the task's own, so nothing is kept then.
        """
        if self.config.segmenter is not None:
            return make()
        if key not in self.drawn:
            while len(self.drawn) >= _MOST_DRAWN:
                self.drawn.pop(next(iter(self.drawn)))
            self.drawn[key] = make()
        return self.drawn[key]

    def show(self, name: str, make: Callable[[], Image.Image]) -> None:
        """Draw a picture for a question, where pictures are drawn."""
        if self.config.draw:
            self.pictures[name] = make()

    def looked_at(self, stage: str) -> bool:
        """Whether somebody looks at a stage's pictures: only then the costly ones are drawn."""
        return self.config.draw and stage not in self.blind

    def mask_2d(self, parts: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
        """M^2d of some parts in the chosen view."""
        done = self.completed.get(parts)
        return np.isin(self.part_map, parts) if done is None else done

    def visible_pixels(self, view: int) -> dict[int, int]:
        """Parts that are large enough in a view to be pointed at, with their pixels."""
        return dict(self.once(("visible", view), lambda: self._visible_pixels(view)))

    def _visible_pixels(self, view: int) -> dict[int, int]:
        numbers, counts = np.unique(self.part_maps[view], return_counts=True)
        seen = {int(n): int(c) for n, c in zip(numbers, counts, strict=True) if n > 0}
        large = {number: count for number, count in seen.items() if count >= self.config.min_part_pixels}
        return large or seen

    def common(self) -> dict[str, object]:
        """Values that every prompt and all observations name."""
        return {"task": self.task, "object_name": self.obj.name}

    def chosen_parts(self) -> dict[str, object]:
        """The answers of the part stages, which most later ones repeat."""
        return {"hand_parts": self.hand_parts, "func_parts": self.func_parts}

    @property
    def types(self) -> tuple[str, ...]:
        """Names of the grasp types that are offered."""
        return tuple(offered_types(self.hand.grasp_types, self.config.types))

    def missing(self, fields: tuple[str, ...]) -> list[str]:
        """Those of some fields that no stage has filled in."""
        values = {
            name: self.more[name] if name in self.more else getattr(self, name, None) for name in fields
        }
        return [n for n, v in values.items() if v is None or (isinstance(v, str | tuple) and not v)]

    def part_rows(self) -> list[dict[str, object]]:
        """The parts' table of the prompts, only those that can be chosen in this view."""
        offered = self.visible_pixels(self.view)
        return [
            {
                "number": part.number,
                "size_cm": " x ".join(f"{100 * size:.1f}" for size in part.extents),
                "share_percent": round(100 * part.area_share),
                "neighbours": ", ".join(map(str, part.neighbours)) or "none",
            }
            for part in self.observed.parts
            if part.number in offered
        ]


def open_state(obj: ObjectModel, hand: HandModel, task: str, config: ReasonConfig) -> ReasonState:
    """Render the four side views and measure the object."""
    surface = Surface.painted(obj.mesh, obj.paint if config.draw else None)
    frames = tuple(
        raycast.render(surface, camera, shaded=config.draw)
        for camera in scene.side_views(obj.mesh, size=config.image_size)
    )
    part_maps = tuple(marks.part_map(frame, obj.face_part) for frame in frames)
    return ReasonState(obj, hand, task, config, frames, part_maps, observe_object(obj))


def for_task(opened: ReasonState, task: str) -> ReasonState:
    """A state that no stage has filled in, for another task of the same object; its views are drawn already.

    Args:
      opened: from `open_state`, never handed to the chain itself.
      task: S, the sentence.
    """
    shared = {} if opened.config.segmenter is None else {"marked": {}, "drawn": {}}
    return replace(opened, task=task, pictures={}, warnings=[], completed={}, more={}, **shared)


def part_neighbours(obj: ObjectModel) -> dict[int, tuple[int, ...]]:
    """For each part number, the parts whose faces share a mesh edge with it, ascending."""
    pairs = obj.face_part[obj.mesh.face_adjacency]
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    touching: dict[int, set[int]] = {part.number: set() for part in obj.parts}
    for a, b in pairs.tolist():
        touching[a].add(b)
        touching[b].add(a)
    return {number: tuple(sorted(others)) for number, others in touching.items()}


def observe_object(obj: ObjectModel) -> ObservedObject:
    """Size, axes and parts of the object, metres, object frame."""
    whole = measure(obj.samples.points)
    touching = part_neighbours(obj)
    return ObservedObject(
        extents=vec3(obj.mesh.extents),
        long_axis=vec3(whole.axis),
        principal_extents=vec3(whole.extents),
        center=vec3(whole.center),
        parts=tuple(_observe_part(part, touching[part.number]) for part in obj.parts),
    )


def _observe_part(part: Part, neighbours: tuple[int, ...]) -> ObservedPart:
    d = part.descriptor
    return ObservedPart(
        number=part.number,
        center=vec3(d.center),
        axis=vec3(d.axis),
        extents=vec3(d.extents),
        elongation=float(d.elongation),
        flatness=float(d.flatness),
        thickness=float(d.thickness),
        area_share=float(d.area_share),
        relative_center=vec3(d.relative_center),
        axial_position=float(d.axial_position),
        is_loop=bool(d.is_loop),
        hole_diameter=float(d.hole_diameter),
        end_distance=float(d.end_distance),
        concave=bool(d.concave),
        neighbours=neighbours,
        straight=vec3(d.straight),
    )
