"""What several tests of hands share, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hands.robots import write_robot
from zdg_jax.hands import load_hand
from zdg_jax.hands.io.hand_spec import write_types


@pytest.fixture(scope="session")
def claw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The card of our small robot with found grasp types, beside its URDF; not to be written to."""
    card = write_robot(tmp_path_factory.mktemp("claw"))
    write_types(card, load_hand(str(card)))
    return card
