"""`python -m pipelines.report.film DIR --out FILE.gif`: a grasp on its way, drawn by our own renderer."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image
from tyro.conf import Positional, arg

from pipelines.dataset import write_atomic
from pipelines.hand import LIFT, at_stage
from pipelines.report.table import Objects, ViewFile, view_files
from pipelines.runtime import program
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import posed_skin
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import SKIN, Surface, join, look, parted

#: Times of `stages.STAGES` and how many frames lead from one to the next.
_WAY = ((0.0, 1.0, 12), (1.0, 2.0, 5), (2.0, 3.0, 9))
#: Frames that stand still at the end.
_REST = 6


@dataclass(frozen=True)
class Film:
    """Draw one stored grasp on its way from pregrasp to lift as an animated GIF."""

    folder: Annotated[Positional[str], arg(metavar="DIR", help="A folder that `zdg synth` wrote, or a file.")]
    out: Annotated[str, arg(metavar="FILE", help="A .gif.")] = "grasp.gif"
    row: Annotated[int, arg(help="Which row.")] = 0
    size: Annotated[int, arg(help="Side of the picture, pixels.")] = 360

    def run(self) -> int:
        (file, *_) = view_files([self.folder])
        if not 0 <= self.row < len(file):
            raise UserError(f"--row {self.row}", f"0 to {len(file) - 1}", "choose another --row")
        data = gif(film(file, self.row, self.size))
        print(f"{write_atomic(Path(self.out), data)}: {len(data) / 1e6:.2f} MB")
        return 0


def film(file: ViewFile, row: int, size: int) -> list[Image.Image]:
    """One picture a step, all from one camera.

    Args:
      file, row: which grasp.
      size: side of a picture, pixels.
    Raises:
      UserError: without a mesh or a pose there is nothing to draw.
    """
    objects = Objects()
    seen = objects.of(file, file.grasps.object_key[row])
    if seen is None or not np.isfinite(file.grasps.hand_pose[row]).all():
        why = "; ".join(objects.lost.values()) or "it has no pose"
        raise UserError(
            f"grasp {row} that can't be drawn ({why})", "a mesh and a pose", "choose another --row"
        )
    hand = load_hand(file.grasps.hand)
    number = np.zeros(len(seen.faces), int) if seen.face_part is None else seen.face_part
    obj = Surface.from_arrays(seen.vertices, seen.faces, parted(number, file.parts[row]))
    times = [a + (b - a) * k / n for a, b, n in _WAY for k in range(n)] + [3.0] * _REST
    at = [at_stage(file.grasps, row, time) for time in times]
    skins = posed_skin(hand, np.array([a.pose for a in at]), np.array([a.joints for a in at]))
    skins += np.array([[0.0, a.lift, 0.0] for a in at])[:, None]
    raised_up = seen.vertices + np.array([0.0, LIFT, 0.0])
    everything = np.concatenate([seen.vertices, raised_up, skins.reshape(-1, 3)])
    camera = look(everything, (0.5, 0.35, 0.8), size=size, margin=0.04)
    pictures = []
    for skin, now in zip(skins, at, strict=True):
        raised = Surface(obj.vertices + np.array([0.0, now.lift, 0.0]), obj.faces, obj.rgb, obj.shading)
        scene, _ = join([raised, Surface.from_arrays(skin, hand.skin_faces, SKIN, smooth=True)])
        pictures.append(Image.fromarray(render(scene, camera).rgb))
    return pictures


def gif(pictures: Sequence[Image.Image], *, pause_ms: int = 90) -> bytes:
    """An endless GIF of one palette, so that nothing flickers."""
    palette = pictures[-1].quantize(96)
    frames = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    sink = io.BytesIO()
    frames[0].save(
        sink, "GIF", save_all=True, append_images=frames[1:], duration=pause_ms, loop=0, optimize=True
    )
    return sink.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """Returns: 0, or 2 on a user error."""
    return program("pipelines.report.film", Film, argv)


if __name__ == "__main__":
    sys.exit(main())
