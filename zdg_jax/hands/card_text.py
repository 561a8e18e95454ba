"""A hand card as text: what `zdg hand new` and `zdg hand fit` write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from zdg_jax.hands.model import HandModel

#: Everything below this line belongs to `zdg hand fit`.
MARK = "# Found by `zdg hand fit`, in degrees; run it again after a change above."


def card_text(fields: Mapping[str, Any], note: str) -> str:
    """Fields of a card in their order, one line each where it fits, lists and pads in one line.

    Args:
      fields: as `inspect.first_card` gives them.
      note: comment lines at the top.
    """
    lines = [f"# {line}" for line in note.splitlines()]
    for key, value in fields.items():
        if isinstance(value, dict) and key != "palm":
            lines.append(f"{key}:")
            lines += [f"  {name}: {_flow(item)}" for name, item in value.items()]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def with_types(text: str, hand: HandModel) -> str:
    """The card's text with the hand's grasp types below the mark, in place of those that stood there."""
    lines = [text.split(MARK)[0].rstrip(), "", MARK, "grasp_types:"]
    for name, kind in hand.grasp_types.items():
        degrees = np.rad2deg(kind.joints).round(1)
        joints = {j: float(d) for j, d in zip(hand.active_names, degrees, strict=True) if d}
        lines += [f"  {name}:", f"    joints: {_flow(joints)}"]
    return "\n".join(lines) + "\n"


def write_types(path: Path, hand: HandModel) -> None:
    """Write the hand's grasp types into its card."""
    path.write_text(with_types(path.read_text(encoding="utf-8"), hand), encoding="utf-8")


def _flow(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
        .removesuffix("...\n")
        .strip()
    )
