"""Wall time that never jumps within a process."""

from __future__ import annotations

import time

_SHIFT = time.time() - time.monotonic()


def now() -> float:
    """Seconds since 1970 by the clock as it stood when the process began.

    A system clock that is set meanwhile changes no duration and no order in the log.
    """
    return _SHIFT + time.monotonic()
