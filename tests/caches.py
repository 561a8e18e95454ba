"""A cache of a test's own that need not build the session's hands and objects anew."""

from __future__ import annotations

import os
from pathlib import Path


def share_cache(folder: Path) -> None:
    """Make `folder` a cache with answers of its own, but with the hands and objects of `ZDG_CACHE_DIR`."""
    folder.mkdir()
    for kind in ("hands", "zoo", "shape", "field", "samples", "convex", "coacd"):
        shared = Path(os.environ["ZDG_CACHE_DIR"]) / kind
        shared.mkdir(exist_ok=True)
        (folder / kind).symlink_to(shared, target_is_directory=True)
