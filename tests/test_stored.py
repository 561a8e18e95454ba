"""Compiled functions that outlive the process: found again without a trace, and never the wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zdg_jax import stored
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import _chains
from zdg_jax.refine.energies import TERMS
from zdg_jax.refine.optimize import constants_of
from zdg_jax.stored import Stored, fingerprint


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    before = stored._folder
    stored.keep_in(tmp_path / "kept")
    yield tmp_path / "kept"
    stored.keep_in(before)


def _twice(x):
    return {"twice": 2.0 * x, "sum": (x.sum(),)}


def _never(_):
    raise AssertionError("traced")


X = np.arange(5, dtype=np.float32)


def _records(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def test_a_second_process_does_not_trace(folder: Path) -> None:
    first = Stored(_twice, "twice", (3, "a"))(X)
    assert len(_records(folder)) == 1
    again = Stored(_never, "twice", (3, "a"))(X)
    assert jax.tree.structure(again) == jax.tree.structure(first)
    np.testing.assert_array_equal(again["twice"], 2.0 * X)
    np.testing.assert_array_equal(again["sum"][0], 10.0)


@pytest.mark.parametrize(
    "other",
    [
        lambda: Stored(_never, "thrice", (3, "a"))(X),
        lambda: Stored(_never, "twice", (4, "a"))(X),
        lambda: Stored(_never, "twice", (3, "a"))(X[:4]),
        lambda: Stored(_never, "twice", (3, "a"))(X.astype(np.int32)),
        lambda: Stored(_never, "twice", None)(X),
    ],
    ids=["name", "constant", "shape", "dtype", "unknown constants"],
)
def test_nothing_else_is_taken_for_it(other) -> None:
    Stored(_twice, "twice", (3, "a"))(X)
    with pytest.raises(AssertionError, match="traced"):
        other()


def test_a_setting_of_jax_is_part_of_the_name() -> None:
    Stored(_twice, "twice", ())(X)
    with jax.default_matmul_precision("highest"), pytest.raises(AssertionError, match="traced"):
        Stored(_never, "twice", ())(X)


def test_a_damaged_record_is_made_anew(folder: Path) -> None:
    Stored(_twice, "twice", ())(X)
    (record,) = _records(folder)
    record.write_bytes(record.read_bytes()[:100])
    np.testing.assert_array_equal(Stored(_twice, "twice", ())(X)["twice"], 2.0 * X)
    np.testing.assert_array_equal(Stored(_never, "twice", ())(X)["twice"], 2.0 * X)


def test_code_that_jax_had_cached_is_compiled_for_the_record() -> None:
    """XLA writes code that it read from a cache without the functions in it."""

    def function():
        return lambda x: jnp.linalg.norm(jnp.sin(x)[:, None] * jnp.cos(x)[None], axis=1)

    before = jax.config.jax_persistent_cache_min_compile_time_secs
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        jax.jit(function())(X)
        sums = function()
        want = np.asarray(jax.jit(sums)(X))  # from JAX's own cache
        Stored(sums, "sums", ())(X)
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", before)
    np.testing.assert_array_equal(Stored(_never, "sums", ())(X), want)
    assert jax.config.jax_enable_compilation_cache


def test_inside_another_trace_it_is_traced(folder: Path) -> None:
    inner = Stored(_twice, "twice", ())
    np.testing.assert_array_equal(jax.jit(lambda x: inner(x)["twice"])(X), 2.0 * X)
    assert not _records(folder)


def test_without_a_folder_it_is_jit(folder: Path) -> None:
    stored.keep_in(None)
    np.testing.assert_array_equal(Stored(_twice, "twice", ())(X)["twice"], 2.0 * X)
    assert not folder.exists()


def test_old_versions_of_the_code_are_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in range(stored._VERSIONS + 3):
        monkeypatch.setattr(stored, "_sources", lambda v=version: f"{v:064d}"[::-1])
        Stored(_twice, "twice", ())(X)
    assert len(list(folder.iterdir())) == stored._VERSIONS


def test_a_hand_is_known_by_its_contents() -> None:
    hand = load_hand("human16")
    same = replace(hand, upper=hand.upper.copy())
    other = replace(hand, upper=hand.upper + 1e-9)
    assert fingerprint(hand) == fingerprint(same) != fingerprint(other)
    with pytest.raises(TypeError, match="function"):
        fingerprint((1, _twice))


def test_a_term_that_is_not_ours_is_never_kept() -> None:
    hand, terms = load_hand("human16"), tuple(TERMS.values())
    assert constants_of(hand, "adam", "xla", terms) is not None
    toy = replace(terms[0], name="toy", skin=_twice)
    assert constants_of(hand, "adam", "xla", (*terms, toy)) is None


def test_kept_kinematics_are_bit_equal() -> None:
    hand = load_hand("human16")
    pose = np.tile(np.array([0.1, 0, 0, 1.0, 0.2, 0, 0], np.float32), (8, 1))
    joints = np.random.default_rng(0).uniform(hand.lower, hand.upper, (8, len(hand.lower)))
    one = _chains.__wrapped__(hand)
    fresh = one(pose, joints.astype(np.float32))
    kept = Stored(_never, "chain", (hand,))(pose, joints.astype(np.float32))
    for a, b in zip(jax.tree.leaves(fresh), jax.tree.leaves(kept), strict=True):
        np.testing.assert_array_equal(a, b)
