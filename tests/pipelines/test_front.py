"""The front of the command line: what is there, what works, which names, and folders that are in use."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import trimesh
import tyro

from pipelines import cli, doctor
from pipelines.dataset import INFO_FILE
from pipelines.export import WRITERS
from pipelines.list_command import KINDS, names
from pipelines.options import ALL, GROUPS, SynthOptions, check_ranges
from pipelines.runtime import new_folder
from pipelines.shell import grouped
from pipelines.synth import free_of_others
from sim_eval.backends import BACKENDS
from sim_eval.protocols import PROTOCOLS
from sim_eval.select import SelectBy
from zdg_jax import __version__
from zdg_jax.hands import EXTRA_HANDS, HAND_NAMES
from zdg_jax.objects import load_object
from zdg_jax.objects.load import axis_notes
from zdg_jax.refine.config import Ablation


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) if "--help" in words else _nothing():
        assert cli.main(list(words)) == 0
    return capsys.readouterr().out


class _nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version") == f"zdg-jax {__version__}\n"


def test_list_names_what_the_registries_hold(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "list", "--json"))
    assert set(found) == set(KINDS)
    assert set(found["hands"]) == set(HAND_NAMES + EXTRA_HANDS)
    assert set(found["protocols"]) == set(PROTOCOLS)
    assert {"ycb:025_mug", "zoo:mug/0"} <= set(found["objects"])
    assert {"offline", "replay:FILE"} <= set(found["reasoners"])
    assert found["formats"]["dexgraspbench"] == "read, written"
    assert "human16" in said(capsys, "list", "hands")
    assert cli.main(["list", "arms"]) == 2
    assert "hands, objects" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "option", "valid"),
    [
        ("eval", "--protocol", set(PROTOCOLS)),
        ("eval", "--backend", {"auto", *BACKENDS}),
        ("export", "--format", set(WRITERS)),
        ("synth", "--select", set(get_args(SelectBy))),
        ("synth", "--ablate", set(get_args(Ablation)) - {"none"}),
        ("benchmark", "--select", set(get_args(SelectBy))),
    ],
)
def test_choices_in_help_are_the_registries(
    capsys: pytest.CaptureFixture[str], command: str, option: str, valid: set[str]
) -> None:
    text = said(capsys, command, "--help")
    found = re.search(rf"{option} ([\w|]+)", text)
    assert found is not None
    assert set(found.group(1).split("|")) == valid


def test_options_of_synth_stand_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "synth", "--help")
    heads = [text.index(f"{head} options") for head in ("mesh", "grasps", "reasoning", "paper-experiments")]
    assert heads == sorted(heads)
    assert text.index("--ablate") > heads[-1] > text.index("--reasoner")
    groups = grouped(cli.Synth, GROUPS)
    asked = tyro.cli(
        groups, args=["ycb:025_mug", "lift", "--num", "3", "--keep", "all", "--ablate", "contact"]
    )
    assert (asked.grasps.num, asked.grasps.keep, asked.paper_experiments.ablate) == (3, ALL, "contact")
    with pytest.raises(ValueError, match="colour"):
        grouped(cli.Synth, {"look": ("colour",)})


def test_keep_all_is_as_many_as_are_refined() -> None:
    check_ranges(SynthOptions("o", "t", num=4, keep=ALL))
    names_of = [name for names in GROUPS.values() for name in names]
    assert len(set(names_of)) == len(names_of)


@pytest.mark.parametrize("command", ["generate", "plan", "benchmark"])
def test_the_modules_are_commands_too(
    capsys: pytest.CaptureFixture[str], command: str, tmp_path: Path
) -> None:
    assert "--out" in said(capsys, command, "--help")
    (tmp_path / "t.csv").write_text("object,task\nnowhere.stl,lift\n")
    words = {
        "generate": ["--tasks", str(tmp_path / "none.csv"), "--out", str(tmp_path / "o")],
        "plan": ["--tasks", str(tmp_path / "t.csv")],
        "benchmark": ["--rows", "nobody", "--out", str(tmp_path / "o")],
    }
    assert cli.main([command, *words[command]]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_doctor_never_says_a_key(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    text = said(capsys, "doctor", "--no-test")
    assert "OPENAI_API_KEY set" in text
    assert "GEMINI_API_KEY not set" in text
    assert "secret" not in text
    assert f"zdg-jax {__version__}" in text


def test_doctor_tests_and_tells_what_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert all(one["ok"] for one in doctor.report()["tests"])

    def broken() -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(doctor, "TESTS", {"it breaks": broken})
    assert cli.main(["doctor", "--json"]) == 1
    (one,) = json.loads(capsys.readouterr().out)["tests"]
    assert (one["ok"], one["why"]) == (False, "ValueError: no such thing")


def test_a_folder_of_another_run_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = SynthOptions("ycb:025_mug", "lift it", str(tmp_path / "out"))
    assert free_of_others(asked) is asked
    for name, options in (("out", asked), ("out-2", replace(asked, task="pour"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / INFO_FILE).write_text(json.dumps({"config": options.config()}))
    assert free_of_others(asked) is asked  # the same command writes the same
    assert free_of_others(replace(asked, task="pour")).out == str(tmp_path / "out-2")
    assert free_of_others(replace(asked, num=9)).out == str(tmp_path / "out-3")
    assert "holds another run; writing into" in capsys.readouterr().err


def test_zdg_alone_is_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for words in ([], ["--help"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(words)
        assert stop.value.code == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert "zdg --version" in told[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ycb:025_mug", "lift it", "--num", "0"], "got --num 0"),
        (["ycb:025_mug", "lift it", "--hand", "claw"], "got hand 'claw'"),
        (["ycb:025_mug", "lift it", "--reasoner", "openai:m"], "got no OPENAI_API_KEY"),
        (["ycb:025_mugg", "lift it"], "got ycb:025_mugg"),
        (["broken.stl", "lift it"], "got broken.stl"),
    ],
)
def test_what_is_refused_leaves_no_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    """Nor a word of the folder that it would have been written to, where that is known beforehand."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.stl").write_bytes(b"solid")
    there = {"broken.stl"}
    for held in (False, True):
        if held:
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / INFO_FILE).write_text("{}")
            there.add("out")
        assert cli.main(["synth", *words, "--out", "out"]) == 2
        told = capsys.readouterr().err
        assert told.splitlines()[-1].startswith(f"zdg: {said}")
        assert "note" not in told or "broken" in said
        assert {p.name for p in tmp_path.iterdir()} == there


@pytest.mark.parametrize(("name", "stays"), [("was", True), ("holds", True), ("new", False)])
def test_a_folder_that_was_there_or_holds_something_stays(tmp_path: Path, name: str, stays: bool) -> None:
    folder = tmp_path / name
    if name == "was":
        folder.mkdir()
    inside = new_folder(str(folder))
    made = inside.__enter__()
    if name == "holds":
        (made / "a").touch()
    assert not inside.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)  # it goes on
    assert folder.exists() == stays


def test_the_axis_that_was_taken_as_up_is_said_once(tmp_path: Path) -> None:
    standing = trimesh.creation.cylinder(radius=0.03, height=0.1)  # along z
    path = str(tmp_path / "can.stl")
    standing.export(path)
    assert "looks as if it stood on its z axis" in axis_notes("can.stl", None, standing)[0]
    lying = standing.copy().apply_transform(trimesh.geometry.align_vectors([0, 0, 1], [0, 1, 0]))
    (plain,) = axis_notes("can.stl", None, lying)
    assert plain.startswith("taken as +y up; if the file is +z up")
    obj = load_object(path)  # a library's user hears it too, in the same words
    assert obj.warnings[:1] == axis_notes(path, None, obj.mesh)
    assert "z axis" in obj.warnings[0]
    assert axis_notes("can.stl", "y", standing) == axis_notes("ycb:025_mug", None, standing) == ()


def test_every_kind_of_name_can_be_asked_for() -> None:
    assert all(names(kind) for kind in KINDS)
    assert all(names("reasoners").values())  # each says what it is
