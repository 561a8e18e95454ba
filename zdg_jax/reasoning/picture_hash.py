"""What a picture shows, as a short name."""

from __future__ import annotations

import hashlib

from PIL import Image


def image_sha(image: Image.Image) -> str:
    """SHA-256 of size, mode and pixels: the same picture has one name whatever wrote its file."""
    digest = hashlib.sha256(f"{image.mode} {image.width} {image.height} ".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()
