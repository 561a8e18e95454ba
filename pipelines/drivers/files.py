"""Files in a local folder or behind a URI of pyarrow or fsspec; each appears whole or not at all."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from pipelines.dataset import TEMPORARY, write_atomic, write_new
from pipelines.lock import LOCK, claimed, locked
from zdg_jax.errors import MachineError, UserError, machine_error


class Folder:
    """One folder: `write`, `read`, `open`, `names`, `delete`. Can be pickled."""

    def __init__(self, uri: str, *, make: bool = True) -> None:
        """Args:
        uri: a path, or s3://, gs://, memory:// ...
        make: create it.

        Raises:
          UserError: no such kind of address, or it can't be made.
        """
        if not uri.strip():
            raise UserError("an empty folder name", "a folder, s3://... or gs://...", "name one")
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
        """The whole file, in place of an older one; a reader sees all of it or nothing.

        Raises:
          MachineError: the disk, the network or a permission.
        """
        self._store(name, data, write_atomic)

    def create(self, name: str, data: bytes) -> None:
        """`write` of a file that must not be there yet.

        Raises:
          FileExistsError: it is.
          MachineError: as for `write`.
        """
        if self.local is None and self.exists(name):
            raise FileExistsError(f"{self.uri}/{name}")
        self._store(name, data, write_new)

    def _store(self, name: str, data: bytes, local_write: Callable[[Path, bytes], Path]) -> None:
        where = f"{self.uri}/{name}"
        try:
            if self.local is not None:
                path = self.local / name
                path.parent.mkdir(parents=True, exist_ok=True)
                local_write(path, data)
                return
            # An object store shows a file when its upload is complete.
            with self._fs.open_output_stream(self._path(name)) as stream:
                stream.write(data)
        except FileExistsError:
            raise
        except OSError as error:
            # What a bucket says is the network's fault or its own; a local folder says which by number.
            bucket = MachineError(f"{where} ({_brief(error)})", "a place that can be written", "mend that")
            raise machine_error(error, where) or bucket from error

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

    def move(self, name: str, to: str) -> None:
        """Within this folder; what lies there is replaced."""
        self._fs.create_dir(posixpath.dirname(self._path(to)), recursive=True)
        self._fs.move(self._path(name), self._path(to))

    def sweep(self, below: str = "") -> None:
        """Delete half-written files that a kill left directly in a folder below this one."""
        if self.local is not None:
            for path in (self.local / below).glob("*".join(TEMPORARY)):
                path.unlink(missing_ok=True)

    def lock(self, command: str) -> AbstractContextManager[Any]:
        """Hold it against other writers: see `pipelines.lock`."""
        if self.local is not None:
            return locked(self.local, command=command)
        return claimed(_LockRecord(self), self.uri, command=command)

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name) if name else self._root


def shard_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def shards(folder: Folder, below: str) -> list[str]:
    """Our files in `tasks/` or `grasps/`, in order; what else lies there is somebody's own."""
    return [name for name in folder.names(below) if re.fullmatch(r"part-\d{5,}\.parquet", name)]


class _LockRecord:
    """See `lock.claimed`, which looks twice: a bucket knows no exclusive creation."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def read(self) -> bytes | None:
        try:
            return self._folder.read(LOCK)
        except FileNotFoundError:
            return None

    def create(self, data: bytes) -> None:
        self._folder.create(LOCK, data)

    def replace(self, data: bytes) -> None:
        self._folder.write(LOCK, data)

    def delete(self) -> None:
        self._folder.delete(LOCK)


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
