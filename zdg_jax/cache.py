"""Where decomposed, sampled and compiled things are kept between runs."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import platformdirs

_log = logging.getLogger(__name__)


def cache_dir(*parts: str) -> Path:
    """A folder under `ZDG_CACHE_DIR`, or else under the user's cache folder; it exists on return.

    What is made here is readable by its owner only.

    Args:
      parts: folder names below the root, e.g. `cache_dir("xla")`.

    Returns:
      The folder.

    Raises:
      OSError: it can't be made.
    """
    root = os.environ.get("ZDG_CACHE_DIR") or platformdirs.user_cache_dir("zdg-jax", appauthor=False)
    path = Path(root).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    for part in ("", *parts):
        # The user's alone: paid answers, and compiled code that is run as it stands.
        path = path / part
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def cached_arrays(
    kind: str, key: str, compute: Callable[[], dict[str, np.ndarray]], sources: Sequence[Path]
) -> dict[str, np.ndarray]:
    """Return the stored arrays for (kind, key, code), computing them once.

    Args:
      kind: names the subfolder.
      key: everything that the result depends on besides the code.
      compute: makes the arrays.
      sources: the files whose code makes them: a changed algorithm never reads an old result.

    Returns:
      The arrays by name; an unreadable record is computed anew. A folder that can't be written
      costs time, not the result: it is logged once.
    """
    digest = hashlib.sha256(f"{_code_version(tuple(sources))}\n{key}".encode()).hexdigest()[:32]
    unreadable = (OSError, zipfile.BadZipFile, ValueError, EOFError, KeyError)
    with contextlib.suppress(*unreadable), np.load(cache_dir(kind) / f"{digest}.npz") as record:
        return {name: record[name] for name in record.files}
    arrays = compute()
    try:
        _store(cache_dir(kind) / f"{digest}.npz", arrays)
    except OSError as error:
        _say_once(error.strerror or type(error).__name__)
    return arrays


@lru_cache(maxsize=8)
def _say_once(reason: str) -> None:
    _log.warning(
        "cache not written (%s): the next run computes again; ZDG_CACHE_DIR names another folder", reason
    )


@lru_cache(maxsize=16)
def _code_version(sources: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _store(path: Path, arrays: dict[str, np.ndarray]) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)  # atomic: readers see the whole record or none
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
