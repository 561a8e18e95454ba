"""Simulators behind one interface: a protocol's `Drop` or `Hold` in, a `Rollout` out."""

from __future__ import annotations

import importlib.util
import os
from typing import Protocol, runtime_checkable

from sim_eval.backends.jobs import Drop, Hold, Rollout
from sim_eval.simobject import MJX_TEMPLATE, ConvexParams
from zdg_jax.errors import UserError, one_of

BACKENDS = ("auto", "mjx", "warp", "c")


@runtime_checkable
class Backend(Protocol):
    """A simulator; `convex` is how finely it wants objects cut."""

    convex: ConvexParams

    def drop(self, job: Drop) -> Rollout: ...

    def hold(self, job: Hold) -> tuple[Rollout, ...]: ...


class _C:
    convex = ConvexParams()

    def __init__(self, threads: int | None) -> None:
        self.threads = threads or os.cpu_count() or 1

    def drop(self, job: Drop) -> Rollout:
        from sim_eval.backends import c

        return c.drop(job, self.threads)

    def hold(self, job: Hold) -> tuple[Rollout, ...]:
        from sim_eval.backends import c

        return c.hold(job, self.threads)


class _Mjx:
    convex = MJX_TEMPLATE

    def __init__(self, rows_a_chunk: tuple[int, ...] | None = None) -> None:
        self.rows = rows_a_chunk

    def drop(self, job: Drop) -> Rollout:
        from sim_eval.backends import mjx

        return mjx.drop(job, rows_a_chunk=self.rows)

    def hold(self, job: Hold) -> tuple[Rollout, ...]:
        from sim_eval.backends import mjx

        return mjx.hold(job, rows_a_chunk=self.rows)


class _Warp:
    convex = MJX_TEMPLATE

    def drop(self, job: Drop) -> Rollout:
        from sim_eval.backends import warp

        return warp.drop(job)

    def hold(self, job: Hold) -> tuple[Rollout, ...]:
        from sim_eval.backends import warp

        return warp.hold(job)


def resolve(name: str) -> str:
    """The backend behind "auto": mjx on an accelerator, c on a CPU; other known names stay.

    Raises:
      UserError: unknown name, or warp without CUDA or without its package.
    """
    one_of("backend", name, BACKENDS, "choose one with --backend")
    if name == "auto":
        import jax

        return "c" if jax.default_backend() == "cpu" else "mjx"
    if name == "warp":
        import jax

        if jax.default_backend() not in ("gpu", "cuda"):
            raise UserError(
                "backend warp without a CUDA device", "a CUDA device", "choose --backend mjx or c"
            )
        if importlib.util.find_spec("warp") is None:
            raise UserError(
                "backend warp without the package warp-lang",
                "the extra `warp`",
                "pip install 'zdg-jax[warp]'",
            )
    return name


def backend(name: str, threads: int | None = None, rows_a_chunk: tuple[int, ...] | None = None) -> Backend:
    """A simulator by name.

    Args:
      name: of `BACKENDS`.
      threads: of C MuJoCo; by default one a core. The result doesn't depend on it.
      rows_a_chunk: of MJX, see `sim_eval.backends.mjx.drop`.

    Raises:
      UserError: see `resolve`.
    """
    name = resolve(name)
    return _C(threads) if name == "c" else _Mjx(rows_a_chunk) if name == "mjx" else _Warp()
