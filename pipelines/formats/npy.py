"""Pickled numpy files of other people, read without running what they may hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from zdg_jax.errors import UserError

# all that numpy needs to rebuild arrays, scalars and dtypes; a pickle may name any function otherwise
_ALLOWED = {
    (module, name)
    for package in ("numpy.core", "numpy._core")
    for module, names in (
        (f"{package}.multiarray", ("_reconstruct", "scalar")),
        (f"{package}.numeric", ("_frombuffer",)),
    )
    for name in names
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("collections", "OrderedDict"), ("builtins", "complex")}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"holds {module}.{name}")
        return super().find_class(module, name)


def load_npy(path: Path) -> Any:
    """The array of a .npy file; of objects a list of them, or the only one. Builds plain data and numpy only.

    Raises:
      UserError: no .npy file, or one that holds other classes (torch tensors, for example).
    """
    try:
        with path.open("rb") as file:
            major, _ = npy_format.read_magic(file)
            read = npy_format.read_array_header_1_0 if major == 1 else npy_format.read_array_header_2_0
            shape, _, dtype = read(file)
            if not dtype.hasobject:
                file.seek(0)
                return np.load(file, allow_pickle=False)
            array = np.asarray(_Reader(file).load(), dtype=object).reshape(shape)
    except OSError as error:
        raise UserError(f"{path} ({error.strerror})", "a .npy file", "check the path") from error
    except (ValueError, EOFError, pickle.UnpicklingError, AttributeError, ImportError) as error:
        raise UserError(
            f"{path}, unreadable ({' '.join(str(error).split())[:100]})",
            "a .npy file of dicts, lists and numpy arrays",
            "save it again with plain numpy arrays",
        ) from error
    return array.item() if array.shape == () else list(array)
