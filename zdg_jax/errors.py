"""Errors that a person caused and a person can mend."""

from __future__ import annotations


class UserError(ValueError):
    """One clear line for the user: what was got, what was expected, what to do.

    The command line prints it and exits with status 2; a batch turns it into a row status.
    """

    def __init__(self, got: str, expected: str, do: str) -> None:
        self.got, self.expected, self.do = (" ".join(s.split()) for s in (got, expected, do))
        super().__init__(f"got {self.got}; expected {self.expected}; {self.do}")
