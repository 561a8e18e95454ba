"""The GPU kernels, step by step on the CPU, against plain XLA; and that they lower for CUDA at all."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.refine.things import grasp_on, shape
from zdg_jax.hands import load_hand
from zdg_jax.refine import TERMS, RefineConfig, Term, register
from zdg_jax.refine.batching import stack
from zdg_jax.refine.energies import unregister
from zdg_jax.refine.gpu import energy_kernel as kernel
from zdg_jax.refine.gpu.adam_kernel import advance_adam
from zdg_jax.refine.gpu.layout import TILE, kernel_layout
from zdg_jax.refine.optimize import Schedule, State, compiled, gradients, measured
from zdg_jax.refine.problem import build_problem
from zdg_jax.refine.starts import jittered
from zdg_jax.refine.variables import Variables, to_field, to_pose, to_variables

SCHEDULE = Schedule(jnp.asarray(9), jnp.float32(0.005), jnp.float32(0.98), jnp.asarray(10))


def _batch(name: str, seeds: int):
    """Two tasks, on a rod and on a plate, and starts around their grasps, some of them deep in the object."""
    hand, config = load_hand(name), RefineConfig()
    problems, poses, joints = [], [], []
    for seed, obj in enumerate((shape("rod"), shape("plate"))):
        grasp = grasp_on(obj)
        problems.append(build_problem(hand, obj, grasp, config))
        assert grasp.initial is not None
        pose, q = jittered(hand, grasp.initial, seeds, 2 + seed, config)  # none at a kink of a term
        pose[1, 1] -= 0.02
        poses.append(to_field(obj.field.R_field_obj, pose))
        joints.append(q)
    tables, targets = stack(problems, 2)
    v = jax.vmap(jax.vmap(to_variables))(*(jnp.asarray(np.stack(x), jnp.float32) for x in (poses, joints)))
    v = v._replace(rotation=v.rotation * jnp.where(v.rotation[..., :1] < 0, -1.0, 1.0))
    return hand, tables, targets, v


@pytest.fixture
def toys() -> Iterator[None]:
    """One more term in each group: the kernel names none."""
    relu = jax.nn.relu
    more = (
        Term("a", "", 3.0, skin=lambda at: jnp.sum(at.mask * at.prior * jnp.exp(-jnp.abs(at.phi) / 0.01))),
        Term("b", "", 3e3, spheres=lambda at: jnp.sum(relu(at.min_distance - at.gap) ** 2)),
        Term("c", "", 3e3, samples=lambda at: jnp.sum(at.weight * relu(-at.psi) ** 2)),
        Term("d", "", 30.0, fingertips=lambda at: jnp.sum(at.mask * at.phi**2)),
        Term("e", "", 3.0, joints=lambda at: jnp.sum(at.mask * at.angle**2)),
    )
    for term in more:
        register(term)
    yield
    for term in more:
        unregister(term.name)


@pytest.mark.slow
@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("name", ["human16", "shadow"])
def test_gradients_and_energies_equal_those_of_xla(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hand, tables, targets, v = _batch(name, 2)
    measure_kernel, once = kernel.measure_kernel, []

    def interpreted(*args) -> kernel.Measured:
        if not once:  # interpreted it takes long to compile: energies and gradients share one
            once.append(measure_kernel(*args, interpret=True))
        return once[0]

    monkeypatch.setattr(kernel, "measure_kernel", interpreted)
    one = targets._replace(object_samples=targets.object_samples[:, 3:4])
    each = {
        path: jax.jit(
            lambda path=path: (
                *gradients(hand, tables, one, v, jnp.asarray(0), path),
                measured(hand, tables, one, State(v, None), path)[2],
            )
        )()
        for path in ("xla", "kernel")
    }
    pen = list(TERMS).index("pen")
    assert (np.asarray(each["xla"][-1])[..., pen] > 0).any()  # something penetrates: every part is at work
    for a, b in zip(each["xla"], each["kernel"], strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert np.linalg.norm(a - b) < 1e-5 * np.linalg.norm(a)


@pytest.mark.slow
def test_the_loop_in_kernels_takes_the_same_steps_as_optax() -> None:
    hand, tables, targets, v = _batch("human16", 16)
    start, advance = compiled(hand, "adam", "xla")
    pose = jax.vmap(jax.vmap(to_pose))(v)
    first, last = jnp.asarray(0), jnp.asarray(4)
    want = advance(tables, targets, SCHEDULE, start(pose, v.joints), first, last)
    zero = jax.tree.map(jnp.zeros_like, v)
    run = jax.jit(lambda *a: advance_adam(hand, *a, interpret=True))
    # one start is broken: it stays so, and its neighbours do not notice
    broken = v._replace(position=v.position.at[1, 5, 0].set(jnp.nan))
    got, moments = run(tables, targets, SCHEDULE, broken, (zero, zero), first, last)
    others = np.ones((2, 16), bool)
    others[1, 5] = False
    for a, b, name in zip(want.variables, got, Variables._fields, strict=True):
        np.testing.assert_allclose(np.asarray(a)[others], np.asarray(b)[others], atol=2e-5, err_msg=name)
    assert not np.isfinite(np.asarray(got.position)[1, 5]).any()
    np.testing.assert_allclose(
        np.asarray(want.memory.mu.joints)[others], np.asarray(moments[0].joints)[others], rtol=2e-3, atol=1e-4
    )


@pytest.mark.slow
def test_the_steps_lower_for_cuda_without_a_gpu() -> None:
    hand, tables, targets, v = _batch("human16", 16)
    zero = jax.tree.map(jnp.zeros_like, v)
    args = (tables, targets, SCHEDULE, v, (zero, zero), jnp.asarray(0), jnp.asarray(4))
    lowered = jax.jit(lambda *a: advance_adam(hand, *a)).trace(*args).lower(lowering_platforms=("cuda",))
    text = lowered.as_text()
    assert text.count("xla.gpu.triton") == 1
    assert "fma.rn.f32" in text


@pytest.mark.parametrize("name", ["human16", pytest.param("shadow", marks=pytest.mark.slow)])
def test_layout_deals_every_vertex_once_and_keeps_links_in_place(name: str) -> None:
    hand = load_hand(name)
    body = kernel_layout(hand)
    real = body.mask > 0
    np.testing.assert_array_equal(np.sort(body.order[real]), np.arange(len(hand.skin_link)))
    link, real = hand.skin_link[body.order].reshape(-1, TILE), real.reshape(-1, TILE)
    for (first, last), frame in zip(body.tiles, body.skin_frame, strict=True):
        at = np.broadcast_to(frame, (last - first, TILE))
        np.testing.assert_array_equal(link[first:last][real[first:last]], at[real[first:last]])
    assert body.tiles[-1, 1] == len(link)
    assert real.mean() > 0.9
