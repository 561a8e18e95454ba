"""02. Only reason: which part, from where, which grasp. Recorded once, replayed without a key or a network.

    python examples/02_only_reason.py

The rule-based `offline` reasoner answers the first time. With `openai:MODEL` or `gemini:MODEL` in its place
(docs/providers.md) all else stays as it is, and the trace replays what the model said.
"""

from __future__ import annotations

import json
from pathlib import Path

import zdg_jax as zdg


def main(out: str = "out/example02", reasoner: str = "offline") -> list[str]:
    obj, hand = zdg.load_object("ycb:025_mug"), zdg.load_hand("shadow")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)

    first = zdg.reason(obj, hand, "drink from it", zdg.make_reasoner(reasoner))
    (folder / "trace.json").write_text(json.dumps(first.trace))
    for name, picture in first.pictures.items():  # what a model that sees pictures is shown
        picture.save(folder / name)

    recorded = zdg.make_reasoner(f"replay:{folder / 'trace.json'}")
    again = zdg.reason(obj, hand, "drink from it", recorded)
    assert again.grasp.status == first.grasp.status == "ok", again.grasp.status_reason

    said = []
    for stage in again.trace["stages"]:
        answer = {k: v for k, v in stage["answer"].items() if k != "reasoning"}
        said.append(f"{stage['stage']}: {answer}, of {len(stage['candidates'])} candidates")
    print("\n".join(said))
    guidance = again.grasp.guidance
    print(f"{guidance.hand_mask.sum()} of {len(guidance.hand_mask)} samples shall be touched by the hand")
    return said


if __name__ == "__main__":
    main()
