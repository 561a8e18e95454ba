"""brax's Transform and quaternion maths, imported without the lines that MJX prints at import."""

from __future__ import annotations

import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    from brax import math
    from brax.base import Transform

__all__ = ["Transform", "math"]
