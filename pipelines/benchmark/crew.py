"""How the groups of a benchmark are run; nothing heavy is imported for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Runner = Literal["here", "processes", "ray"]


@dataclass(frozen=True)
class Crew:
    """Who works.

    Attributes:
      runner: this process, several processes, or Ray's actors.
      workers: processes or actors; 1 for "here".
      address: of a Ray cluster; a local one is started if None.
    """

    runner: Runner = "here"
    workers: int = 1
    address: str | None = None
