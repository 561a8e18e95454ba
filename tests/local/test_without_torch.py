"""What of local models needs no torch: answers out of chatter, and one clear line where torch is missing."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines import cli
from zdg_jax import api
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.exchange import Ending, Fault, FaultKind, Reply, WireRequest, last_object
from zdg_jax.reasoning.models.local_wire import LocalWire, Said, fingerprint


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('Sure!\n```json\n{"a": {"b": [1, 2]}}\n```\nBye {', '{"a": {"b": [1, 2]}}'),
        ('{"schema": 1} and the answer: {"a": "}{"}', '{"a": "}{"}'),
        ('I think {maybe} {"a": 1', None),
        ("[1, 2]", None),
        ("", None),
        ("{" * 5000, None),
        ('{"a": ' * 3000, None),
    ],
)
def test_the_last_whole_object_counts(text: str, found: str | None) -> None:
    assert last_object(text) == found


class Parrot:
    """A model that says what a test wants and keeps what it was shown."""

    name, fingerprint = "parrot@1", "f"

    def __init__(self, says: str | Exception, cut_off: bool = False) -> None:
        self.says, self.cut_off, self.seen = says, cut_off, list[tuple[str, list[Any]]]()

    def generate(self, text: str, images: Sequence[Image.Image], max_new_tokens: int) -> Said:
        self.seen.append((text, [image.size for image in images]))
        if isinstance(self.says, Exception):
            raise self.says
        return Said(self.says, self.cut_off, 7, 3)


def sent(parrot: Parrot) -> Reply | Fault:
    buffer = io.BytesIO()
    Image.new("L", (5, 4)).save(buffer, "PNG")
    request = WireRequest("What?", (buffer.getvalue(),), "Answer", {})
    return asyncio.run(LocalWire("parrot", parrot).send(request))


def test_a_reply_is_the_object_alone() -> None:
    parrot = Parrot('Well: {"a": 1}. Anything else?', cut_off=True)
    reply = sent(parrot)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.ending, reply.model) == ('{"a": 1}', Ending.COMPLETE, "parrot@1")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (7, 3)
    assert parrot.seen == [("What?", [(5, 4)])]


@pytest.mark.parametrize(
    ("cut_off", "ending"), [(True, Ending.TRUNCATED), (False, Ending.COMPLETE)], ids=["cut", "whole"]
)
def test_words_without_an_object_stay_words(cut_off: bool, ending: Ending) -> None:
    reply = sent(Parrot('{"a": 1', cut_off))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.ending) == ('{"a": 1', ending)


def test_a_model_that_breaks_is_a_fault() -> None:
    fault = sent(Parrot(RuntimeError("out of memory")))
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.REJECTED
    assert "out of memory" in fault.detail


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a)
    )


@pytest.mark.usefixtures("no_torch")
def test_without_torch_one_line_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=r"pip install 'zdg-jax\[local\]'"):
        api.make_reasoner("local:some/model")
    mesh = tmp_path / "m.stl"
    mesh.touch()
    assert cli.main(["synth", str(mesh), "lift", "--reasoner", "local:x", "--out", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_torch_is_not_imported_for_anything_else() -> None:
    assert "torch" not in sys.modules


def test_a_folder_of_other_weights_has_another_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"1")
    one = fingerprint(str(tmp_path), None)
    assert fingerprint(str(tmp_path), None) == one
    (tmp_path / "w").write_bytes(b"12")
    assert fingerprint(str(tmp_path), None) != one
    assert fingerprint("org/model", "abc") == "abc"
    assert fingerprint("org/model", None) == "org/model"
