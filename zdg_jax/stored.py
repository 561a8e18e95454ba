"""Compiled functions that outlive the process: the next command neither traces, lowers nor compiles them.

JAX's own compilation cache is asked with the lowered program: a second command traces everything again before
it finds the code. What is kept here is found by what the program is made of: our source, the constants it
closes over, the shapes it is called with, versions and machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import pickle
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

_PACKAGES = Path(__file__).parent.parent
#: Versions of our code of which compiled functions are kept.
_VERSIONS = 6
_folder: Path | None = None


def keep_in(folder: Path | None) -> None:
    """Keep compiled functions in this folder from now on; None keeps none.

    Args:
      folder: nobody else's: what lies there is run as it stands.
    """
    global _folder
    _folder = folder


class Stored:
    """A jitted function whose compiled code is kept by name, constants and shapes.

    Inside another trace, with several devices, or where no folder is set, it is `jax.jit(function)`.
    """

    def __init__(self, function: Callable[..., Any], name: str, constants: Sequence[Any] | None) -> None:
        """Args:
        function: pure; what it closes over is in `constants`.
        name: says which function of ours it is.
        constants: dataclasses, arrays, numbers, text and containers of them; None if they can't be told.
        """
        self._function, self._jitted = function, jax.jit(function)
        self._name, self._constants = name, constants
        self._known: dict[Any, Callable[..., Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, *args: Any) -> Any:
        leaves, tree = jax.tree.flatten(args)
        if self._constants is None or _folder is None or not _can_be_kept(leaves):
            return self._jitted(*args)
        shapes = tuple((np.shape(x), str(jax.dtypes.result_type(x)), _weak(x)) for x in leaves)
        key = (tree, shapes, _settings())
        with self._lock:
            if key not in self._known:
                self._known[key] = self._ready(args, f"{tree} {shapes}")
        return self._known[key](*args)

    def _cache_size(self) -> int:
        """How many shapes are compiled: jax.jit's own word for it."""
        return len(self._known) + self._jitted._cache_size()

    def _ready(self, args: tuple[Any, ...], shapes: str) -> Callable[..., Any]:
        assert _folder is not None
        said = (self._name, fingerprint(self._constants), shapes, _settings(), _machine())
        name = f"{self._name}-{hashlib.sha256(repr(said).encode()).hexdigest()[:32]}"
        path = _folder / _sources()[:16] / name
        # a record that can't be read or was cut short is made anew
        with contextlib.suppress(Exception):
            return _load(path.read_bytes(), args)

        def again(
            *given: Any,
        ) -> Any:  # of another name: what this process compiled for the first is not taken
            return self._function(*given)

        with _afresh():
            compiled = jax.jit(again).lower(*args).compile()
        with contextlib.suppress(OSError, NotImplementedError, ValueError):
            _write(path, _record(compiled))
        return compiled


def fingerprint(value: Any) -> str:
    """Hash of a constant's contents.

    Args:
      value: dataclasses, arrays, numbers, text, None and containers of them.
    Raises:
      TypeError: anything else.
    """
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    digest.update(type(value).__name__.encode() + b"\0")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            digest.update(field.name.encode() + b"\0")
            _feed(digest, getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():  # their order is part of what is computed
            _feed(digest, key)
            _feed(digest, item)
    elif isinstance(value, (tuple, list)):
        digest.update(str(len(value)).encode() + b"\0")
        for item in value:
            _feed(digest, item)
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype} {value.shape}".encode() + b"\0" + np.ascontiguousarray(value).tobytes())
    elif value is None or isinstance(value, (str, bytes, bool, int, float, np.generic)):
        digest.update(repr(value).encode() + b"\0")
    else:
        raise TypeError(f"got a constant of type {type(value).__name__}; expected data")


def _can_be_kept(leaves: list[Any]) -> bool:
    if any(isinstance(x, jax.core.Tracer) for x in leaves) or jax.config.jax_disable_jit:
        return False
    return jax.process_count() == 1 and len(jax.local_devices()) == 1


def _weak(x: Any) -> bool:
    return bool(getattr(x, "weak_type", isinstance(x, (bool, int, float))))


def _settings() -> tuple[Any, ...]:
    """What a user may set that changes the program."""
    config = jax.config
    return (
        config.jax_enable_x64, config.jax_default_matmul_precision, config.jax_debug_nans,
        os.environ.get("XLA_FLAGS", ""),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _machine() -> tuple[str, ...]:
    device = jax.local_devices()[0]
    versions = jax.__version__, jax.lib.__version__, device.client.platform_version
    return (*versions, device.platform, device.device_kind)


@lru_cache(maxsize=1)
def _sources() -> str:
    """Hash of all our code: whatever of it a function calls."""
    digest = hashlib.sha256()
    for package in ("zdg_jax", "sim_eval"):
        for path in sorted((_PACKAGES / package).rglob("*.py")):
            digest.update(str(path.relative_to(_PACKAGES)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _afresh() -> Iterator[None]:
    """Without JAX's own cache: code that XLA read from there lacks functions when it is written again."""
    from jax.experimental.compilation_cache import compilation_cache

    before = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


def _record(compiled: Any) -> bytes:
    from jax.experimental.serialize_executable import serialize

    code, _, out = serialize(compiled)
    # a tree definition can't be written; numbers in its shape can
    return pickle.dumps((code, jax.tree.unflatten(out, range(out.num_leaves))))


def _load(record: bytes, args: tuple[Any, ...]) -> Callable[..., Any]:
    from jax.experimental.serialize_executable import deserialize_and_load

    code, out = pickle.loads(record)
    return deserialize_and_load(code, jax.tree.structure((args, {})), jax.tree.structure(out))


def _write(path: Path, record: bytes) -> None:
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        others = sorted(path.parent.parent.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in others[_VERSIONS:]:
            shutil.rmtree(old, ignore_errors=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(record)
        os.replace(temporary, path)  # atomic: readers see the whole record or none
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
