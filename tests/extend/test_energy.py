"""An energy term from outside: one function and one `register`, and it reaches optimiser, file and report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from pipelines.report.html import grasp_table
from tests.refine.things import SHORT, grasp_on, shape
from tests.test_grasps import TASK
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.refine import TERMS, RefineConfig, Term, refine, register
from zdg_jax.refine.energies import Joints, unregister


def stretched(at: Joints) -> Float[Array, ""]:
    """E = sum_j q_j^2: fingers like to be straight."""
    return jnp.sum(at.mask * at.angle**2)


@pytest.fixture
def toy() -> Iterator[Term]:
    term = Term("stretched", "straight fingers", 0.0, joints=stretched)
    register(term)
    yield term
    unregister(term.name)


@pytest.mark.slow
def test_a_term_from_outside_reaches_optimiser_file_and_report(toy: Term) -> None:
    hand, rod = load_hand("human16"), shape("rod")
    without = RefineConfig(steps=SHORT.steps)
    assert without.weights[toy.name] == toy.weight
    wanted = replace(without, weights={**without.weights, toy.name: 1000.0})
    out, plain = (refine(hand, rod, grasp_on(rod), num=4, config=c) for c in (wanted, without))
    np.testing.assert_allclose(out[f"energy.{toy.name}"], np.sum(out.joints**2, axis=1), rtol=1e-4)
    assert (out[f"energy.{toy.name}"] < 0.8 * plain[f"energy.{toy.name}"]).all()
    every = sum(w * out[f"energy.{name}"] for name, w in wanted.weights.items())
    np.testing.assert_allclose(out["energy_total"], every, rtol=1e-6)

    assert toy.name in [field.name for field in out.with_task(TASK).to_table().schema.field("energy").type]
    row = {"status": "ok", "energy": {name: float(out[f"energy.{name}"][0]) for name in TERMS}}
    table = grasp_table([row], {})
    column = table.heads.index((toy.name, toy.caption))
    assert float(table.rows[0][column].text) == pytest.approx(out[f"energy.{toy.name}"][0], abs=1e-3)


@pytest.mark.slow
def test_without_it_nothing_of_it_is_left() -> None:
    assert "stretched" not in TERMS
    assert "stretched" not in RefineConfig().weights
    hand, rod = load_hand("human16"), shape("rod")
    out = refine(hand, rod, grasp_on(rod), num=4, config=SHORT)
    assert {n for n in out.columns if n.startswith("energy.")} == {f"energy.{t}" for t in TERMS}


def test_bad_terms_say_what_is_valid() -> None:
    with pytest.raises(UserError, match="cont_func"):
        register(Term("pen", "again", 1.0))
    with pytest.raises(UserError, match="'nothing'"):
        RefineConfig(weights={"nothing": 1.0})
