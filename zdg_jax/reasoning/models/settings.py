"""Limits, abilities, presets and models: the YAML files beside this one, and a user's file on top."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

import prompts
from zdg_jax.errors import UserError
from zdg_jax.foreign import load_yaml
from zdg_jax.reasoning.models.catalogue import Catalogue, Model, Strict, rows_of

# Keys come from the environment and go nowhere but to their provider.
_HIDDEN = "[key]"
_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")
_SHAPES = re.compile(r"\b(sk-[\w-]{6,}|AIza[\w-]{10,}|(Bearer|Basic)\s+[\w.~+/=-]{8,})")
_SHORTEST = 6  # a shorter value would blank out ordinary words


def key_from_environment(provider: str) -> tuple[str, str]:
    """The first of a provider's key variables that is set.

    Args:
      provider: an entry of `providers` in providers.yaml.
    Returns:
      (the variable's name, its value).
    Raises:
      UserError: none is set, or with characters that no header can have.
    """
    names = tables().providers[provider].keys
    for name in names:
        value = os.environ.get(name, "").strip()
        if value and not (value.isascii() and value.isprintable()):  # libraries would quote it
            got = f"{name} with characters that no key has"
            raise UserError(got, "one line of ASCII", f"export {name} again")
        if value:
            return name, value
    raise UserError(f"no {names[0]} in the environment", "a key for this provider", f"export {names[0]}=...")


def address_from_environment(provider: str, own: str) -> str:
    """The address that a provider's variable holds, or its own.

    Raises:
      UserError: what it holds is no address of the web; it is not shown, since it may hold a password.
    """
    about = tables().providers[provider]
    name, ours = about.address, about.wire.startswith("zdg_jax.")  # others have their own protocols
    found = os.environ.get(name, "").strip() if name else ""
    try:
        parts = urlsplit(found)
        known = parts.scheme in ("http", "https") if ours else bool(parts.scheme)
        fine = known and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if found and not (fine and found.isprintable()):
        expected = f"{'https' if ours else 'SCHEME'}://HOST, with a port perhaps"
        raise UserError(f"{name}, which holds no address", expected, f"export {name} again")
    return found or own


def hide(text: str) -> str:
    """The text with every known key, and everything that looks like one, replaced.

    Args:
      text: from a provider or an exception; providers echo keys in their errors.
    """
    names = tables().key_names()
    known = {value.strip() for name, value in os.environ.items() if name in names or _NAMES.search(name)}
    for value in sorted((v for v in known if len(v) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(value, _HIDDEN)
    return _SHAPES.sub(_HIDDEN, text)


def holds_secret(name: str, value: str) -> bool:
    """Whether an environment variable may not be shown: a key, or an address with a password or a query."""
    if name in tables().key_names() or _NAMES.search(name):
        return True
    return "://" in value and ("@" in value or "?" in value)


def redact(text: str) -> str:
    """The same on one line."""
    return " ".join(hide(text).split())


def safe_address(url: str) -> str:
    """Scheme, host and port: what may be shown of an address, which can hold a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "://?"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{parts.hostname or '?'}{port}"


HERE = Path(__file__).parent
USER_FILE = "ZDG_PROVIDERS"
COMPATIBLE = "compatible"
"""Any other address than a provider's own."""


class Provider(Strict):
    """Who can be asked, by the name before a reasoner's colon.

    Attributes:
      wire: `module:name` of what makes its wire from the model's name.
      keys: environment variables that may hold its key, the first that is set counts.
      address: the environment variable that holds another address than its own.
      takes: what follows the colon, for people.
      batch: `module:name` of what makes its batch API from the wire; None where it has none.
    """

    wire: str = Field(pattern=r"^[\w.]+:\w+$")
    keys: tuple[str, ...] = ()
    address: str | None = None
    takes: str = "MODEL"
    batch: str | None = Field(None, pattern=r"^[\w.]+:\w+$")


class Settings(Strict):
    """How one provider is asked.

    Attributes:
      concurrency: requests in flight.
      requests_per_min, tokens_per_min: None is no limit of ours.
      timeout_s: for one request, from sending to the whole reply.
      connect_timeout_s: for the connection alone, and for each request of the check before the work.
      max_tries: requests for one answer.
      max_wait_s: a wait that would end later than this after the first try is not begun.
      first_wait_s, longest_wait_s: of the exponential wait.
      poll_s: between two looks at a batch job.
      doubt_s: so long a batch job whose submission was cut off is looked for before it is submitted again.
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
    poll_s: float = Field(30.0, gt=0)
    doubt_s: float = Field(60.0, ge=0)


class Abilities(Strict):
    """What a model takes.

    Attributes:
      models: patterns of model names (`*`, `?`), without a vendor's prefix.
      temperature: None where the model takes none (reasoning models).
      max_output_tokens: hidden reasoning included.
      max_tokens_name: how the chat API calls that limit.
      image_detail: OpenAI's `detail`; None leaves it out.
      json_schema: whether the answer's schema is enforced by the provider.
      thinking: the level of hidden reasoning to ask for; None leaves it to the provider.
    """

    models: tuple[str, ...]
    temperature: float | None = 0.0
    max_output_tokens: int = Field(4096, ge=1)
    max_tokens_name: str = "max_completion_tokens"
    image_detail: str | None = "high"
    json_schema: bool = True
    thinking: str | None = None


class Preset(Strict):
    """Several reasoners under one name.

    Attributes:
      reasoner: who answers.
      route: `STAGE=NAME` items, as for `--route`.
    """

    reasoner: str
    route: tuple[str, ...] = ()


class Tables(Strict):
    """All of it; first match wins."""

    providers: dict[str, Provider] = Field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    abilities: tuple[Abilities, ...] = ()
    own_abilities: tuple[Abilities, ...] = ()
    """Those of the user's file; they count more than a model's row."""
    presets: dict[str, Preset] = Field(default_factory=dict)
    models: tuple[Model, ...] = ()

    @property
    def catalogue(self) -> Catalogue:
        """The table of models."""
        return Catalogue(self.models)

    def provider_names(self) -> tuple[str, ...]:
        """Providers by the first word of their name, and `compatible`: who prices and limits are for."""
        return (*dict.fromkeys(name.split("-")[0] for name in self.providers), COMPATIBLE)

    def key_names(self) -> tuple[str, ...]:
        """Every environment variable that may hold a key."""
        return tuple(dict.fromkeys(name for one in self.providers.values() for name in one.keys))

    def address_names(self) -> tuple[str, ...]:
        """Every environment variable that may hold an address."""
        return tuple(dict.fromkeys(one.address for one in self.providers.values() if one.address))

    def settings_of(self, provider: str) -> Settings:
        """Settings of a provider or of compatible servers: its own over those of `default`."""
        return Settings(**{**self.settings.get("default", {}), **self.settings.get(provider, {})})

    def abilities_of(self, model: str) -> Abilities:
        """The abilities of a model: the user's, else those of its name with what its row says otherwise."""
        for entry in self.own_abilities:
            if _matches(model, entry.models):
                return entry
        able = next(entry for entry in self.abilities if _matches(model, entry.models))
        row = self.catalogue.anywhere(model)
        if row is None:
            return able
        row = self.catalogue.origin(row)
        changed = row.takes.model_dump(exclude_unset=True, exclude={"thinking"})
        if row.output is not None:
            changed["max_output_tokens"] = min(able.max_output_tokens, row.output)
        return able.model_copy(update=changed)

    def most_output(self, model: str) -> int | None:
        """The greatest limit of output tokens that a model is known to take."""
        row = self.catalogue.anywhere(model)
        return row.output if row is not None else None


def tables() -> Tables:
    """The built-in tables with those of the file that `ZDG_PROVIDERS` names in front.

    Raises:
      UserError: that file can't be read or has a wrong entry.
    """
    return _tables(os.environ.get(USER_FILE, ""))


@lru_cache(maxsize=8)
def _tables(user_file: str) -> Tables:
    built_in = Tables(**_yaml(HERE / "providers.yaml"))
    files = [HERE / "model_tables" / f"{name}.yaml" for name in built_in.provider_names()]
    rows = [Model(**row) for file in files if file.exists() for row in rows_of(_yaml(file))]
    built_in = built_in.model_copy(update={"models": tuple(rows)})
    if not user_file:
        return built_in
    try:
        user = Tables(**_yaml(Path(user_file).expanduser()))
        settings = {**built_in.settings}
        for provider, values in user.settings.items():
            settings[provider] = {**settings.get(provider, {}), **values}
        merged = Tables(
            providers={**built_in.providers, **user.providers},
            settings=settings,
            abilities=built_in.abilities,
            own_abilities=user.abilities,
            presets={**built_in.presets, **user.presets},
            models=(*user.models, *built_in.models),
        )
        for provider in settings:
            merged.settings_of(provider)
        if strange := {row.provider for row in user.models} - {*merged.provider_names()}:
            raise ValueError(f"models of {', '.join(sorted(strange))}, which no entry of providers names")
    except (OSError, AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"{USER_FILE}={user_file} ({_brief(error)})",
            "a YAML file with providers, settings, abilities, presets and models as in docs/providers.md",
            "mend it or unset the variable",
        ) from None
    return merged


def _yaml(path: Path) -> dict[str, Any]:
    return load_yaml(path) or {}


def _brief(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]


def _matches(model: str, patterns: tuple[str, ...]) -> bool:
    names = (model, model.rsplit("/", 1)[-1])
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


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
