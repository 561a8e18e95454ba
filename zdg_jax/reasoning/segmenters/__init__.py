"""Parts from a picture, as the paper has them (III-A); the geometric parts need nothing of this."""

from __future__ import annotations
