"""Many tasks at once: the same rows as one by one, whatever their neighbours, batches and number."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from tests.refine.things import SHORT, STARTS, grasp_on, shape, six_tasks
from zdg_jax.grasps import Grasps
from zdg_jax.guidance import ContactGuidance
from zdg_jax.hands import load_hand
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine import TERMS, RefineConfig, Task, batching, refine_many
from zdg_jax.refine.driver import functions
from zdg_jax.refine.optimize import compiled

HAND = load_hand("human16")
FEW = replace(SHORT, steps=8)


@cache
def good() -> tuple[Grasps, ...]:
    """The six tasks in one call, as every test here compares with."""
    return tuple(refine_many(HAND, six_tasks(), config=SHORT))


def numbers(out: Grasps) -> np.ndarray:
    """All that refinement computed, one row a start."""
    single = [*(out[f"energy.{t}"] for t in TERMS), *(out[f"init_energy.{t}"] for t in TERMS)]
    single += [out["energy_total"], out["init_energy_total"], out["score"], out["pose_deviation"]]
    return np.concatenate([out.hand_pose, out.joints, np.stack(single, axis=1)], axis=1)


def assert_alike(a: Grasps, b: Grasps) -> None:
    """To 1e-5 after FEW steps: XLA sums another shape in another order, and Adam's steps carry that on."""
    np.testing.assert_allclose(numbers(a), numbers(b), rtol=1e-4, atol=1e-5)
    assert a.status.tolist() == b.status.tolist()


@pytest.mark.slow
def test_a_batch_is_its_tasks_one_by_one() -> None:
    for task, together in zip(six_tasks(), refine_many(HAND, six_tasks(), config=FEW), strict=True):
        (alone,) = refine_many(HAND, [task], config=FEW)
        assert alone.ok.all()
        assert_alike(alone, together)


def test_rows_do_not_know_their_place() -> None:
    """Bit for bit: another order, and fewer tasks in the same shape."""
    tasks = six_tasks()
    back = refine_many(HAND, tasks[::-1], config=SHORT)[::-1]
    five = refine_many(HAND, tasks[:5], config=SHORT)
    for want, *others in zip(good(), back, [*five, good()[5]], strict=True):
        for got in others:
            np.testing.assert_array_equal(numbers(got), numbers(want))


@pytest.mark.slow
def test_batches_with_a_remainder_are_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """18 starts: five slots of four at once, the last half empty; or five batches of one slot."""
    monkeypatch.setattr(batching, "MAX_STARTS", STARTS)
    task = Task(shape("rod"), grasp_on(shape("rod")), 18, 1)
    (at_once,) = refine_many(HAND, [task], config=FEW)
    assert at_once.hand_pose.shape == (18, 7)
    monkeypatch.setattr(batching, "rows_that_fit", lambda device: STARTS)
    seen: list[tuple[int, int]] = []
    (batched,) = refine_many(HAND, [task], config=FEW, on_batch=lambda *x: seen.append(x))
    assert_alike(batched, at_once)
    assert seen == [(4, 18), (8, 18), (12, 18), (16, 18), (18, 18)]
    # each row is its own start's, not a neighbour's
    assert len(np.unique(batched.hand_pose[:, 0])) == 18


def test_tasks_of_different_numbers_share_a_batch() -> None:
    tasks = [replace(task, num=1 + n % STARTS) for n, task in enumerate(six_tasks())]
    for task, out, full in zip(tasks, refine_many(HAND, tasks, config=SHORT), good(), strict=True):
        assert len(out) == task.num
        if task.num == STARTS:  # fewer starts draw other random numbers, all but the first
            np.testing.assert_array_equal(numbers(out), numbers(full))
        np.testing.assert_array_equal(numbers(out)[0], numbers(full)[0])


def test_nothing_recompiles_for_new_objects_tasks_weights_seeds_and_numbers() -> None:
    good()
    advance = compiled(HAND, "adam", "xla")[1]
    do = functions(HAND, "adam", "xla", (jax.local_devices()[0],))
    assert do.advance is advance
    before = [f._cache_size() for f in do]
    box, plate = shape("box"), shape("plate")
    refine_many(HAND, [Task(plate, grasp_on(plate, 0.02), STARTS, 9)] * 8, config=SHORT)
    weights = dict.fromkeys(TERMS, 2.0)
    other = RefineConfig(weights=weights, steps=3, learning_rate=0.01, decay_every=2, skin_tolerance=0.001)
    refine_many(
        HAND, [Task(box, grasp_on(box, z), STARTS, 3) for z in (0.0, 0.01, 0.02, 0.03, 0.04)], config=other
    )
    assert [f._cache_size() for f in do] == before


def _bad_tasks() -> dict[str, Task]:
    """Status -> a task that ends with it."""
    box = shape("box")
    grasp = grasp_on(box)
    none = np.zeros(len(box.samples.points), dtype=bool)
    small: ObjectModel = replace(box, field=shape("rod").field)
    large = replace(box, field=replace(box.field, rows=np.zeros((4_000_001, 4), np.uint32)))
    return {
        "empty_region": Task(
            box, replace(grasp, guidance=ContactGuidance(none, ~none, None, (1,), (1,))), STARTS, 0
        ),
        "not_reasoned": Task(
            box, replace(grasp, status="refused", guidance=None, initial=None), STARTS, 0
        ),
        "field_edge": Task(small, grasp, STARTS, 0),
        "field_size": Task(large, grasp, STARTS, 0),
    }  # fmt: skip


@pytest.mark.parametrize("status", _bad_tasks())
def test_a_bad_task_is_named_and_leaves_the_others_bit_identical(status: str) -> None:
    tasks = six_tasks()
    tasks[2] = _bad_tasks()[status]
    out = refine_many(HAND, tasks, config=SHORT)
    assert out[2].status_name.tolist() == [status] * STARTS
    assert all(reason.startswith("got ") for reason in out[2].status_reason)
    assert np.isnan(numbers(out[2])).all()
    assert np.isnan(out[2]["score"]).all()
    assert np.isnan(out[2]["init_pose"]).all() == (status == "not_reasoned")
    for k in (0, 1, 3, 4, 5):
        np.testing.assert_array_equal(numbers(out[k]), numbers(good()[k]))
        assert out[k].status_name.tolist() == ["ok"] * STARTS
    (alone,) = refine_many(HAND, [tasks[2]], config=SHORT)
    assert alone.status_name.tolist() == [status] * STARTS


def test_bad_starts_are_named_and_leave_the_others_bit_identical() -> None:
    tasks, want = six_tasks(), good()[3]
    pose, joints = want["init_pose"].copy(), want["init_joints"].copy()
    pose[0, 1] = np.nan
    joints[1, 2] = np.inf
    pose[2, 3:] = 0.0  # no rotation: its unit quaternion is 0 / 0
    tasks[3] = Task(tasks[3].obj, tasks[3].grasp, starts=(pose, joints))
    out = refine_many(HAND, tasks, config=SHORT)
    assert out[3].status_name.tolist() == ["nan_start", "nan_start", "refine_nan", "ok"]
    assert [bool(r) for r in out[3].status_reason] == [True, True, True, False]
    assert np.isnan(numbers(out[3])[:2]).all()
    np.testing.assert_array_equal(numbers(out[3])[3], numbers(want)[3])
    np.testing.assert_array_equal(out[3]["init_pose"], pose)
    assert out[3].order()[0] == 3
    for k in (0, 1, 2, 4, 5):
        np.testing.assert_array_equal(numbers(out[k]), numbers(good()[k]))


def test_a_hand_that_never_reached_the_object_is_named() -> None:
    tasks, want = six_tasks(), good()[3]
    pose = want["init_pose"].copy()
    pose[1, 0] += 5.0
    pose[2] = [1e30, 0, 0, 1, 0, 0, 0]
    tasks[3] = Task(tasks[3].obj, tasks[3].grasp, starts=(pose, want["init_joints"]))
    out = refine_many(HAND, tasks, config=SHORT)[3]
    assert out.status_name[1] == "outside_field"
    assert out.status_name[2] in ("outside_field", "refine_nan")
    assert np.isfinite(out.hand_pose[1]).all()
    np.testing.assert_array_equal(numbers(out)[[0, 3]], numbers(want)[[0, 3]])


def test_nothing_to_do() -> None:
    assert refine_many(HAND, []) == []


def test_early_stopping_keeps_the_best_and_marks_the_rest() -> None:
    stop = replace(SHORT, early_stop=((10, 0.5),))
    halfway = refine_many(HAND, six_tasks(), config=replace(SHORT, steps=10))
    out = refine_many(HAND, six_tasks(), config=stop)
    for got, half, full in zip(out, halfway, good(), strict=True):
        order = np.argsort(half["energy_total"])
        best, rest = np.sort(order[:2]), order[2:]
        assert {str(got.status_name[i]) for i in best} == {"ok"}
        assert {str(got.status_name[i]) for i in rest} == {"stopped"}
        np.testing.assert_array_equal(numbers(got)[rest], numbers(half)[rest])  # as they were then
        np.testing.assert_array_equal(numbers(got)[best], numbers(full)[best])  # as if alone
        assert set(got.order()[:2]) == set(best)
        assert np.isfinite(got["score"]).all()


def test_at_least_one_start_goes_on_through_every_stage() -> None:
    stop = replace(SHORT, early_stop=((5, 0.5), (10, 0.01)))
    for got in refine_many(HAND, six_tasks(), config=stop):
        assert sorted(got.status_name.tolist()) == ["ok", "stopped", "stopped", "stopped"]
