"""Where downloaded, decomposed and compiled things are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir(*parts: str) -> Path:
    """A folder under `ZDG_CACHE_DIR`, or else under the user's cache folder; it exists on return.

    Args:
      parts: folder names below the root, e.g. `cache_dir("coacd")`.
    Returns: the folder.
    Raises: OSError if it can't be made.
    """
    root = os.environ.get("ZDG_CACHE_DIR") or platformdirs.user_cache_dir("zdg-jax", appauthor=False)
    path = Path(root).expanduser().joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
