"""One writer for each output folder: two at once would destroy each other's files without a word."""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zdg_jax.errors import MachineError, UserError, machine_error

LOCK = ".zdg.lock"
BEAT_S = 30.0  # how often a holder says that it lives, where no system call tells
DEAD_S = 600.0  # a holder on another machine that has said nothing for so long is dead
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


@contextmanager
def locked(folder: Path, *, command: str = "zdg") -> Iterator[None]:
    """Hold a local folder against other writers; the lock of a process that died is taken over.

    The system's own lock (flock) ends with the process that holds it, so a killed one leaves nothing behind;
    the file says who holds it (host, pid, since when). File systems without such locks get a file that is
    created exclusively, and whose holder is asked for by pid, or by age if it is on another machine.

    Args:
      folder: exists.
      command: what to call the holder.

    Raises:
      UserError: another process writes there.
      MachineError: the folder can't be written.
    """
    path = folder / LOCK
    try:
        handle = _flocked(path)
    except OSError as error:
        raise machine_error(error, str(folder)) or _unwritable(folder, error) from error
    if handle is None:
        with claimed(_LocalRecord(path), str(folder), command=command):
            yield
        return
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, _record(command), 0)
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: whoever waits for this very file looks again
        os.close(handle)


def _unwritable(folder: Path, error: OSError) -> MachineError:
    return MachineError(f"{folder} ({error})", "a folder that can be written", "choose another --out")


def _flocked(path: Path) -> int | None:
    """A handle with the lock; None where there are no such locks."""
    import fcntl

    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.fstat(handle).st_ino == path.stat().st_ino:
                    return handle
            os.close(handle)  # its last holder has just removed it
        except BlockingIOError:
            held = os.pread(handle, 4096, 0)
            os.close(handle)
            raise _taken(str(path.parent), _parsed(held)) from None
        except OSError as error:
            os.close(handle)
            if error.errno in _NO_LOCKS:
                path.unlink(missing_ok=True)
                return None
            raise


class _LocalRecord:
    """The record of `claimed` in a local file."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".json")

    def read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def create(self, data: bytes) -> None:
        """Raises FileExistsError."""
        with self._path.open("xb") as file:
            file.write(data)

    def replace(self, data: bytes) -> None:
        self._path.write_bytes(data)

    def delete(self) -> None:
        self._path.unlink(missing_ok=True)


@contextmanager
def claimed(record: Any, where: str, *, command: str = "zdg") -> Iterator[Claim]:
    """Hold a place without system locks, such as a bucket, by a record that is renewed while it is held.

    Args:
      record: `read() -> bytes | None`, `create(bytes)` that raises FileExistsError, `replace(bytes)`,
        `delete()`.
      where: for messages.
      command: what to call the holder.

    Raises:
      UserError: another process writes there.
    """
    token = secrets.token_hex(8)
    mine = _record(command, token)
    found = _parsed(record.read() or b"")
    if found and _alive(found):
        raise _taken(where, found)
    if found:  # a dead one's
        record.delete()
    try:
        record.create(mine)
    except FileExistsError:
        raise _taken(where, _parsed(record.read() or b"")) from None
    claim = Claim(record, where, command, token)
    claim.check()  # a bucket may have let two of us through
    claim.start()
    try:
        yield claim
    finally:
        claim.end()


class Claim:
    """A held record; a thread renews it."""

    def __init__(self, record: Any, where: str, command: str, token: str) -> None:
        self._record, self._where, self._command, self._token = record, where, command, token
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)

    def start(self) -> None:
        self._beating.start()

    def check(self) -> None:
        """Raises UserError if somebody else has taken the place."""
        found = _parsed(self._record.read() or b"")
        if found.get("token") != self._token:
            raise _taken(self._where, found)

    def end(self) -> None:
        self._over.set()
        self._beating.join()
        with suppress(UserError, OSError):
            self.check()
            self._record.delete()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            with suppress(UserError, OSError):  # a network that is gone is found out by whoever writes
                self.check()
                self._record.replace(_record(self._command, self._token))


def _record(command: str, token: str = "") -> bytes:
    held = {"host": socket.gethostname(), "pid": os.getpid(), "at": time.time(), "command": command}
    return json.dumps({**held, "token": token}).encode()


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _alive(found: dict[str, Any]) -> bool:
    age = _age(found)
    if found.get("host") != socket.gethostname():
        return age < DEAD_S
    pid = found.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return age < DEAD_S
    return age < DEAD_S  # its number may have gone to another process


def _age(found: dict[str, Any]) -> float:
    at = found.get("at")
    return time.time() - at if isinstance(at, int | float) else DEAD_S


def _taken(where: str, found: dict[str, Any]) -> UserError:
    who = f"process {found.get('pid', '?')} of {found.get('host', '?')} ({found.get('command', '?')}"
    age = f", {_age(found):.0f} s ago)" if "at" in found else ")"
    return UserError(
        f"{where}, where {who}{age} is writing", "one writer a folder",
        "wait until it has ended, or choose another --out",
    )  # fmt: skip
