"""Hands for tests: those of the extra `hands` are skipped where their package is not installed."""

from __future__ import annotations

from importlib import metadata

import pytest
from _pytest.mark import ParameterSet

from zdg_jax.hands import EXTRA_HANDS, HAND_NAMES, HandModel, load_hand
from zdg_jax.hands.io.hand_spec import read_card
from zdg_jax.hands.load import card_path

EVERY_HAND = HAND_NAMES + EXTRA_HANDS


def slow_but(*quick: str) -> list[str | ParameterSet]:
    """Every hand, for laws that need a compilation for each: all but `quick` run with `-m slow`."""
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in EVERY_HAND]


def hand_or_skip(name: str) -> HandModel:
    """The built-in hand of that name; skips only where the package with its model is missing."""
    kind, _, rest = read_card(card_path(name)).model.partition(":")
    if kind == "pip":
        package = rest.partition(":")[0]
        try:
            metadata.distribution(package)
        except metadata.PackageNotFoundError:
            pytest.skip(f"hand {name} needs the package {package} (extra `hands`)")
    return load_hand(name)
