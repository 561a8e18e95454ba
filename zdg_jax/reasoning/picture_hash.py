"""What a picture shows, as a short name; and pictures as they travel."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from PIL import Image

_MOST_KNOWN = 64


@dataclass(frozen=True)
class EncodedPicture:
    """A picture on its way to the process that sends it out.

    Attributes:
      sha: of its pixels, see `image_sha`.
      png: the file.
    """

    sha: str
    png: bytes = field(repr=False)


def image_sha(image: Image.Image | EncodedPicture) -> str:
    """SHA-256 of size, mode and pixels: the same picture has one name whatever wrote its file."""
    if isinstance(image, EncodedPicture):
        return image.sha
    with _lock:
        known = _known.get(id(image))
    if known is not None and known[0] is image:
        return known[1]
    digest = hashlib.sha256(f"{image.mode} {image.width} {image.height} ".encode())
    digest.update(image.tobytes())
    with _lock:
        while len(_known) >= _MOST_KNOWN:
            _known.popitem(last=False)
        _known[id(image)] = (image, digest.hexdigest())
    return digest.hexdigest()


# A picture of a question is named three times on its way, and none is drawn upon once it is shown. Holding
# the picture keeps its id its own.
_lock = threading.Lock()
_known: OrderedDict[int, tuple[Image.Image, str]] = OrderedDict()
