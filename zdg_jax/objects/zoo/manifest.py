"""The manifest: what each object's mesh and labels hash to. `python -m zdg_jax.objects.zoo.manifest`."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from zdg_jax.objects.zoo.build import zoo_names, zoo_object

VERSION = "4"
FILE = Path(__file__).with_name("manifest.json")


def manifest() -> dict[str, Any]:
    """Version, the booleans' library, one hash for the whole zoo and one for each object.

    Vertices lie on a grid of 1e-6 m, so that the last bits of a platform's sines do not matter; another
    version of manifold3d may still cut the same surface into other triangles.
    """
    objects = {name: zoo_object(name).sha256 for name in zoo_names()}
    whole = hashlib.sha256("".join(f"{k} {v}\n" for k, v in objects.items()).encode()).hexdigest()
    return {
        "version": VERSION,
        "manifold3d": metadata.version("manifold3d"),
        "sha256": whole,
        "objects": objects,
    }


def stored_manifest() -> dict[str, Any]:
    """The manifest as committed."""
    return json.loads(FILE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    text = json.dumps(manifest(), indent=1) + "\n"
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
