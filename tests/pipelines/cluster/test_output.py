"""What is written is the truth: shards, resumption, refusal, and readers that people use."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.dataset import parquet, read_dataset
from pipelines.drivers.files import Folder
from pipelines.plan import finished as finished_ids
from pipelines.stages.write import Output
from tests.pipelines.cluster.made import finished, options, spec
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand

TASKS = [spec(i) for i in range(6)]


@pytest.fixture(params=["local", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "out") if request.param == "local" else "memory://zdg-test/out"
    fsspec.filesystem("memory").store.clear()


def opened(uri: str, **more) -> Output:
    output = Output(Folder(uri), options(uri, **more), load_hand("human16"))
    output.begin(TASKS)
    return output


def test_a_run_that_was_killed_between_the_two_files_goes_on(uri: str) -> None:
    first = opened(uri)
    assert first.write([finished(TASKS[0]), finished(TASKS[1])]) == "part-00000.parquet"
    first.write([finished(TASKS[2])])
    first.folder.write("grasps/part-00002.parquet", b"a shard whose twin never came")
    second = opened(uri)
    assert set(second.done) == finished_ids(uri) == {"t0", "t1", "t2"}
    assert second.folder.names("grasps") == ["part-00000.parquet", "part-00001.parquet"]
    assert second.write([finished(task) for task in TASKS[3:]]) == "part-00002.parquet"
    second.finish(len(TASKS))
    manifest = json.loads(second.folder.read("manifest.json"))
    assert (manifest["complete"], manifest["tasks_done"], manifest["shards"]) == (True, 6, 3)
    card = second.folder.read("README.md").decode()
    assert "6 of 6 tasks on 1 objects, 12 rows" in card
    assert "| ok | 6 |" in card
    assert "6 model calls, $1.5000, 6000 input and 300 output tokens" in card
    info = json.loads(second.folder.read("dataset_info.json"))
    assert info["objects"]["ycb:025_mug"]["mesh_sha256"] == "abc"
    assert len(info["joint_names"]) == 16


def test_another_configuration_or_meaning_is_refused(uri: str) -> None:
    opened(uri).write([finished(TASKS[0])])
    with pytest.raises(UserError, match="num 4 there and 8 here"):
        opened(uri, num=8)
    opened(uri, shard=3, in_flight=7)  # how, not what
    other = spec(0, "ycb:048_hammer")
    with pytest.raises(UserError, match="'t0', which stands for another task"):
        Output(Folder(uri), options(uri), load_hand("human16")).begin([other])


def test_a_folder_of_somebody_else_is_refused(uri: str) -> None:
    Folder(uri).write("grasps/part-00000.parquet", b"theirs")
    with pytest.raises(UserError, match=r"without manifest\.json"):
        opened(uri)
    assert Folder(uri).read("grasps/part-00000.parquet") == b"theirs"


@pytest.mark.parametrize("part", ["tasks", "grasps"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "another schema", "short"])
def test_a_pair_with_a_damaged_half_is_put_aside_and_done_again(part: str, damage: str, uri: str) -> None:
    first = opened(uri)
    first.write([finished(TASKS[0]), finished(TASKS[1])])
    first.write([finished(TASKS[2])])
    name, folder = f"{part}/part-00000.parquet", first.folder
    data = folder.read(name)
    if damage == "gone":
        folder.delete(name)
    elif damage == "another schema":
        folder.write(name, parquet(pa.table({"x": [1]})))
    elif damage == "short":  # one row less than its twin says
        folder.write(name, parquet(pq.read_table(pa.BufferReader(data)).slice(1)))
    else:
        folder.write(name, data[: len(data) // 2] if damage == "cut" else b"")
    again = opened(uri)
    assert set(again.done) == {"t2"}
    (note,) = again.notes
    assert "part-00000.parquet" in note
    assert folder.names("damaged")
    again.write([finished(task) for task in TASKS[:2]])
    again.finish(3)
    assert set(opened(uri).done) == {"t0", "t1", "t2"}


def test_a_resume_that_is_killed_puts_everything_aside_the_next_time(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the last pair's, whose half looks like one that was never ended; and nothing there is replaced."""
    moved: list[bytes] = []
    calls: list[str] = []
    real = Folder.move

    def killed(self: Folder, name: str, to: str) -> None:
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(self, name, to)

    for time in (1, 2):
        output = opened(uri)
        assert output.write([finished(TASKS[0], time)]) == "part-00000.parquet"
        folder = output.folder
        moved.append(folder.read("grasps/part-00000.parquet"))
        folder.write("tasks/part-00000.parquet", b"damaged")
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Folder, "move", killed)
            with pytest.raises(KeyboardInterrupt):
                opened(uri)
        assert not opened(uri).done
        kept = [folder.read(f"damaged/{name}") for name in folder.names("damaged")]
        assert all(data in kept for data in moved)
        assert kept.count(b"damaged") == time
        assert not folder.names("tasks")
        assert not folder.names("grasps")


def test_a_folder_of_an_older_version_goes_on(uri: str) -> None:
    first = opened(uri)
    first.write([finished(TASKS[0]), finished(TASKS[1])])
    name, folder = "tasks/part-00000.parquet", first.folder
    older = pq.read_table(pa.BufferReader(folder.read(name))).drop_columns(["rows"])
    folder.write(name, parquet(older))
    again = opened(uri)
    assert set(again.done) == {"t0", "t1"}
    assert not again.notes


def test_files_of_the_users_are_neither_read_nor_deleted(uri: str) -> None:
    opened(uri).write([finished(TASKS[0])])
    folder = Folder(uri)
    theirs = ["grasps/merged.parquet", "grasps/part-1.parquet", "tasks/notes.txt", "tasks/backup.parquet"]
    for name in theirs:
        folder.write(name, b"theirs")
    again = opened(uri)
    assert set(again.done) == finished_ids(uri) == {"t0"}
    again.write([finished(TASKS[1])])
    again.finish(2)
    assert all(folder.read(name) == b"theirs" for name in theirs)


@pytest.mark.parametrize("text", ["[]", "3", "{", '{"config": 7}', "[" * 100_000])
def test_a_manifest_that_is_none(text: str, uri: str) -> None:
    opened(uri).write([finished(TASKS[0])])
    Folder(uri).write("manifest.json", text.encode())
    with pytest.raises(UserError, match=r"manifest|configuration"):
        opened(uri)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text("")
    with pytest.raises(UserError, match="tasks, a file"):
        opened(str(tmp_path))


def test_another_batch_or_device_is_refused(uri: str) -> None:
    first = opened(uri)
    first.agree({"device": "cpu", "tasks a call": 2})
    first.write([finished(TASKS[0])])
    first.finish(6)
    opened(uri).agree({"device": "cpu", "tasks a call": 2})
    with pytest.raises(UserError, match="refined with device cpu, tasks a call 2, and device gpu"):
        opened(uri).agree({"device": "gpu", "tasks a call": 2})
    with pytest.raises(UserError, match="batch None there and 16 here"):
        opened(uri, batch=16)


def test_every_usual_reader_reads_it(tmp_path: Path) -> None:
    import pandas as pd

    output = opened(str(tmp_path))
    output.write([finished(TASKS[0]), finished(TASKS[1], 1)])
    output.write([finished(TASKS[2])])
    folder = tmp_path / "grasps"
    ids = ["t0-0-0000", "t0-0-0001", "t1-0-0000", "t2-0-0000", "t2-0-0001"]
    assert ds.dataset(folder).to_table()["grasp_id"].to_pylist() == ids
    frame = pd.read_parquet(folder)
    assert frame["grasp_id"].tolist() == ids
    assert frame["joints"].iloc[0].shape == (16,)
    polars = pytest.importorskip("polars")
    assert polars.read_parquet(folder / "*.parquet")["grasp_id"].to_list() == ids


@pytest.mark.filterwarnings("ignore")  # its own
def test_hugging_face_datasets_reads_it(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    opened(str(tmp_path)).write([finished(TASKS[0])])
    found = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "grasps" / "*.parquet"), cache_dir=str(tmp_path / "cache")
    )
    assert found["train"]["grasp_id"] == ["t0-0-0000", "t0-0-0001"]


@pytest.mark.filterwarnings("ignore")  # its own
def test_hugging_face_datasets_reads_the_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    output = opened(str(tmp_path / "out"))
    output.write([finished(TASKS[0])])
    output.finish(len(TASKS))
    out, cache = str(tmp_path / "out"), str(tmp_path / "cache")
    grasps, tasks = (datasets.load_dataset(out, name, cache_dir=cache) for name in (None, "tasks"))
    assert grasps["train"]["grasp_id"][:] == ["t0-0-0000", "t0-0-0001"]
    assert tasks["train"]["task_id"][:] == ["t0"]


def test_the_card_says_which_files_are_which_and_takes_nobodys_place(uri: str) -> None:
    """What hubs and `load_dataset` read: grasps by default, tasks by name; patterns fit our files only."""
    output = opened(uri)
    output.write([finished(TASKS[0])])
    output.finish(len(TASKS))
    _, front, _ = output.folder.read("README.md").decode().split("---\n", 2)
    grasps, tasks = yaml.safe_load(front)["configs"]
    assert grasps == {"config_name": "grasps", "data_files": "grasps/part-*.parquet", "default": True}
    assert tasks == {"config_name": "tasks", "data_files": "tasks/part-*.parquet"}
    for config in (grasps, tasks):
        below, pattern = config["data_files"].split("/")
        assert fnmatch.filter(output.folder.names(below), pattern) == ["part-00000.parquet"]
    output.finish(len(TASKS))  # our own is renewed
    assert not output.folder.exists("dataset_card.md")
    output.folder.write("README.md", b"# What I do with these\n")
    output.finish(len(TASKS))
    assert output.folder.read("README.md") == b"# What I do with these\n"
    assert output.folder.read("dataset_card.md").startswith(b"---\nconfigs:\n")


def test_a_shard_is_read_like_any_file_of_grasps(tmp_path: Path) -> None:
    opened(str(tmp_path)).write([finished(TASKS[0])])
    table, info = read_dataset(tmp_path / "grasps" / "part-00000.parquet")
    assert table.num_rows == 2
    assert info["hand"] == "human16"


def test_text_that_no_file_can_hold_is_written_with_escapes(uri: str) -> None:
    """Half a letter in what a server said: it must not end the run, and again at each resume."""
    half, task = "half a letter \ud83d", finished(TASKS[0])
    said = {"status_reason": np.array([half] * len(task.grasps), object)}
    shared = tuple({**row, "reasoner": half} for row in task.grasps.tasks)
    grasps = replace(task.grasps, tasks=shared, columns={**task.grasps.columns, **said})
    output = opened(uri)
    output.write([replace(task, status="x", reason=half, grasps=grasps, trace={"said": half})])
    output.finish(len(TASKS))
    (told,) = pq.read_table(pa.BufferReader(output.folder.read("tasks/part-00000.parquet"))).to_pylist()
    assert told["status_reason"] == "half a letter \\ud83d"
    assert json.loads(told["trace"]) == {"said": half}
    rows = pq.read_table(pa.BufferReader(output.folder.read("grasps/part-00000.parquet"))).to_pylist()
    assert {row[name] for row in rows for name in ("status_reason", "reasoner")} == {"half a letter \\ud83d"}
    assert set(opened(uri).done) == {"t0"}


def test_no_such_address(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="an address of pyarrow or fsspec"):
        Folder("nonsense://x/y")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="output folder"):
        Folder(str(tmp_path / "file" / "below"))
