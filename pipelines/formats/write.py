"""Writing files whose names come out of data."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from pipelines.dataset import write_atomic


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
