"""What a CUDA kernel does in one instruction and plain JAX in several.

Neither JAX nor XLA's Triton compiler contracts a * b + c: without this the kernels issue twice as many
instructions. Outside `fused` every function here is ordinary JAX.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

_FUSED: ContextVar[bool] = ContextVar("fused", default=False)


@contextmanager
def fused() -> Iterator[None]:
    """While a kernel for CUDA is traced, `fma` is one instruction; it has no derivative there."""
    token = _FUSED.set(True)
    try:
        yield
    finally:
        _FUSED.reset(token)


def is_fused() -> bool:
    """Whether a kernel for CUDA is being traced."""
    return _FUSED.get()


def fma(a: Array | float, b: Array | float, c: Array | float) -> Array:
    """a * b + c of float32 arrays of compatible shapes; under `fused` rounded once, scalars apart."""
    if not _FUSED.get() or jnp.broadcast_shapes(*(jnp.shape(x) for x in (a, b, c))) == ():
        return a * b + c  # type: ignore[return-value]
    return _instruction("fma.rn.f32 $0, $1, $2, $3;", a, b, c)


def sine_cosine(angle: Array) -> tuple[Array, Array]:
    """(sin, cos) of radians; under `fused` to 7e-7 for angles of up to pi."""
    if not _FUSED.get():
        return jnp.sin(angle), jnp.cos(angle)
    return _instruction("sin.approx.f32 $0, $1;", angle), _instruction("cos.approx.f32 $0, $1;", angle)


def _instruction(asm: str, *args: Array | float) -> Array:
    from jax.experimental.pallas import triton as plgpu

    shape = jnp.broadcast_shapes(*(jnp.shape(x) for x in args))
    (out,) = plgpu.elementwise_inline_asm(
        asm,
        args=[jnp.broadcast_to(jnp.asarray(x, jnp.float32), shape) for x in args],
        constraints=",".join(["=f"] + ["f"] * len(args)),
        pack=1,
        result_shape_dtypes=[jax.ShapeDtypeStruct(shape, jnp.float32)],
    )
    return out


def cell_below(q: Array, top: Array) -> tuple[Array, Array]:
    """(low, index): the cell that holds q of [0, top], as float and as integer; q - low is in [0, 1].

    Under `fused` by rounding: adding 1.5 * 2^23 leaves the integer in the low bits, which spares two slow
    conversions; a node then belongs to one of its two cells by the parity of its number.
    """
    if not _FUSED.get():
        low = jnp.minimum(jnp.floor(q), top - 1.0)
        return low, low.astype(jnp.int32)
    shifted = jnp.minimum(q - 0.5, top - 1.0) + _ROUND
    return shifted - _ROUND, jax.lax.bitcast_convert_type(shifted, jnp.int32) - _ROUND_BITS


_ROUND, _ROUND_BITS = 12582912.0, 0x4B400000
