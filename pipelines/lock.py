"""One writer for each output folder: two at once would destroy each other's files without a word."""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zdg_jax.errors import MachineError, UserError, machine_error, printable

LOCK = ".zdg.lock"
BEAT_S = 30.0  # how often a holder says that it lives, where no system call tells
DEAD_S = 600.0  # a holder on another machine that seems silent for so long is looked at for some beats
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


@contextmanager
def locked(folder: Path, *, command: str = "zdg") -> Iterator[None]:
    """Hold a local folder against other writers; the lock of a process that died is taken over.

    The system's own lock (flock) ends with the process that holds it, so a killed one leaves nothing behind;
    the file says who holds it (host, pid, since when). File systems without such locks get a file that is
    created exclusively, and whose holder is asked for by pid and start, or watched on another machine.

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
    if found and _alive(found, record, where):
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
    return json.dumps({**held, "started": _started(os.getpid()), "token": token}).encode()


def _started(pid: int) -> str | None:
    """What tells a process from a later one of its number, whatever the clock says; None if it is gone.

    "" where nothing tells.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux
        return ""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return f"{boot} {stat.rpartition(')')[2].split()[19]}"


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _alive(found: dict[str, Any], record: Any, where: str) -> bool:
    pid = found.get("pid")
    if found.get("host") == socket.gethostname():
        if not isinstance(pid, int) or pid <= 0 or not _exists(pid):
            return False
        started, now = found.get("started"), _started(pid)
        if started and now:
            return started == now
    age = _age(found)
    if age is None:
        return False
    # By our clock, that is: it may have been set, or differ from the holder's.
    return True if 0 <= age < DEAD_S else _beats(record, where)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _beats(record: Any, where: str) -> bool:
    """Whether the record changes within three beats, by a clock that nobody sets."""
    before = record.read()
    print(
        printable(
            f"note: {where} has the lock of a run that may be dead: watching it for {3 * BEAT_S:.0f} s"
        ),
        file=sys.stderr,
    )
    end = time.monotonic() + 3 * BEAT_S
    while time.monotonic() < end:
        time.sleep(BEAT_S / 10)
        if record.read() != before:
            return True
    return False


def _age(found: dict[str, Any]) -> float | None:
    at = found.get("at")
    return time.time() - at if isinstance(at, int | float) and math.isfinite(at) else None


def _taken(where: str, found: dict[str, Any]) -> UserError:
    age = _age(found)
    since = "" if age is None else f", {max(age, 0.0):.0f} s ago"
    command = found.get("command", "?")
    who = f"process {found.get('pid', '?')} of {found.get('host', '?')} ({command}{since})"
    return UserError(
        f"{where}, where {who} is writing", "one writer a folder",
        "wait until it has ended, or choose another --out",
    )  # fmt: skip
