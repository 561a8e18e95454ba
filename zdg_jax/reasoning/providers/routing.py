"""One reasoner made of several, each for its stages (paper IV-A)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel

import prompts
from zdg_jax.errors import UserError
from zdg_jax.reasoning.protocol import Answer, Question, Reasoner
from zdg_jax.reasoning.providers.settings import tables

A = TypeVar("A", bound=BaseModel)


class RoutedReasoner:
    """Sends each stage to the reasoner that `routes` names for it, and all others to `main`."""

    def __init__(self, main: Reasoner, routes: Mapping[str, Reasoner]) -> None:
        self.main, self.routes = main, dict(routes)
        self.name = " ".join([main.name, *(f"{stage}={other.name}" for stage, other in self.routes.items())])

    async def ask(self, question: Question[A]) -> Answer[A]:
        """Passed on; raises what the stage's own reasoner raises."""
        return await self.routes.get(question.stage, self.main).ask(question)

    def close(self) -> None:
        """Close whatever of them has connections."""
        for reasoner in {id(r): r for r in (self.main, *self.routes.values())}.values():
            close = getattr(reasoner, "close", None)
            if close is not None:
                close()


def expand(name: str, routes: Sequence[str] = ()) -> tuple[str, tuple[str, ...]]:
    """A preset's reasoner and routes; any other name as it is.

    Args:
      name: of a preset (`presets` in providers.yaml) or of a reasoner.
      routes: `STAGE=NAME` items, which count more than the preset's.
    """
    preset = tables().presets.get(name)
    if preset is None:
        return name, tuple(routes)
    own = {route.partition("=")[0] for route in routes}
    return preset.reasoner, (*(r for r in preset.route if r.partition("=")[0] not in own), *routes)


def parse_routes(routes: Sequence[str]) -> dict[str, str]:
    """`STAGE=REASONER` items, as on the command line, to a mapping.

    Raises:
      UserError: an item of another form, an unknown stage, or a stage named twice.
    """
    stages = ", ".join(prompts.STAGES)
    found: dict[str, str] = {}
    for route in routes:
        stage, equals, name = route.partition("=")
        if not equals or not name:
            raise UserError(f"route {route!r}", "STAGE=REASONER, e.g. direction=gemini:MODEL", "mend --route")
        if stage not in prompts.STAGES:
            raise UserError(f"a route for stage {stage!r}", f"one of {stages}", "mend --route")
        if stage in found:
            raise UserError(
                f"two routes for stage {stage!r}", "at most one for each stage", "drop one --route"
            )
        found[stage] = name
    return found
