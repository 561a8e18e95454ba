"""Files in a local folder or behind a URI of pyarrow or fsspec; each appears whole or not at all."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from pipelines.dataset import write_atomic
from zdg_jax.errors import UserError


class Folder:
    """One folder: `write`, `read`, `open`, `names`, `delete`. Can be pickled."""

    def __init__(self, uri: str, *, make: bool = True) -> None:
        """Args:
        uri: a path, or s3://, gs://, memory:// ...
        make: create it.

        Raises:
          UserError: no such kind of address, or it can't be made.
        """
        self.uri = uri
        self.local: Path | None = None if "://" in uri else Path(uri).expanduser().resolve()
        self._fs, self._root = _resolve(uri)
        if make:
            try:
                self._fs.create_dir(self._root, recursive=True)
            except OSError as error:
                got = f"output folder {uri} ({_brief(error)})"
                raise UserError(got, "one that can be written", "choose another --out") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return (_again, (self.uri,))

    def write(self, name: str, data: bytes) -> None:
        """The whole file, in place of an older one; a reader sees all of it or nothing."""
        if self.local is not None:
            path = self.local / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
            return
        # An object store shows a file when its upload is complete.
        with self._fs.open_output_stream(self._path(name)) as stream:
            stream.write(data)

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError."""
        with self._fs.open_input_stream(self._path(name)) as stream:
            return stream.read()

    def open(self, name: str) -> pa.NativeFile:
        """For pyarrow's readers. Raises FileNotFoundError."""
        return self._fs.open_input_file(self._path(name))

    def exists(self, name: str) -> bool:
        return self._fs.get_file_info(self._path(name)).type == fs.FileType.File

    def names(self, below: str = "") -> list[str]:
        """Files directly in a folder below this one, sorted; empty if there is no such folder."""
        selector = fs.FileSelector(self._path(below), allow_not_found=True)
        found = [posixpath.basename(info.path) for info in self._fs.get_file_info(selector) if info.is_file]
        return sorted(name for name in found if not name.startswith("."))

    def size(self, below: str = "") -> int:
        """Size of everything in a folder below this one, folders in it included."""
        selector = fs.FileSelector(self._path(below), allow_not_found=True, recursive=True)
        return sum(info.size or 0 for info in self._fs.get_file_info(selector) if info.is_file)

    def delete(self, name: str) -> None:
        self._fs.delete_file(self._path(name))

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name) if name else self._root


def _again(uri: str) -> Folder:
    return Folder(uri, make=False)


def _resolve(uri: str) -> tuple[fs.FileSystem, str]:
    if "://" not in uri:
        return fs.LocalFileSystem(), Path(uri).expanduser().resolve().as_posix()
    try:
        return fs.FileSystem.from_uri(uri)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    except OSError as error:
        raise UserError(f"{uri} ({_brief(error)})", "an address that can be reached", "check it") from None
    import fsspec

    try:
        found, root = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        got, expected = f"{uri} ({_brief(error)})", "a path, or an address of pyarrow or fsspec"
        raise UserError(got, expected, "check it") from None
    return fs.PyFileSystem(fs.FSSpecHandler(found)), root


def _brief(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0][:160]
