"""Names, routes, labels and records."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.reasoning.models.conftest import Make
from tests.reasoning.models.fakes import ENVIRONMENT, KEY
from tests.reasoning.models.questions import question, settled
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models import factory
from zdg_jax.reasoning.protocol import ReasonerError
from zdg_jax.status import StageFailed


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)


@pytest.mark.usefixtures("keys")
def test_only_paid_answers_need_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "file" / "cache"))  # can't be made, not even by root
    assert factory.make("offline").name == "offline"
    with pytest.raises(UserError, match="set ZDG_CACHE_DIR to a folder that can be written"):
        factory.make("openai:m")


@pytest.mark.parametrize("name", ["oracle9", "openai", "openai:", "openai: ", "claude:x", "", "offline:x"])
def test_an_unknown_name_lists_the_valid_ones(name: str) -> None:
    with pytest.raises(UserError) as caught:
        factory.make(name)
    for valid in factory.names():
        assert valid in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ofline", "did you mean offline( or |[?] choose)"),
        ("Gemni:gemini-x", "did you mean gemini:gemini-x( or |[?] choose)"),
        ("gpt-4o", "did you mean openai:gpt-4o[?] choose"),
        ("openai", "did you mean openai:MODEL"),
        ("xyzzy", "; choose one"),
    ],
)
def test_a_mistyped_name_is_guessed(name: str, meant: str) -> None:
    with pytest.raises(UserError, match=meant):
        factory.make(name)


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        (["direction"], "STAGE=REASONER"),
        (["direction="], "STAGE=REASONER"),
        (["dance=offline"], "grasp_type"),
        (["view=offline", "view=offline"], "two routes"),
        (["view=nobody:x"], "gemini:MODEL"),
    ],
)
def test_a_wrong_route_is_one_line(routes: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        factory.make("offline", routes)


@pytest.mark.usefixtures("keys")
def test_openai_is_responses_at_home_and_chat_elsewhere(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make("openai:m").name == "openai-responses:m"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert make("openai:m").name == "openai-chat:m"
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com.evil.example/v1")
    assert make("openai:m").name == "openai-chat:m"
    assert make("openai-responses:org/model:7b").name == "openai-responses:org/model:7b"


@pytest.mark.usefixtures("keys")
def test_the_papers_routing(make: Make) -> None:
    reasoner = make("openai:gpt-4.1", routes=["direction=gemini:gemini-2.5-pro", "rotation=openai:o4-mini"])
    assert reasoner.name == (
        "openai-responses:gpt-4.1 direction=gemini:gemini-2.5-pro rotation=openai-responses:o4-mini"
    )


def labelled(folder: Path, labels: Any) -> str:
    path = folder / "labels.yaml"
    path.write_text(json.dumps(labels))
    return f"oracle:{path}"


def test_labels_answer_by_object_task_and_stage(tmp_path: Path) -> None:
    rotation = {"rotation": {"rotation": 3}}
    for labels in ({"hammer": {"hammer": rotation}}, {"*": {"*": rotation}}, {"hammer": {"*": rotation}}):
        answer = asyncio.run(factory.make(labelled(tmp_path, labels)).ask(question()))
        assert answer.value.rotation == 3
        assert (answer.call.provider, answer.call.attempts, answer.call.cost_usd) == ("oracle", 0, 0.0)
    missing = factory.make(labelled(tmp_path, {"mug": {"*": rotation}}))
    with pytest.raises(ReasonerError, match="no label"):
        asyncio.run(missing.ask(question()))
    specific = {"*": {"*": {"rotation": {"rotation": 1}}}, "hammer": {"hammer": rotation}}
    assert asyncio.run(factory.make(labelled(tmp_path, specific)).ask(question())).value.rotation == 3


@pytest.mark.parametrize("label", [{"rotation": 9}, {"rotation": "left"}, {}])
def test_a_wrong_label_is_not_repeated(tmp_path: Path, label: dict) -> None:
    failure, attempts = settled(factory.make(labelled(tmp_path, {"*": {"*": {"rotation": label}}})))
    assert isinstance(failure, StageFailed)
    assert failure.status == "invalid_answer"
    assert len(attempts) <= 2


@pytest.mark.parametrize(
    "labels", [[], {"mug": 3}, {"mug": {"drink": {"dance": {}}}}, {"mug": {"d": {"view": 1}}}]
)
def test_a_wrong_label_file_is_one_line(tmp_path: Path, labels: Any) -> None:
    with pytest.raises(UserError, match="label file"):
        factory.make(labelled(tmp_path, labels))


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', "{}\n{}\n", '{"stages": []}', "\xff"])
def test_a_wrong_record_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trace.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="replay file"):
        factory.make(f"replay:{path}")
    with pytest.raises(UserError, match="No such file"):
        factory.make(f"replay:{tmp_path / 'none.json'}")
