"""`local:` with a real (tiny, random) LLaVA: its nonsense ends in statuses, its answers are read."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.local.tiny import save_llava
from tests.reasoning.things import hammer
from zdg_jax import api
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.reasoning.judge import Exhibit, judge
from zdg_jax.reasoning.models import local_wire as local
from zdg_jax.reasoning.models.local_wire import load_model
from zdg_jax.reasoning.state import ReasonConfig

pytestmark = pytest.mark.local
SMALL = ReasonConfig(image_size=96, shown_scale=1, min_part_pixels=5, max_attempts=2)
BLACK, RED = Image.new("RGB", (64, 48)), Image.new("RGB", (64, 48), (255, 0, 0))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_llava(tmp_path_factory.mktemp("llava")))


@pytest.fixture(autouse=True)
def _short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    short = local.ABILITIES.model_copy(update={"max_output_tokens": 24})
    monkeypatch.setattr(local, "ABILITIES", short)


def test_says_something_about_text_and_pictures(path: str) -> None:
    model = load_model(path)
    one = model.generate("What is this?", [BLACK], 8)
    assert one == model.generate("What is this?", [BLACK], 8)
    assert 1 <= one.output_tokens <= 8
    two = model.generate("What is this?", [BLACK, RED], 8)
    assert two.input_tokens > one.input_tokens
    assert model.generate("What is this?", [RED], 8).input_tokens == one.input_tokens


def test_the_chain_ends_with_a_status_and_counts_what_was_said(path: str) -> None:
    reasoner = api.make_reasoner(f"local:{path}")
    said = api.reason_task(hammer(600), load_hand("human16"), "hammer a nail", reasoner, config=SMALL)
    assert said.grasp.status in {"provider_invalid", "provider_truncated", "invalid_answer"}
    (stage,) = said.trace["stages"]
    assert len(stage["attempts"]) == 2
    assert all(attempt["refused"] for attempt in stage["attempts"])
    for call in said.grasp.calls:
        assert call["provider"] == "local"
        assert call["model"] == path
        assert call["input_tokens"] > 100
        assert call["cost_usd"] == 0.0


def test_the_chain_goes_through_where_the_model_answers(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is real but the words: the tiny model's are replaced by chatter around an answer."""
    model = load_model(path)
    generate = type(model).generate
    replies = [
        '{"reasoning": "a", "view": 1}',
        '{"reasoning": "b", "parts": [1]}',
        '{"reasoning": "c", "parts": [1], "needs_points": false}',
        '{"reasoning": "d", "direction": "above"}',
        '{"reasoning": "e", "grasp_type": "handle-grasp"}',
        '{"reasoning": "f", "rotation": 2}',
    ]

    def talk(self: Any, text: str, images: Any, most: int) -> Any:
        said = generate(self, text, images, most)
        return replace(said, text=f"Sure! Here you are: {replies.pop(0)} Anything else?", cut_off=True)

    monkeypatch.setattr(type(model), "generate", talk)
    reasoner = api.make_reasoner(f"local:{path}")
    said = api.reason_task(hammer(600), load_hand("human16"), "use the hammer", reasoner, config=SMALL)
    assert said.grasp.status == "ok", said.grasp.status_reason
    assert [call["stage"] for call in said.grasp.calls] == [
        "view", "hand_part", "func_part", "direction", "grasp_type", "rotation",
    ]  # fmt: skip


def test_judges_too(path: str) -> None:
    reasoner = api.make_reasoner(f"local:{path}")
    (verdict,) = asyncio.run(judge([Exhibit("g", "lift it", None, BLACK)], reasoner, max_attempts=1))
    assert verdict.score is None
    assert verdict.status.startswith("provider_")


@pytest.mark.parametrize("where", ["nowhere/at-all", "{empty}", "./missing", "~/missing"])
def test_no_such_model(where: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="local model"):
        api.make_reasoner(f"local:{where.format(empty=tmp_path)}")


def test_a_model_without_chat_template(path: str, tmp_path: Path) -> None:
    shutil.copytree(path, tmp_path / "m")
    (tmp_path / "m" / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match="chat template"):
        api.make_reasoner(f"local:{tmp_path / 'm'}")
