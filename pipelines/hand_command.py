"""`zdg hand`: bring up, check, fit and draw a hand; joint trajectories of its grasps."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg, subcommand

from pipelines.options import Hand, LoopOptions, Out
from zdg_jax.errors import printable


@dataclass(frozen=True)
class HandNew:
    """Write a first card for a MJCF or URDF by inspecting it, find its grasp types and draw them."""

    path: Annotated[
        Positional[str],
        arg(metavar="PATH", help="A MJCF or URDF, or pip:PACKAGE:FILE, robot_descriptions:NAME."),
    ]
    name: Annotated[str | None, arg(metavar="WORD", help="What the hand is called.")] = None
    base: Annotated[str | None, arg(metavar="LINK", help="Link that the fingers branch from.")] = None
    out: Annotated[str | None, arg(metavar="DIR", help="Folder for the card; NAME by default.")] = None

    def run(self) -> int:
        from pipelines.hand import new_hand
        from pipelines.runtime import start_jax

        start_jax()
        card, faults = new_hand(self.path, name=self.name, base=self.base, out=self.out)
        print(f"card: {card}\npictures: {card.with_name('hand.png')}")
        return _say(faults)


@dataclass(frozen=True)
class HandCheck:
    """List what is wrong with a card, its model included."""

    card: Annotated[Positional[str], arg(metavar="CARD", help="A card file, its folder, or a hand's name.")]

    def run(self) -> int:
        from pipelines.runtime import start_jax
        from zdg_jax.hands.load import card_path
        from zdg_jax.hands.validate import check_card

        start_jax()
        path = Path(self.card).expanduser()
        return _say(check_card(path if path.is_file() else card_path(self.card)))


@dataclass(frozen=True)
class HandFit:
    """Find the grasp types anew and write them into the card, then draw them."""

    card: Annotated[Positional[str], arg(metavar="CARD", help="A card file or its folder.")]

    def run(self) -> int:
        from pipelines.hand import draw, fit_types
        from pipelines.runtime import start_jax
        from zdg_jax.hands.load import card_path

        start_jax()
        path = card_path(self.card)
        picture = draw(fit_types(path), path.with_name("hand.png"))
        print(f"grasp types written into {path}; pictures: {picture}")
        return 0


@dataclass(frozen=True)
class HandShow:
    """Draw a hand's zero pose with frames and pads, and its grasp types."""

    hand: Annotated[Positional[str], arg(metavar="HAND", help="A hand's name or card.")]
    out: Annotated[str, arg(metavar="FILE", help="Where the picture goes.")] = "hand.png"

    def run(self) -> int:
        from pipelines.hand import draw
        from pipelines.runtime import start_jax
        from zdg_jax.hands import load_hand

        start_jax()
        print(draw(load_hand(self.hand), Path(self.out)))
        return 0


@dataclass(frozen=True)
class HandTrajectory:
    """Joint trajectories pregrasp, grasp, squeeze of a file's grasps, in the robot's own joint order."""

    grasps: Annotated[Positional[str], arg(metavar="GRASPS.parquet", help="Or its folder.")]
    out: Annotated[str, arg(metavar="FILE", help="A .npz or .json file.")] = "trajectories.npz"
    steps: Annotated[int, arg(help="Steps from pregrasp to grasp, and again to squeeze.")] = 10

    def run(self) -> int:
        from pipelines.hand import write_trajectories

        count = write_trajectories(self.grasps, self.out, steps=self.steps)
        print(f"{count} trajectories in {self.out}")
        return 0 if count else 1


Action = (
    Annotated[HandNew, subcommand("new", prefix_name=False)]
    | Annotated[HandCheck, subcommand("check", prefix_name=False)]
    | Annotated[HandFit, subcommand("fit", prefix_name=False)]
    | Annotated[HandShow, subcommand("show", prefix_name=False)]
    | Annotated[HandTrajectory, subcommand("trajectory", prefix_name=False)]
)


@dataclass(frozen=True)
class HandCommand:
    """Bring up, check and draw hands."""

    what: Annotated[Action, arg(name="")]

    def run(self) -> int:
        return self.what.run()


@dataclass(frozen=True)
class Retarget(LoopOptions):
    """Bring grasps of one hand to another by finger keypoints, refine and simulate them."""

    grasps: Annotated[Positional[str], arg(metavar="GRASPS.parquet", help="Or its folder.")]
    hand: Hand
    out: Out = "retargeted"
    refine: Annotated[bool, arg(help="Refine after retargeting (eqs. 6-8).")] = True

    def run(self) -> int:
        from pipelines.retarget import retarget_file

        report = retarget_file(self.grasps, self.hand, self.out, refine=self.refine, loop=self)
        print(printable(report.summary(), keep="\n"))
        return 0 if report.kept else 1


def _say(faults: list[str]) -> int:
    for line in faults:
        print(f"- {line}")
    print("no fault found" if not faults else f"{len(faults)} fault(s)", file=sys.stderr)
    return 1 if faults else 0
