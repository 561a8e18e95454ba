"""Words that no command expects: options, names and places are one printable line, before any work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines import cli, generate
from pipelines.options import SynthOptions
from pipelines.runtime import program
from pipelines.stages.messages import fault
from pipelines.synth import free_of_others, synth
from tests.pipelines.cluster.things import ROOT, sticks, table
from tests.pipelines.test_synth import fakes, stick
from tests.waiting import PATIENCE_S
from zdg_jax.errors import UserError

__all__ = ["fakes", "stick"]  # fixtures
LONG = "x" * 5000


def line_of(command: type, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert program("zdg", command, words) == 2
    out, said = capsys.readouterr()
    assert not out
    (line,) = said.splitlines()
    assert line.isprintable()
    assert len(line) < 1000
    return line


OPTIONS = [
    "--num 0", "--num -3", "--num 999999999999", "--keep 9", "--keep 0", "--keep -1", "--seed -1",
    "--seed 99999999999999999999", "--steps 0", "--steps 99999999999999999999", "--hypotheses 0",
    "--hand nobody", "--hand ../x", "--hand \x1b[31m", "--reasoner nobody", "--reasoner openai:",
    "--reasoner :",
    "--select x", "--max-usd nan", "--max-usd -1", "--max-usd inf", "--route x", "--route view=nobody",
    "--ablate x", "--view 99", "--view x", "--optimizer x", "--segmenter x",
    "--scale nan", "--scale 0", "--scale -1", "--scale inf", "--scale 1e300", "--scale 1e-300", "--up q",
    "--features nowhere", "--name b\udcfc",
]  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_numbers_and_names_of_options(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--out", str(tmp_path / "out"), "--num", "4", "--keep", "2"]
    line = line_of(cli.Synth, [sticks(tmp_path)[0], "lift it", *small, *option.split()], capsys)
    assert line.startswith("zdg: got ")


@pytest.mark.parametrize(
    "name", ["", ".", "/", "nobody.stl", "loop", LONG, "stick.stl/x", "a\0b.stl", "file", "zoo:"]
)
def test_objects_that_are_none(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile_folder(tmp_path, monkeypatch)
    line_of(cli.Synth, [name, "lift it", "--out", "out"], capsys)
    with pytest.raises((UserError, OSError, ValueError)) as caught:
        synth(SynthOptions(name, "lift it", "out"))
    assert fault("prepare", caught.value).status == "bad_object"  # as a row of `generate`


@pytest.mark.parametrize("out", ["", "  ", "file", "loop", "file/x", LONG, "a\0b", "/proc/x", "/dev/null"])
def test_folders_that_are_none(
    out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile_folder(tmp_path, monkeypatch)
    line_of(cli.Synth, ["stick.stl", "lift it", "--out", out], capsys)
    tasks = table(tmp_path / "t.csv", [{"object": str(tmp_path / "stick.stl"), "task": "lift it"}])
    assert generate.main(["--tasks", str(tasks), "--out", out, "--num", "4", "--keep", "2"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()


def test_bytes_that_are_no_text_are_no_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = line_of(cli.Synth, [sticks(tmp_path)[0], "lift \udcff it", "--out", str(tmp_path / "o")], capsys)
    assert "whose bytes are no text" in line
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("fakes")
def test_a_mesh_whose_name_is_no_text_is_a_mesh(stick: Path, tmp_path: Path) -> None:
    """Its name in Latin-1, as on old disks and in archives: written with escapes, in every file."""
    mesh = tmp_path / os.fsdecode(b"b\xfcrste.stl")
    mesh.write_bytes(stick.read_bytes())
    given = ["synth", str(mesh), "lift it", "--num", "9", "--keep", "2", "--select", "gravity"]
    assert cli.main([*given, "--out", str(tmp_path / "o")]) in (0, 1, 4)
    (name,) = set(pq.read_table(tmp_path / "o" / "grasps.parquet")["object_id"].to_pylist())
    assert name == "b\\udcfcrste"
    for path in (tmp_path / "o").glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))
    assert "b\\udcfcrste" in (tmp_path / "o" / "report.html").read_text(encoding="utf-8")


def test_a_current_folder_that_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = sticks(tmp_path)[0]
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for words in ([stick, "lift it", "--out", "."], [stick, "lift it", "--out", "out"]):
        assert "gone" in line_of(cli.Synth, words, capsys)


LOGS = """
import logging, sys
from dataclasses import dataclass
from pipelines.runtime import program

@dataclass
class Options:
    pass

def work(_):
    logging.getLogger("zdg_jax.x").warning("%s answered", "a model\\x1b[31m\\ud83d")
    return 0

sys.exit(program("zdg", Options, [], work))
"""


def test_a_logged_word_of_a_server_is_shown_with_escapes() -> None:
    done = subprocess.run([sys.executable, "-c", LOGS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "a model\\x1b[31m\\ud83d answered\n"


PRINTS = """
import sys
from dataclasses import dataclass
from pipelines.runtime import program

@dataclass
class Options:
    lines: int = 1

sys.exit(program("zdg", Options, work=lambda asked: print("line\\n" * asked.lines) or 0))
"""


@pytest.mark.parametrize(
    ("words", "unbuffered"), [(["--lines", "1"], "1"), (["--lines", "100000"], ""), (["--help"], "")]
)
def test_a_reader_that_leaves_is_no_fault(
    words: list[str], unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `zdg list | head -1`."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    command = [sys.executable, "-c", PRINTS, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.communicate(timeout=PATIENCE_S)[1] == b""
    assert process.returncode == 141


def test_here_is_a_folder_like_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = SynthOptions("ycb:025_mug", "drink", ".")
    assert free_of_others(here) == here
    (tmp_path / "dataset_info.json").write_text('{"config": "another"}')
    assert free_of_others(here) == replace(here, out=f"{tmp_path}-2")


@pytest.mark.slow
@pytest.mark.parametrize(
    "task",
    [
        "x" * 10_000, "lift it " * 1500, "\u202eti tfil", "\x1b[31mlift\x00it\x07", "\U0001f642\u0301\ufeff",
        "\u0627\u0631\u0641\u0639",
    ],
    ids=["letters", "words", "turned", "control", "emoji", "arabic"],
)  # fmt: skip
def test_any_sentence_is_a_task(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = "--num 4 --keep 2 --steps 2 --out".split()
    words = [sticks(tmp_path)[0], task, "--name", task[:300], *small, str(tmp_path / "out")]
    assert program("zdg", cli.Synth, words) in (0, 1, 4)
    out, said = capsys.readouterr()
    assert all(line.isprintable() for line in (out + said).splitlines())
    assert "\x1b" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def hostile_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mesh, a file without an ending and a link to itself; and we are in it."""
    sticks(folder)
    (folder / "file").write_text("x")
    os.symlink("loop", folder / "loop")
    monkeypatch.chdir(folder)
