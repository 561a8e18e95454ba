"""Limits, abilities and prices: `providers.yaml` and `prices.yaml`, and a user's file on top."""

from __future__ import annotations

import os
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zdg_jax.errors import UserError

HERE = Path(__file__).parent
USER_FILE = "ZDG_PROVIDERS"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(_Strict):
    """How one provider is asked.

    Attributes:
      concurrency: requests in flight.
      requests_per_min, tokens_per_min: None is no limit of ours.
      timeout_s: for one request, from sending to the whole reply.
      connect_timeout_s: for the connection alone, and for each request of the check before the work.
      max_tries: requests for one answer.
      max_wait_s: a wait that would end later than this after the first try is not begun.
      first_wait_s, longest_wait_s: of the exponential wait.
    """

    concurrency: int = Field(16, ge=1)
    requests_per_min: int | None = Field(None, ge=1)
    tokens_per_min: int | None = Field(None, ge=1)
    timeout_s: float = Field(120.0, gt=0)
    connect_timeout_s: float = Field(5.0, gt=0)
    max_tries: int = Field(6, ge=1)
    max_wait_s: float = Field(300.0, ge=0)
    first_wait_s: float = Field(1.0, ge=0)
    longest_wait_s: float = Field(30.0, ge=0)


class Abilities(_Strict):
    """What a model takes.

    Attributes:
      models: patterns of model names (`*`, `?`), without a vendor's prefix.
      temperature: None where the model takes none (reasoning models).
      max_output_tokens: hidden reasoning included.
      max_tokens_name: how the chat API calls that limit.
      image_detail: OpenAI's `detail`; None leaves it out.
      json_schema: whether the answer's schema is enforced by the provider.
    """

    models: tuple[str, ...]
    temperature: float | None = 0.0
    max_output_tokens: int = Field(4096, ge=1)
    max_tokens_name: str = "max_completion_tokens"
    image_detail: str | None = "high"
    json_schema: bool = True


class Price(_Strict):
    """USD per million tokens, with the day and the place where it was read; None is unknown.

    Attributes:
      provider: openai, gemini, or compatible (any other address).
      models: patterns of model names.
    """

    provider: str
    models: tuple[str, ...]
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(None, ge=0)
    date: date
    source: str


class Tables(_Strict):
    """All of it; first match wins."""

    settings: dict[str, dict[str, Any]] = {}
    abilities: tuple[Abilities, ...] = ()
    prices: tuple[Price, ...] = ()

    def settings_of(self, provider: str) -> Settings:
        """Settings of openai, gemini or compatible: its own over those of `default`."""
        return Settings(**{**self.settings.get("default", {}), **self.settings.get(provider, {})})

    def abilities_of(self, model: str) -> Abilities:
        """The abilities of a model; there is an entry for `*`."""
        return next(entry for entry in self.abilities if _matches(model, entry.models))

    def price_of(self, provider: str, *models: str) -> Price | None:
        """The price of the first of these model names that has one."""
        for model in models:
            for entry in self.prices:
                if entry.provider == provider and _matches(model, entry.models):
                    return entry
        return None


def tables() -> Tables:
    """The built-in tables with those of the file that `ZDG_PROVIDERS` names in front.

    Raises:
      UserError: that file can't be read or has a wrong entry.
    """
    return _tables(os.environ.get(USER_FILE, ""))


@lru_cache(maxsize=8)
def _tables(user_file: str) -> Tables:
    built_in = Tables(**_yaml(HERE / "providers.yaml"), **_yaml(HERE / "prices.yaml"))
    if not user_file:
        return built_in
    try:
        user = Tables(**_yaml(Path(user_file).expanduser()))
        settings = {**built_in.settings}
        for provider, values in user.settings.items():
            settings[provider] = {**settings.get(provider, {}), **values}
        merged = Tables(
            settings=settings,
            abilities=(*user.abilities, *built_in.abilities),
            prices=(*user.prices, *built_in.prices),
        )
        for provider in settings:
            merged.settings_of(provider)
    except (OSError, yaml.YAMLError, TypeError, ValidationError) as error:
        raise UserError(
            f"{USER_FILE}={user_file} ({_brief(error)})",
            "a YAML file with settings, abilities and prices as in docs/providers.md",
            "mend it or unset the variable",
        ) from None
    return merged


def _yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _brief(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]


def _matches(model: str, patterns: tuple[str, ...]) -> bool:
    names = (model, model.rsplit("/", 1)[-1])
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
