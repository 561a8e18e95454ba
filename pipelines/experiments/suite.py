"""What an experiment is, and what came of one run of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from pipelines.options import SynthOptions
from zdg_jax.errors import UserError, one_of

Route = Literal["direct", "retargeted"]
FILE = Path(__file__).with_name("suites.yaml")


@dataclass(frozen=True)
class Suite:
    """One experiment; see suites.yaml.

    Attributes:
      name: of the suite.
      docs: page that shows it.
      page: what is written, a name of `pages.PAGES`.
      pairs: (OBJECT, sentence).
      hands: names or cards; others than the first may be retargeted from it.
      routes: how grasps of a hand are found.
      settings: options of `zdg synth` by name.
      nudge_m: the second judge moves the hand by so much before `six_force`; None: there is none.
    """

    name: str
    docs: str
    page: str
    pairs: tuple[tuple[str, str], ...]
    hands: tuple[str, ...]
    routes: tuple[Route, ...] = ("direct",)
    settings: dict[str, Any] = field(default_factory=dict)
    nudge_m: float | None = None

    def routes_of(self, hand: str) -> tuple[Route, ...]:
        """The first hand's grasps are what others are retargeted from."""
        return ("direct",) if hand == self.hands[0] else self.routes

    def options(self, pair: tuple[str, str], hand: str, out: str = "") -> SynthOptions:
        """What one pair is asked with."""
        return SynthOptions(*pair, out, hand=hand, **self.settings)

    def asked(self, only: tuple[str, ...]) -> list[int]:
        """Numbers of the pairs, from 1, that one of the words names: by number, or by a part of the object.

        Raises:
          UserError: a word that names none.
        """
        chosen: list[int] = []
        for word in only:
            mine = [n for n, (name, _) in enumerate(self.pairs, 1) if word == str(n) or _names(word, name)]
            if not mine:
                raise UserError(f"--only {word}", f"1 to {len(self.pairs)}, or objects", "choose other pairs")
            chosen += mine
        return chosen or list(range(1, len(self.pairs) + 1))


def _names(word: str, name: str) -> bool:
    return not word.isdigit() and word in name


@dataclass(frozen=True)
class Run:
    """One pair with one hand by one route.

    Attributes:
      number: of the pair, from 1.
      object, task: the pair.
      hand, route: by which it was run.
      status: of the task.
      rows: kept grasps as rows of `grasps.parquet`, best first.
      seconds: wall time of the whole line; the first of a process compiles.
      warnings: what the object's checks said.
      nudged: share of the kept grasps that pass the second judge.
      tips: (error in mm, within reach) of each retargeted fingertip.
    """

    number: int
    object: str
    task: str
    hand: str
    route: Route
    status: str
    rows: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    nudged: float | None = None
    tips: tuple[tuple[float, bool], ...] = ()

    @property
    def name(self) -> str:
        """The object's name without who has it."""
        return self.object.partition(":")[2] or self.object

    @property
    def slug(self) -> str:
        """Name of its folder and picture."""
        return f"{self.number:02d}_{self.name}_{self.task}".replace(" ", "_").replace("/", "_")

    @property
    def num_good(self) -> int:
        """Kept grasps that meet the numeric criteria."""
        return sum(bool(row["good"]) for row in self.rows)


def suite(name: str, file: Path = FILE, **changes: Any) -> Suite:
    """The suite of that name.

    Args:
      name: of the file.
      file: suites as YAML.
      changes: fields to replace; `settings` are added to the suite's own. None changes nothing.

    Raises:
      UserError: unknown; the message lists the valid ones.
    """
    known = yaml.safe_load(file.read_text(encoding="utf-8"))
    given = known[one_of("suite", name, known)]
    given |= {key: tuple(given[key]) for key in ("hands", "routes") if key in given}
    made = Suite(**given | {"name": name, "pairs": tuple(map(tuple, given["pairs"]))})
    changes = {key: value for key, value in changes.items() if value is not None}
    more = {key: value for key, value in changes.pop("settings", {}).items() if value is not None}
    return replace(made, settings={**made.settings, **more}, **changes)
