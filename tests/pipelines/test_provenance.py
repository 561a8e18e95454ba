from __future__ import annotations

import numpy as np
import pytest

from pipelines import provenance
from pipelines.options import config_sha
from zdg_jax.hands import HAND_NAMES, load_hand
from zdg_jax.hands.model import pregrasp_and_squeeze


@pytest.mark.parametrize("name", HAND_NAMES)
def test_squeeze_mirrors_pregrasp_at_the_grasp(name: str) -> None:
    hand = load_hand(name)
    rng = np.random.default_rng(0)
    for _ in range(8):
        joints = rng.uniform(hand.lower, hand.upper)
        pregrasp, squeeze = pregrasp_and_squeeze(hand, joints)
        assert (pregrasp >= hand.lower - 1e-12).all()
        assert (pregrasp <= hand.upper + 1e-12).all()
        assert (squeeze >= hand.lower).all()
        assert (squeeze <= hand.upper).all()
        free = (squeeze > hand.lower) & (squeeze < hand.upper)
        expected = joints + (hand.squeeze_rule - 1.0) * (joints - pregrasp)
        np.testing.assert_allclose(squeeze[free], expected[free], atol=1e-12)
        stretched = np.clip(0.0, hand.lower, hand.upper)
        assert (np.abs(pregrasp - stretched) <= np.abs(joints - stretched) + 1e-12).all()


def test_config_sha_ignores_order_and_sees_every_value() -> None:
    one = {"a": 1, "b": None}
    assert config_sha(one) == config_sha({"b": None, "a": 1})
    assert config_sha(one) != config_sha({"a": 2, "b": None})


def test_sources_are_stored_so_that_they_can_be_read_again(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert provenance.stored_source("zoo:mug/3") == "zoo:mug/3"
    assert provenance.stored_source("ycb:025_mug") == "ycb:025_mug"
    assert provenance.stored_source("a/mug.stl") == str(tmp_path / "a/mug.stl")
