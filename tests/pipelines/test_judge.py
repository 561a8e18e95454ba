"""`zdg judge` and `zdg prompts`: from stored rows to scores in them, and prompts on the screen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from pipelines import cli, provenance
from pipelines.dataset import load_grasps, read_dataset, write_dataset
from pipelines.judge import best_of_each_task, judge_file, ranked_by_score, report_of
from pipelines.options import SynthOptions
from tests.pipelines.rows_as_grasps import grasps_of
from tests.reasoning.things import Scripted
from zdg_jax import api
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.reasoning.judge import Verdict
from zdg_jax.reasoning.protocol import ReasonerError

HAND = load_hand("human16")


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mesh") / "stick.stl"
    trimesh.creation.cylinder(radius=0.015, height=0.2).export(path)
    return path


@pytest.fixture
def folder(stick: Path, tmp_path: Path) -> Path:
    """Four kept grasps and one failed row, in a shuffled order of ranks."""
    options = SynthOptions(str(stick), "lift it")
    obj = load_object(str(stick))
    shared = provenance.task_columns(
        obj, HAND, ReasonedGrasp("lift it", "ok", "", None, None, ()), options, 0
    )
    made = []
    for place, rank in enumerate([2, 0, 1, 3]):
        pose = np.array([0.0, 0.03 + 0.01 * rank, 0.0, 1.0, 0.0, 0.0, 0.0])
        columns = {"p_dep_cm": 0.1, "p_vol_cm3": 0.2, "sim_dis_cm": 0.3, "contact_end": True, "rank": rank}
        made.append(
            {
                **shared,
                **columns,
                "grasp_id": f"g{place}",
                "status": "ok",
                "status_reason": "",
                "hand_pose": pose,
                "joints": HAND.open_joints,
                "grasp_type": "press",
                "energy_total": 1.0,
            }
        )
    made.append({**shared, "grasp_id": "lost", "status": "refine_nan", "status_reason": "x"})
    write_dataset(
        tmp_path, grasps_of(made, HAND.active_names), provenance.dataset_info(obj, HAND, options.config(), {})
    )
    return tmp_path


def test_scores_reasons_and_calls_are_stored(folder: Path) -> None:
    before = read_dataset(folder)[0].drop_columns(["p_score", "calls"])
    reasoner = Scripted("j", judge=[{"score": 4}, {"score": 5}])
    report = judge_file(str(folder), reasoner, grasps=2)
    table = read_dataset(folder)[0]
    assert table["p_score"].to_pylist() == [None, 4.0, 5.0, None, None]
    assert [len(calls) for calls in table["calls"].to_pylist()] == [0, 1, 1, 0, 0]
    assert str(table.drop_columns(["p_score", "calls"]).to_pylist()) == str(before.to_pylist())
    assert report.total.mean == 4.5
    assert "P.Score 4.50, +- 0.71 within one" in report.summary()
    stored = json.loads((folder / "judge.json").read_text())
    assert [grasp["name"] for grasp in stored["grasps"]] == ["g1", "g2"]
    assert stored["grasps"][0]["reasoning"] == "because"
    for grasp, question in zip(stored["grasps"], reasoner.asked, strict=True):
        picture = Image.open(folder / "judge" / f"{grasp['name']}.png")
        assert picture.tobytes() == question.images[0].tobytes()


def test_the_picture_shows_thumb_index_and_a_grey_object(folder: Path) -> None:
    reasoner = Scripted("j", judge=[{"score": 4}])
    judge_file(str(folder), reasoner, grasps=1)
    pixels = np.asarray(reasoner.asked[0].images[0], dtype=float)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    assert ((green > 1.3 * red) & (green > 1.2 * blue)).sum() > 200  # thumb
    assert ((red > 1.8 * green) & (red > 1.8 * blue)).sum() > 200  # index finger
    assert ((blue > 1.5 * red) & (blue > 1.2 * green)).sum() == 0  # the chosen part is not given away


def test_a_failed_judge_leaves_null(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reasoner = Scripted("j", judge=[ReasonerError("refused", "policy")])
    report = judge_file(str(folder), reasoner, grasps=1)
    assert read_dataset(folder)[0]["p_score"].null_count == 5
    assert report.total.mean is None
    assert "1 without a score: refused" in report.summary()


def test_reorder_puts_the_best_score_first_and_moves_nothing_else(folder: Path) -> None:
    before = read_dataset(folder)[0].drop_columns(["p_score", "calls", "rank"])
    assert read_dataset(folder)[0]["rank"].to_pylist() == [2, 0, 1, 3, None]
    # asked in the file's order: ranks 2, 0, 1 get 3, 2, 5
    judge_file(
        str(folder), Scripted("j", judge=[{"score": 3}, {"score": 2}, {"score": 5}]), grasps=3, reorder=True
    )
    table = read_dataset(folder)[0]
    assert table["p_score"].to_pylist() == [3.0, 2.0, 5.0, None, None]
    assert table["rank"].to_pylist() == [1, 2, 0, 3, None]
    assert str(table.drop_columns(["p_score", "calls", "rank"]).to_pylist()) == str(before.to_pylist())
    assert load_grasps(folder)[0].best(1)["grasp_id"].tolist() == ["g2"]


def test_reorder_keeps_equal_scores_as_they_were_and_the_unscored_last(folder: Path) -> None:
    said = [{"score": 4}, ReasonerError("refused", "policy"), {"score": 4}, {"score": 5}]
    judge_file(str(folder), Scripted("j", judge=said), grasps=9, reorder=True)
    assert read_dataset(folder)[0]["rank"].to_pylist() == [2, 3, 1, 0, None]


def test_reorder_is_within_a_task_and_seed() -> None:
    given = [("a", 0, 0, 1), ("a", 0, 1, 5), ("a", 1, 0, 2), ("a", 1, 1, 3), ("b", 0, 0, 4), ("b", 0, 1, 4)]
    same = {"task": "lift it", "status": "ok", "status_reason": "", "hand_pose": np.eye(7)[3]}
    rows = [
        {**same, "object_id": o, "seed": s, "rank": r, "p_score": score, "joints": HAND.open_joints}
        for o, s, r, score in given
    ]
    # as a file is read: one task for all rows of an object and seed
    grasps = replace(grasps_of(rows, HAND.active_names), task_index=np.array([0, 0, 2, 2, 4, 4]))
    assert ranked_by_score(grasps, np.arange(6))["rank"].tolist() == [1, 0, 1, 0, 0, 1]
    assert ranked_by_score(grasps, np.array([0, 2, 3]))["rank"].tolist() == [0, 1, 1, 0, 0, 1]


@pytest.mark.slow
def test_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["judge", str(folder), "--reasoner", "offline"]) == 2
    assert "looks at no pictures" in capsys.readouterr().err
    monkeypatch.setattr(api, "make_reasoner", lambda name, **_: Scripted(name, judge=[{"score": 3}]))
    assert cli.main(["judge", str(folder), "--reasoner", "some:judge", "--grasps", "9"]) == 0
    assert "4 grasps of 1 object(s) judged: P.Score 3.00" in capsys.readouterr().out
    with pytest.raises(UserError, match="--grasps"):
        judge_file(str(folder), Scripted(), grasps=0)
    assert cli.main(["judge", str(folder), "--people", "--reorder"]) == 2
    assert "--reorder without --reasoner" in capsys.readouterr().err


def test_each_object_counts_once() -> None:
    scores = {"a": [5, 5, 4], "b": [1], "c": [None]}
    ids = [name for name, own in scores.items() for _ in own]
    verdicts = [Verdict("", score, "", "ok", "", {}, ()) for own in scores.values() for score in own]
    report = report_of("f", "j", ids, verdicts)
    assert report.total.mean == pytest.approx((14 / 3 + 1) / 2)
    assert (report.total.judged, report.total.failed) == (2, 1)
    assert report.objects["a"].spread == pytest.approx(np.std([5, 5, 4], ddof=1))


def test_only_kept_grasps_are_judged() -> None:
    rank = {"rank": np.array([1, 0, np.nan])}
    status = ["ok", "bad_object", "ok"]
    grasps = Grasps.of("human16", ("a",), np.zeros((3, 7)), np.zeros((3, 1)), status=status, columns=rank)
    assert best_of_each_task(grasps, 2).tolist() == [0]


@pytest.mark.parametrize("stage", ["hand_part", "judge"])
def test_prompts_show(stage: str, stick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["prompts", "show", stage, str(stick), "lift it", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert '<task>"lift it"</task>' in text
    assert (tmp_path / f"{stage}.md").read_text() == text
    assert len(list(tmp_path.glob("*.png"))) == {"hand_part": 2, "judge": 0}[stage]


def test_prompts_show_an_unknown_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["prompts", "show", "dance"]) == 2
    assert "one of view, hand_part" in capsys.readouterr().err
