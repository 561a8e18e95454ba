"""The page for servers with OpenAI's API: its commands run as they stand, but for the port."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines import cli
from tests.pipelines.test_synth import fakes
from tests.reasoning.models.conftest import Start
from tests.reasoning.models.fakes import ROOT
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models import factory

__all__ = ["fakes"]  # a fixture
PAGE = (ROOT / "docs" / "own-server.md").read_text(encoding="utf-8")
QUICK = ("--num", "4", "--keep", "1", "--select", "gravity")


def block() -> tuple[dict[str, str], list[str]]:
    """The variables that the page sets, and the words of its command."""
    (text,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    variables = dict(line[1].split("=", 1) for line in lines if line[0] == "export")
    (command,) = (line[1:] for line in lines if line[0] == "zdg")
    return variables, command


@pytest.mark.slow
@pytest.mark.usefixtures("fakes")
def test_the_page_s_commands(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables, command = block()
    model = command[-1].removeprefix("openai:")
    local = start(key=variables["OPENAI_API_KEY"], models=[model])
    assert variables["OPENAI_BASE_URL"] == "http://127.0.0.1:8000/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", f"{local.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", variables["OPENAI_API_KEY"])
    assert cli.main([*command, "--out", str(tmp_path / "out"), *QUICK]) in (0, 1, 4)
    asked = local.log()
    assert len(asked) >= 6
    assert {entry["api"] for entry in asked} == {"openai-chat"}
    row = pq.read_table(tmp_path / "out" / "grasps.parquet").to_pylist()[0]
    assert set(row["answered_by"]) == {model}


def test_a_name_that_the_server_does_not_list(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    local = start(models=["Qwen/other"])
    monkeypatch.setenv("OPENAI_BASE_URL", f"{local.url}/v1")
    with pytest.raises(UserError, match="Qwen/other"):
        factory.make("openai:Qwen/Qwen3-VL-8B-Instruct", check=True)
