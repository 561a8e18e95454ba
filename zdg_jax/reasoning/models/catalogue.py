"""The dated table of models: `model_tables/*.yaml`, and a user's rows in front of it."""

from __future__ import annotations

import re
from datetime import date
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["current", "retiring", "ended"]

# What is put behind a model's name to fix its day: -2025-04-14, -0613, -001, -preview-06-05, -latest.
_SNAPSHOT = re.compile(
    r"(?:-preview|-latest|-exp|-\d{4}-\d{2}-\d{2}|-\d{2}-\d{4}|-\d{2}-\d{2}|-\d{8}|-\d{3,4})+$"
)


class Strict(BaseModel):
    """Unknown fields are errors, so that a slip in a user's file is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(Strict):
    """USD per million tokens; None is unknown.

    Attributes:
      since: from this day on; the last one that has begun counts.
      input, cached, output: of an ordinary request; output includes hidden reasoning.
      batch_input, batch_output: of the provider's batch API.
    """

    since: date | None = None
    input: float = Field(ge=0)
    cached: float | None = Field(None, ge=0)
    output: float = Field(ge=0)
    batch_input: float | None = Field(None, ge=0)
    batch_output: float | None = Field(None, ge=0)

    def of_batches(self) -> Price | None:
        """What the batch API asks for; None if that is unknown.

        Cached tokens count as fresh ones: no list names a second rebate.
        """
        if self.batch_input is None or self.batch_output is None:
            return None
        return self.model_copy(
            update={"input": self.batch_input, "cached": self.batch_input, "output": self.batch_output}
        )


class Takes(Strict):
    """Where a model differs from what its name suggests (`abilities` in providers.yaml).

    Attributes:
      temperature: to be sent; null if the model refuses any.
      max_tokens_name: of the limit in the chat API.
      json_schema: whether it takes a schema for its answer.
      thinking: the levels that it knows; empty if they were not read.
    """

    temperature: float | None = None
    max_tokens_name: str | None = None
    json_schema: bool | None = None
    thinking: tuple[str, ...] = ()


class Model(Strict):
    """One row.

    Attributes:
      provider: the first word of an entry of `providers`, or compatible (any other address).
      id: as asked for; a user's row may use `*` and `?`.
      family: what it is a name or a snapshot of; itself by default.
      ends: the day from which the provider does not answer as this model any more.
      replacement: what the provider names instead.
      rerouted: from that day on the replacement answers under this name, at its own price.
      prices: oldest first; empty is unknown.
      context, output, pictures: largest numbers of tokens and pictures; None is unknown.
      takes: its own parameters.
      verified: the price was read in the provider's own words, or in two lists of them that agree.
      read, source: when and where the row was read.
      note: for people.
    """

    provider: str
    id: str
    family: str = ""
    ends: date | None = None
    replacement: str | None = None
    rerouted: bool = False
    prices: tuple[Price, ...] = ()
    context: int | None = Field(None, ge=1)
    output: int | None = Field(None, ge=1)
    pictures: int | None = Field(None, ge=0)
    takes: Takes = Takes()
    verified: bool = False
    read: date
    source: tuple[str, ...] | str
    note: str = ""

    def state(self, on: date | None = None) -> State:
        """Whether it is current, retiring or ended on a day; today by default."""
        if self.ends is None:
            return "current"
        return "retiring" if (on or today()) < self.ends else "ended"

    def price(self, on: date | None = None) -> Price | None:
        """What it costs on a day, today by default; None if that is unknown."""
        begun = [price for price in self.prices if price.since is None or price.since <= (on or today())]
        return begun[-1] if begun else None


class Catalogue:
    """Rows of all providers; the first that fits counts."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self.models = models

    def find(self, provider: str, model: str) -> Model | None:
        """A model's row: of its very name, else of the family that it is a snapshot of."""
        for name in dict.fromkeys((bare(model), stem(model))):
            for row in self.models:
                if row.provider == provider and _fits(name, model, row.id):
                    return row
        return None

    def anywhere(self, model: str) -> Model | None:
        """The same whatever the address: proxies serve models under their makers' names."""
        # Whatever runs on this machine has a row, which says nothing of what its name means elsewhere.
        makers = dict.fromkeys(
            ["compatible", *(row.provider for row in self.models if row.provider != "local")]
        )
        found = (self.find(provider, model) for provider in makers)
        return next((row for row in found if row is not None), None)

    def origin(self, row: Model) -> Model:
        """The row that an alias stands for; any other row itself."""
        return (self.find(row.provider, row.family) if row.family else None) or row

    def family(self, provider: str, model: str) -> str:
        """What two names have in common if one is a snapshot or an alias of the other."""
        row = self.find(provider, model) or self.anywhere(model)
        if row is None or "*" in row.id or "?" in row.id:
            return stem(model)
        return row.family or stem(row.id)

    def price(self, provider: str, model: str, on: date | None = None) -> Price | None:
        """USD per million tokens on a day, today by default; None if unknown."""
        row = self.find(provider, model)
        if row is None:
            return None
        return (row if row.prices else self.origin(row)).price(on)

    def substituted(self, provider: str, asked: str, answered: str) -> bool:
        """Whether the model that answered is another one than was asked; a dated snapshot is the same."""
        return self.family(provider, asked) != self.family(provider, answered)

    def notice(self, provider: str, model: str, on: date | None = None) -> str | None:
        """One line if the model is retiring or has ended, with its successor; None if it is current."""
        row = self.find(provider, model)
        if row is None or row.ends is None:
            return None
        ended = row.state(on) == "ended"
        said, since = (
            f"{model} {'ended' if ended else 'retires'} on {row.ends}",
            "now" if ended else "from then on",
        )
        if row.replacement and row.rerouted:
            said += f"; {since} {row.replacement} answers instead, at its own price"
        elif row.replacement:
            said += f"; its successor is {row.replacement}"
        return said


def bare(model: str) -> str:
    """A model's name without its vendor: `models/x` and `vendor/x` are x."""
    return model.rsplit("/", 1)[-1].strip().lower()


def stem(model: str) -> str:
    """The same without the day of a snapshot."""
    name = bare(model)
    return _SNAPSHOT.sub("", name) or name


def today() -> date:
    """Today; in a function of its own, so that a test can be on another day."""
    return date.today()


def rows_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of one provider's file, each with the provider's name."""
    return [{"provider": content["provider"], **row} for row in content["models"]]


def _fits(name: str, model: str, pattern: str) -> bool:
    return any(fnmatchcase(given, pattern) for given in (name, model))
