"""What the stages of one task share and fill in, in order."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int
from PIL import Image

from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning.config import ReasonConfig
from zdg_jax.reasoning.facts import ObjectFacts
from zdg_jax.reasoning.object_facts import object_facts
from zdg_jax.reasoning.position import expanded_hull
from zdg_jax.reasoning.region import Region, measure
from zdg_jax.render import cameras, marks, raycast
from zdg_jax.render.cameras import Camera, Frame
from zdg_jax.render.surface import Surface

T = TypeVar("T")
_MOST_DRAWN = 256  # of one object


@dataclass
class ReasonState:
    """Given: obj ... hull. Each stage adds the fields below its name, and its pictures."""

    obj: ObjectModel
    hand: HandModel
    task: str
    config: ReasonConfig
    frames: tuple[Frame, ...]
    part_maps: tuple[Int[np.ndarray, "h w"], ...]  # part number of each pixel, 0 on the background
    facts: ObjectFacts
    hull: Float[np.ndarray, "planes 4"]
    pictures: dict[str, Image.Image] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    marked: dict[int, Image.Image] = field(default_factory=dict)  # by view, drawn once
    drawn: dict[Hashable, Any] = field(default_factory=dict)  # see `once`
    # With a segmenter: the object as given, and M^2d of chosen segments once the model has completed it.
    given: ObjectModel | None = None
    completed: dict[tuple[int, ...], Bool[np.ndarray, "h w"]] = field(default_factory=dict)
    # view
    view: int = 0
    # hand_part, func_part and lifting
    hand_parts: tuple[int, ...] = ()
    func_parts: tuple[int, ...] = ()
    hand_mask: Bool[np.ndarray, " samples"] | None = None
    func_mask: Bool[np.ndarray, " samples"] | None = None
    # points
    p_obj_points: Float[np.ndarray, "2 3"] | None = None
    # direction
    direction: str = ""
    p_obj_palm: Float[np.ndarray, "3"] | None = None
    R_candidates: Float[np.ndarray, "k 3 3"] | None = None
    kept_rotations: tuple[int, ...] = ()
    # grasp_type
    grasp_type: str = ""

    @property
    def frame(self) -> Frame:
        """The chosen view."""
        return self.frames[self.view]

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
        """Values that every prompt names."""
        return {"task": self.task, "object_name": self.obj.name}

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
            for part in self.facts.parts
            if part.number in offered
        ]


def open_state(obj: ObjectModel, hand: HandModel, task: str, config: ReasonConfig) -> ReasonState:
    """Render the four side views and measure the object."""
    surface = Surface.of(obj.mesh)
    frames = tuple(
        raycast.render(surface, camera) for camera in cameras.side_views(obj.mesh, size=config.image_size)
    )
    part_maps = tuple(marks.part_map(frame, obj.face_part) for frame in frames)
    hull = expanded_hull(np.asarray(obj.mesh.vertices), config.hull_expansion)
    return ReasonState(obj, hand, task, config, frames, part_maps, object_facts(obj), hull)


def for_task(opened: ReasonState, task: str) -> ReasonState:
    """A state that no stage has filled in, for another task of the same object; its views are drawn already.

    Args:
      opened: from `open_state`, never handed to the chain itself.
      task: S, the sentence.
    """
    shared = {} if opened.config.segmenter is None else {"marked": {}, "drawn": {}}
    return replace(opened, task=task, pictures={}, warnings=[], completed={}, **shared)
