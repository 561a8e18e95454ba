"""Keys come from the environment and go nowhere but to their provider."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.settings import tables

_HIDDEN = "[key]"
_NAMES = re.compile(r"(API_KEY|API_TOKEN|ACCESS_TOKEN|SECRET|PASSWORD)$")
_SHAPES = re.compile(r"\b(sk-[\w-]{6,}|AIza[\w-]{10,}|Bearer\s+[\w.~+/=-]{8,})")
_SHORTEST = 6  # a shorter value would blank out ordinary words


def key_from_environment(provider: str) -> tuple[str, str]:
    """The first of a provider's key variables that is set.

    Args:
      provider: an entry of `providers` in providers.yaml.
    Returns:
      (the variable's name, its value).
    Raises:
      UserError: none is set.
    """
    names = tables().providers[provider].keys
    for name in names:
        value = os.environ.get(name, "").strip()
        if value:
            return name, value
    raise UserError(f"no {names[0]} in the environment", "a key for this provider", f"export {names[0]}=...")


def address_from_environment(provider: str, own: str) -> str:
    """The address that a provider's variable holds, or its own."""
    name = tables().providers[provider].address
    return (os.environ.get(name, "").strip() if name else "") or own


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


def redact(text: str) -> str:
    """The same on one line."""
    return " ".join(hide(text).split())


def safe_address(url: str) -> str:
    """Scheme, host and port: what may be shown of an address, which can hold a password."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{parts.hostname or '?'}{port}"
