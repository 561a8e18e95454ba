"""Expensive arrays on disk, keyed by content and code."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs

_log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Folder of the cache: $ZDG_CACHE_DIR, else the user's cache folder."""
    root = os.environ.get("ZDG_CACHE_DIR")
    return Path(root) if root else Path(platformdirs.user_cache_dir("zdg-jax"))


def cached_arrays(kind: str, key: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the stored arrays for (kind, key, this package's code), computing them once.

    Args:
      kind: names the subfolder.
      key: everything that the result depends on besides the code.
      compute: makes the arrays.

    Returns:
      The arrays by name; an unreadable record is computed anew. A folder that can't be written
      costs time, not the result: it is logged.
    """
    digest = hashlib.sha256(f"{code_version()}\n{key}".encode()).hexdigest()[:32]
    path = cache_dir() / kind / f"{digest}.npz"
    unreadable = (FileNotFoundError, zipfile.BadZipFile, ValueError, EOFError, KeyError)
    with contextlib.suppress(*unreadable), np.load(path, allow_pickle=False) as record:
        return {name: record[name] for name in record.files}
    arrays = compute()
    try:
        _store(path, arrays)
    except OSError as error:
        _log.warning("cache not written (%s): results will be computed again", error)
    return arrays


@functools.cache
def code_version() -> str:
    """Hash of this package's sources: a changed algorithm never reads an old result."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _store(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)  # atomic: readers see the whole record or none
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
