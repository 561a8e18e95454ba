"""Which grasps are kept, and how the hand comes and presses."""

from typing import Literal, get_args

from zdg_jax.errors import UserError

SelectBy = Literal["gravity", "six_force"]


def check_select(by: str) -> SelectBy:
    """The same name.

    Raises:
      UserError: unknown; the message lists the valid ones.
    """
    for known in get_args(SelectBy):
        if by == known:
            return known
    raise UserError(f"--select {by!r}", f"one of {', '.join(get_args(SelectBy))}", "choose one of these")
