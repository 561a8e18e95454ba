"""Errors that a person can mend: a wrong input, or a machine that can't go on."""

from __future__ import annotations

import difflib
import errno
import os
import sqlite3
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def printable(text: str, keep: str = "") -> str:
    """Text of others for a terminal: control characters, lone surrogates and turned writing as escapes.

    Args:
      text: whatever a file or a model said.
      keep: characters to leave, such as a newline.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def storable(text: str) -> str:
    """Text that any file can hold: what UTF-8 has no bytes for, as escapes.

    Args:
      text: with lone surrogates perhaps: of a name whose bytes are no UTF-8, or of an escape in JSON.
    """
    return text.encode("utf-8", "backslashreplace").decode()


class UserError(ValueError):
    """One clear line for the user: what was got, what was expected, what to do.

    The command line prints it and exits with status 2; a batch turns it into a row status.
    """

    def __init__(self, got: str, expected: str, do: str) -> None:
        self.got, self.expected, self.do = (printable(" ".join(s.split())) for s in (got, expected, do))
        super().__init__(f"got {self.got}; expected {self.expected}; {self.do}")

    def __reduce__(self) -> tuple[type[UserError], tuple[str, str, str]]:
        return type(self), (self.got, self.expected, self.do)  # it travels between processes


class MachineError(UserError):
    """The disk, the network or a permission fails: no verdict on any task, and never a row.

    It stops a run, which goes on with the same command once the machine is mended.
    """


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_BROKEN = {
    errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ENOLCK,
    errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.ECONNABORTED,
    errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EREMOTEIO,
}  # fmt: skip


def machine_error(error: BaseException, where: str = "") -> MachineError | None:
    """What the machine failed at, or None if the error is no fault of the machine.

    Args:
      error: as caught; what it was raised from counts too, since libraries wrap what the system said.
      where: the file or folder, if the error does not name it.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, MachineError):
            return cause
        if isinstance(cause, sqlite3.Error):
            return MachineError(f"{where or 'a database'} ({cause})", "a file that can be written", _MEND)
        if isinstance(cause, OSError) and cause.errno in _FULL | _CLOSED | _BROKEN:
            return _told(cause, where)
        if isinstance(cause, FileNotFoundError) and cause.filename is None and not _here():
            return MachineError("a current folder that is gone", "a folder that is there", "cd into another")
        cause = cause.__cause__ or cause.__context__
    return None


def name_error(error: BaseException) -> UserError | None:
    """A name that no file can have, or None if the error is another."""
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        name = str(error.filename or "")
        shown = name if len(name) < 80 else f"{name[:60]}... ({len(name)} letters)"
        return UserError(f"{shown} ({error.strerror})", "the name of a file or folder", "name another")
    if isinstance(error, RuntimeError) and str(error).startswith(
        "Symlink loop"
    ):  # pathlib before Python 3.13
        return UserError(f"a {str(error)[0].lower()}{str(error)[1:]}", "a file or folder", "mend the link")
    if isinstance(error, ValueError) and "embedded null" in str(error):
        return UserError("a NUL in a file's name", "the name of a file or folder", "name another")
    return None


def _here() -> bool:
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


_MEND = "mend that and run the same command again"


def _told(error: OSError, where: str) -> MachineError:
    place = where or (str(error.filename) if error.filename else "this machine")
    said = error.strerror or os.strerror(error.errno or 0)
    if error.errno in _FULL:
        return MachineError(f"a full disk ({said}: {place})", "space to write", f"free space: {_MEND}")
    if error.errno in _CLOSED:
        return MachineError(f"{place} ({said})", "a place that can be read and written", _MEND)
    return MachineError(f"{place} ({said})", "a disk and a network that work", _MEND)


def alike(word: str, known: Iterable[str]) -> list[str]:
    """Up to three known names that look like a word, the most alike first, whatever their case."""
    by_lower = {name.lower(): name for name in known}
    return [by_lower[name] for name in difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.5)]


def did_you_mean(names: Iterable[str]) -> str:
    """The names as a question with a space behind, ready to stand before advice; empty without any."""
    found = dict.fromkeys(names)
    return f"did you mean {' or '.join(found)}? " if found else ""


def one_of(what: str, value: object, valid: Iterable[T], do: str = "choose one of these") -> T:
    """The same value, if it is one of the valid ones.

    Args:
      what: it is a choice of, in the user's words.
      value: as given.
      valid: names, in the order in which the message lists them.
      do: what the user shall do.
    Raises:
      UserError: it is none; the message lists the valid ones.
    """
    known = tuple(valid)
    for name in known:
        if name == value:
            return name
    close = alike(value, [name for name in known if isinstance(name, str)]) if isinstance(value, str) else []
    raise UserError(f"{what} {value!r}", f"one of {', '.join(map(str, known))}", did_you_mean(close) + do)
