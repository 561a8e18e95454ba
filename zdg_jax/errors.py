"""Errors that a person caused and a person can mend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


class UserError(ValueError):
    """One clear line for the user: what was got, what was expected, what to do.

    The command line prints it and exits with status 2; a batch turns it into a row status.
    """

    def __init__(self, got: str, expected: str, do: str) -> None:
        self.got, self.expected, self.do = (" ".join(s.split()) for s in (got, expected, do))
        super().__init__(f"got {self.got}; expected {self.expected}; {self.do}")


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
    raise UserError(f"{what} {value!r}", f"one of {', '.join(map(str, known))}", do)
