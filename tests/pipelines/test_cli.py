from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from pipelines import cli
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps, concat
from zdg_jax.hands import HAND_NAMES
from zdg_jax.objects import ycb_names

ROOT = Path(__file__).resolve().parents[2]


def test_help_names_both_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "synth" in done.stdout
    assert "eval" in done.stdout


def test_help_imports_nothing_heavy() -> None:  # which is what makes it quick
    code = (
        "import sys, pipelines.cli\n"
        "heavy = {'jax', 'numpy', 'mujoco', 'trimesh', 'pyarrow', 'ray', 'transformers', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def completion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "zdg"
    made = [sys.executable, "-m", "pipelines.cli", "--tyro-write-completion", "bash", str(path)]
    subprocess.run(made, cwd=ROOT, check=True, capture_output=True)
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("synth --hand sh", "shadow"),
        ("synth --reasoner off", "offline offline-seen"),
        ("generate --reasoner pa", "paper"),
        ("synth --typ", "--types"),
    ],
)
def test_a_shell_completes_hands_and_reasoners(completion: Path, words: str, offered: str) -> None:
    code = (
        f"source {completion}; COMP_WORDS=(zdg {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        'F=$(complete -p zdg | sed "s/.*-F //; s/ .*//"); $F; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == offered.split(), done.stderr


def test_what_a_shell_completes_is_not_all_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "hands"]) == 0
    assert "human16" in capsys.readouterr().out
    assert cli.main(["synth", "ycb:048_hammer", "hammer a nail", "--hand", "/no/card.yaml"]) == 2
    said = capsys.readouterr().err
    assert "/no/card.yaml" in said
    assert "or a card file" in said  # ours, not the parser's


@pytest.fixture
def bad_meshes(tmp_path: Path) -> Path:
    (tmp_path / "text.stl").write_text("this is no mesh\n")
    (tmp_path / "empty.obj").write_text("# nothing\n")
    mug = trimesh.creation.cylinder(radius=40.0, height=200.0)
    mug.export(tmp_path / "mug200m.stl")
    box = trimesh.creation.box((0.05, 0.05, 0.1))
    lines = [f"v {x} {y} {z}" for x, y, z in box.vertices]
    lines[3] = "v nan 0 0"
    lines += [f"f {a} {b} {c}" for a, b, c in box.faces + 1]
    (tmp_path / "nan.obj").write_text("\n".join(lines) + "\n")
    box.export(tmp_path / "box.stl")
    return tmp_path


@pytest.mark.parametrize(
    ("mesh", "options", "said"),
    [
        ("missing.stl", (), "missing.stl"),
        ("text.stl", (), "text.stl"),
        ("empty.obj", (), "empty"),
        ("nan.obj", (), "finite"),
        ("mug200m.stl", (), "--scale"),
        ("ycb:nonsense_xyz", (), ", ".join(ycb_names())),
        ("box.stl", ("--hand", "claw"), ", ".join(HAND_NAMES)),
        ("box.stl", ("--reasoner", "oracle9"), "offline"),
        ("box.stl", ("--ablate", "all"), "contact, initial, refine"),
        ("box.stl", ("--optimizer", "sgd9"), "adam, amsgrad, nadam"),
        ("box.stl", ("--view", "5"), "--view"),
        ("box.stl", ("--segmenter", "scissors"), "sam:PATH_OR_ID"),
        ("box.stl", ("--features", "nowhere"), "part_feat_box_0_batch.npy"),
        ("box.stl", ("--num", "0"), "--num"),
        ("box.stl", ("--keep", "0"), "--keep"),
        ("box.stl", ("--num", "4", "--keep", "5"), "--keep"),
        ("box.stl", ("--seed", "-1"), "--seed"),
        ("box.stl", ("--up", "w"), "up"),
        ("box.stl", ("--scale", "-1"), "scale"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    bad_meshes: Path, capfd: pytest.CaptureFixture[str], mesh: str, options: tuple[str, ...], said: str
) -> None:
    path = mesh if mesh.startswith("ycb:") else str(bad_meshes / mesh)
    out = bad_meshes / "out"
    assert cli.main(["synth", path, "hold it", "--out", str(out), *options]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if not line.startswith("[")]
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("zdg: got ")
    assert "expected" in lines[0]
    assert said in lines[0]


@pytest.mark.parametrize("task", ["", "   ", "\n\t"])
def test_an_empty_task(tmp_path: Path, capfd: pytest.CaptureFixture[str], task: str) -> None:
    assert cli.main(["synth", "ycb:025_mug", task, "--out", str(tmp_path / "out")]) == 2
    assert "empty task" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unwritable_folder_is_found_before_the_work(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("work was started")

    monkeypatch.setattr("zdg_jax.objects.load_object", never)
    assert cli.main(["synth", "ycb:025_mug", "drink", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "a folder that can be written" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [((), "no file"), (("--protocol", "shake"), "gravity"), (("--backend", "gpu9"), "auto, mjx")],
)
def test_eval_of_bad_input(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    assert cli.main(["eval", str(tmp_path / "none.parquet"), *options]) == 2
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 1
    assert said in err


@pytest.mark.parametrize(
    ("kept", "good", "code"),
    [("ok", True, 0), ("ok", False, 4), ("bad_object", False, 1), (None, False, 1)],
)
def test_exit_status_says_whether_any_grasp_succeeded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kept: str | None,
    good: bool,
    code: int,
) -> None:
    from pipelines import synth

    lost = Grasps.of("human16", ("a",), np.zeros((3, 7)), np.zeros((3, 1)), status=["refine_nan"] * 3)
    columns = {"rank": np.zeros(1), "good": np.array([good])}
    one = np.zeros((1, 7)), np.zeros((1, 1))
    first = Grasps.of("human16", ("a",), *one, status=[kept or "ok"], columns=columns)
    grasps = lost if kept is None else concat([first, lost])
    result = synth.SynthResult(tmp_path, "refused", "no answer", grasps, {})
    monkeypatch.setattr(synth, "synth", lambda options, reasoner: result)
    assert cli.main(["synth", "ycb:025_mug", "drink", "--out", str(tmp_path)]) == code
    said = capsys.readouterr().out
    assert f"{3 + (kept == 'bad_object')} failed" in said
    assert ("no kept grasp is good" in said) == (code == 4)


def test_an_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pipelines import synth

    def stop(options: object, reasoner: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(synth, "synth", stop)
    assert cli.main(["synth", "ycb:025_mug", "drink", "--out", str(tmp_path)]) == 130


def test_a_line_break_in_a_name_stays_one_line() -> None:
    assert "\n" not in str(UserError("a\nb", "c", "d"))
