"""A grasp type from outside: its entry in a card and one line of `SUITS`, and grasps are of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.reasoning.things import hammer
from zdg_jax import api
from zdg_jax.hands import load_hand
from zdg_jax.hands.load import card_path
from zdg_jax.reasoning.stages.grasp_type import SUITS

VENTRAL = """  ventral:
    description: four fingers close around a bar that lies along them
    joints: {index_mcp: 20, index_pip: 80, middle_mcp: 20, middle_pip: 80, ring_mcp: 20, ring_pip: 80,
             little_mcp: 20, little_pip: 80}
    contact: {index_distal: 1.0, middle_distal: 1.0, ring_distal: 1.0, little_distal: 1.0}
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """human16's card with one more type."""
    folder = shutil.copytree(card_path("human16").parent, tmp_path / "ventral16")
    text = (folder / "card.yaml").read_text(encoding="utf-8").replace("asset:human16.xml", "human16.xml")
    head, types, rest = text.partition("grasp_types:\n")
    assert types
    (folder / "card.yaml").write_text(head + types + VENTRAL + rest, encoding="utf-8")
    return folder / "card.yaml"


@pytest.fixture
def _suits() -> Iterator[None]:
    SUITS["ventral"] = lambda seen: 3.0
    yield
    del SUITS["ventral"]


@pytest.mark.slow
@pytest.mark.usefixtures("_suits")
def test_a_grasp_type_from_outside_is_offered_chosen_and_is_where_refinement_starts(card: Path) -> None:
    hand = load_hand(str(card))
    done = api.reason_task(hammer(600), hand, "hammer a nail", api.make_reasoner("offline"))
    assert done.grasp.status == "ok", done.grasp.status_reason
    assert done.grasp.initial is not None
    assert done.grasp.initial.grasp_type == "ventral"
    assert np.rad2deg(hand.grasp_types["ventral"].joints).max() == pytest.approx(80.0)
    asked = next(stage for stage in done.trace["stages"] if stage["stage"] == "grasp_type")
    assert "ventral" in str(asked)


@pytest.mark.slow
def test_one_that_the_table_does_not_know_comes_last(card: Path) -> None:
    hand = load_hand(str(card))
    done = api.reason_task(hammer(600), hand, "hammer a nail", api.make_reasoner("offline"))
    assert done.grasp.initial is not None
    assert done.grasp.initial.grasp_type == "handle-grasp"
