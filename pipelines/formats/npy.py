"""Pickled numpy files of other people, read without running or trusting what they hold.

A pickle may name any function, and numpy's own `__setstate__` takes raw bytes as pointers where a dtype says
so. Hence nothing of numpy is called by the pickle: arrays and dtypes are built as stand-ins of ours, by the
plain Python unpickler, and turned into arrays afterwards, once kind, shape and number of bytes agree.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.lib import format as npy_format

from pipelines.dataset import write_atomic
from zdg_jax.errors import UserError
from zdg_jax.foreign import MIB, read_bytes

MAX_FILE = 1024 * MIB
MAX_NODES = (
    20_000_000  # values in a file; lists that hold each other grow without bound when they are spelt out
)
MAX_DEPTH = 32
_PLAIN = re.compile(r"(b1|[iu][1248]|f[248]|c(8|16)|[SU]\d{1,6})")


class _DType:
    """A dtype that a pickle describes; only its kind, size and byte order are believed."""

    def __init__(self, name: str = "", *_: Any) -> None:
        self.name, self.order = {"?": "b1", "bool": "b1"}.get(str(name), str(name)), "|"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "|"

    def made(self) -> np.dtype | None:
        """The dtype; None for objects."""
        if self.name in ("O", "O8", "object"):
            return None
        if not _PLAIN.fullmatch(self.name):
            raise pickle.UnpicklingError(f"holds numbers of kind {self.name[:20]!r}")
        return np.dtype(self.order + self.name)


class _Array:
    """An array that a pickle describes."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _scalar(dtype: Any, data: Any = b"") -> _Array:
    made = _Array()
    made.state = (1, (), dtype, False, data)
    return made


def _frombuffer(data: Any, dtype: Any, shape: Any, order: str = "C") -> _Array:
    made = _Array()
    made.state = (1, shape, dtype, order == "F", bytes(data))
    return made


def _encode(text: Any, coding: Any = "latin1") -> bytes:
    """Bytes as protocol 2 spells them."""
    if not isinstance(text, str) or coding != "latin1":
        raise pickle.UnpicklingError("holds a strange text")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""  # which protocol 2 spells so


class _Name:
    """The class that `_reconstruct` is given."""


_ALLOWED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode, ("__builtin__", "bytes"): _no_bytes, ("builtins", "bytes"): _no_bytes,
    ("numpy", "ndarray"): _Name, ("numpy", "dtype"): _DType, ("collections", "OrderedDict"): dict,
    ("builtins", "complex"): complex, ("__builtin__", "complex"): complex,
    **{
        (f"{package}.{module}", name): ours
        for package in ("numpy.core", "numpy._core")
        for module, name, ours in (
            ("multiarray", "_reconstruct", _Array), ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
}  # fmt: skip
# No opcode that makes instances, reaches an extension registry or allocates by a number of its own.
_OPCODES = """
PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4
FLOAT BINFLOAT UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 STRING BINSTRING SHORT_BINSTRING BINBYTES
SHORT_BINBYTES BINBYTES8 EMPTY_LIST EMPTY_TUPLE EMPTY_DICT TUPLE TUPLE1 TUPLE2 TUPLE3 LIST DICT APPEND
APPENDS SETITEM SETITEMS GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE
BUILD
""".split()


class _Reader(pickle._Unpickler):  # the C one sizes its memo by a number in the file
    dispatch: ClassVar[Any] = {
        getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in _OPCODES
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"holds {module}.{name}")
        return _ALLOWED[module, name]

    def _build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if type(made) not in (_DType, _Array):
            raise pickle.UnpicklingError(f"sets the state of a {type(made).__name__}")
        made.__setstate__(state)

    def _bytearray(self) -> None:
        (count,) = struct.unpack("<Q", self.read(8))
        if count > MAX_FILE:
            raise pickle.UnpicklingError("holds more bytes than its file")
        self.append(self.read(count))  # protocol 5 spells arrays so

    dispatch[pickle.BUILD[0]] = _build
    dispatch[pickle.BYTEARRAY8[0]] = _bytearray


class _Plain:
    """Turns what the reader built into plain data and arrays, counting as it goes."""

    def __init__(self) -> None:
        self._left = MAX_NODES

    def of(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise pickle.UnpicklingError("is nested without reason")
        if value is None or isinstance(value, str | bytes | bool | int | float | complex):
            return value
        if isinstance(value, dict):
            return {self._key(k): self.of(v, depth + 1) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.of(each, depth + 1) for each in value)
        if isinstance(value, _Array) and isinstance(value.state, tuple) and len(value.state) == 5:
            return self._array(*value.state[1:], depth)
        raise pickle.UnpicklingError(f"holds a {type(value).__name__.strip('_')}")

    def _key(self, key: Any) -> Any:
        if not isinstance(key, str | bytes | int | float):
            raise pickle.UnpicklingError(f"has a {type(key).__name__} as key")
        return key

    def _array(self, shape: Any, dtype: Any, fortran: Any, data: Any, depth: int) -> Any:
        if not isinstance(dtype, _DType) or not _is_shape(shape):
            raise pickle.UnpicklingError("holds a broken array")
        kind, order, count = dtype.made(), "F" if fortran else "C", math.prod(shape)
        if kind is None:
            if not isinstance(data, list) or len(data) != count:
                raise pickle.UnpicklingError("holds a broken array of objects")
            made = np.empty(count, object)
            for i, each in enumerate(data):
                made[i] = self.of(each, depth + 1)
            return made.reshape(shape, order=order)
        if not isinstance(data, bytes) or len(data) != count * kind.itemsize:
            raise pickle.UnpicklingError("holds an array of another size than its own")
        made = np.frombuffer(data, kind).reshape(shape, order=order)
        return made[()] if shape == () else made.copy()


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, tuple)
        and len(shape) <= MAX_DEPTH
        and all(type(n) is int and 0 <= n <= MAX_FILE for n in shape)
    )


def load_npy(path: Path) -> Any:
    """The array of a .npy file; of objects a list of them, or the only one. Builds plain data and numpy only.

    Raises:
      UserError: no .npy file, or one that holds other classes (torch tensors, for example).
    """
    data = read_bytes(path, MAX_FILE)
    try:
        return _parsed(data)
    except Exception as error:  # whatever is wrong with the file
        said = " ".join(str(error).split())[:100] or type(error).__name__
        raise UserError(
            f"{path}, unreadable ({said})",
            "a .npy file of dicts, lists and numpy arrays",
            "save it again with plain numpy arrays",
        ) from error


def _parsed(data: bytes) -> Any:
    file = io.BytesIO(data)
    major, _ = npy_format.read_magic(file)
    read = npy_format.read_array_header_1_0 if major == 1 else npy_format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    rest = data[file.tell() :]
    if not _is_shape(shape):
        raise ValueError(f"shape {str(shape)[:60]}")
    if not dtype.hasobject:
        if math.prod(shape) * dtype.itemsize != len(rest):
            raise ValueError(f"{len(rest)} bytes for shape {shape}")
        return np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C").copy()
    found = _Plain().of(_Reader(io.BytesIO(rest)).load())
    if not isinstance(found, np.ndarray):  # numpy pickles the array itself
        raise pickle.UnpicklingError("holds no array")
    if found.shape != shape:
        raise ValueError(f"an array of shape {found.shape} for shape {shape}")
    return found.item() if shape == () else list(found)


def unique(name: str, taken: set[str]) -> str:
    """The name, with a number behind it if it is taken; case apart, since some file systems see none.

    Args:
      name: of a file.
      taken: names so far, lower case; the result is added.
    """
    found, number = name, 1
    while found.lower() in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found.lower())
    return found


def write_npy(path: Path, array: np.ndarray) -> None:
    """A whole .npy file, of objects too."""
    data = io.BytesIO()
    np.save(data, array, allow_pickle=True)
    write_atomic(path, data.getvalue())
