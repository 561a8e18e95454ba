"""Which grasps are kept, and how the hand comes and presses."""

from typing import Literal

SelectBy = Literal["gravity", "six_force"]
