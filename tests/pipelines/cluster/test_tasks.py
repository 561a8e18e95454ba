"""Bad tables are refused in one line, before anything is asked; good ones say what they say."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import generate, plan
from pipelines.drivers.tasks import read_tasks
from zdg_jax.errors import UserError

GOOD = (
    "object,task,task_id\nycb:025_mug,drink from it,a\nycb:048_hammer,hammer,b\nycb:025_mug,hand it over,c\n"
)


def write(folder: Path, text: str, name: str = "tasks.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


BAD = {
    "missing column": ("object,sentence\nycb:025_mug,x\n", "without column task"),
    "empty table": ("object,task\n", "without a single row"),
    "empty file": ("", "without a single row"),
    "duplicate ids": (GOOD + "ycb:025_mug,wash it,a\n", "task_id 'a' in rows 1 and 4"),
    "same row twice": ("object,task\nycb:025_mug,x\nycb:025_mug,x\n", "in rows 1 and 2"),
    "unknown scan": ("object,task\nycb:025_mugg,x\n", "row 1: ycb:025_mugg"),
    "unknown zoo": ("object,task\nzoo:mugg/1,x\n", "row 1: zoo:mugg/1"),
    "no such variant": ("object,task\nzoo:mug/77,x\n", "row 1: zoo:mug/77"),
    "no such file": ("object,task\nycb:025_mug,x\n/nowhere/a.stl,x\n", "row 2: /nowhere/a.stl"),
    "empty sentence": ('object,task\nycb:025_mug,"  "\n', "row 1: task"),
    "bad scale": ("object,task,scale\nycb:025_mug,x,-1\n", "row 1: scale '-1'"),
    "bad axis": ("object,task,up\nycb:025_mug,x,w\n", "row 1: up 'w'"),
    "bad seed": ("object,task,seed\nycb:025_mug,x,-3\n", "row 1: seed '-3'"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_line_and_exit_2(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, expected = BAD[case]
    path, out = write(tmp_path, text), tmp_path / "out"
    assert generate.main(["--tasks", path, "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1
    assert not list(out.glob("*/*"))
    assert plan.main(["--tasks", path]) == 2


def test_an_unreadable_file_and_a_strange_kind(tmp_path: Path) -> None:
    for name, text, expected in (
        ("x.parquet", "no parquet", "unreadable"),
        ("x.xlsx", "", "one of .parquet"),
        ("none.csv", None, "no file at"),
    ):
        path = str(tmp_path / name) if text is None else write(tmp_path, text, name)
        with pytest.raises(UserError, match=expected):
            read_tasks(path)


def test_every_format_gives_the_same_tasks_grouped_by_object(tmp_path: Path) -> None:
    rows = [
        {"object": "ycb:025_mug", "task": "drink from it", "task_id": "a", "note": "x"},
        {"object": "ycb:048_hammer", "task": "hammer", "task_id": "b", "note": "y"},
        {"object": "ycb:025_mug", "task": "hand it over", "task_id": "c", "note": "z"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    write(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "t.jsonl")
    write(tmp_path, GOOD, "t.csv")
    found = [read_tasks(str(tmp_path / name)) for name in ("t.parquet", "t.jsonl", "t.csv")]
    assert found[0].tasks == found[1].tasks == found[2].tasks
    assert [task.task_id for task in found[0].tasks] == ["a", "c", "b"]
    assert found[0].ignored == ("note",)
    assert len(found[0].objects) == 2


def test_ids_are_made_of_the_contents_and_keep_their_meaning(tmp_path: Path) -> None:
    one = read_tasks(write(tmp_path, "object,task\nycb:025_mug,x\n")).tasks[0]
    same = read_tasks(write(tmp_path, "task,object,seed\nx,ycb:025_mug,0\n")).tasks[0]
    other = read_tasks(write(tmp_path, "object,task,seed\nycb:025_mug,x,1\n")).tasks[0]
    assert one.task_id == same.task_id == one.content_sha
    assert other.task_id != one.task_id
    assert read_tasks(write(tmp_path, "object,task\nycb:025_mug,x\n"), 1).tasks[0] == other


def test_text_stays_text(tmp_path: Path) -> None:
    rows = "object,task,task_id,name,scale\nycb:025_mug,NA,007,null,\nycb:025_mug,1,1,2024-01-01,0.5\n"
    found = read_tasks(write(tmp_path, rows)).tasks
    assert [(t.task, t.task_id, t.name, t.scale) for t in found] == [
        ("NA", "007", "null", 1.0), ("1", "1", "2024-01-01", 0.5),
    ]  # fmt: skip
    lines = [
        {"object": "ycb:025_mug", "task": "2024-01-01", "task_id": 1},
        {"object": "ycb:025_mug", "task": "x", "task_id": 1.5},
    ]
    found = read_tasks(write(tmp_path, "\n".join(map(json.dumps, lines)), "t.jsonl")).tasks
    assert [(t.task, t.task_id) for t in found] == [("2024-01-01", "1"), ("x", "1.5")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"object,task,scale\nycb:025_mug,x,nan\n"),
        ("t.csv", b"object,task,seed\nycb:025_mug,x,1.5\n"),
        ("t.csv", b"\xff\xfe\x00"), ("t.csv", b"object,task\n\x00,\x00\n"), ("t.jsonl", b"[" * 100_000),
        ("t.jsonl", b"3\n"), ("t.jsonl", b'{"object": [], "task": {}}'), ("t.jsonl", b'{"object": "a"'),
        ("t.jsonl", b'{"object": "ycb:025_mug", "task": "x", "seed": true}'), ("t.parquet", b"PAR1PAR1"),
        ("t.csv", b'object,task\n"\x1b[31mred","x"\n'), ("t.csv", b"object,object,task\na,a,x\n"),
        ("t.csv", "object,task\nycb:025_mug,x\n".encode("utf-16")),
        ("t.csv", b"object,task\nycb:025_mug,x,y,z\n"),
        ("t.csv", b"object,task\nycb:025_mug," + b"x" * 3_000_000),
        ("t.csv", b"object;task\nycb:025_mug;x\n"),
        ("t.jsonl", b'{"object": "ycb:025_mug", "task": "half a letter \\ud83d"}'),
        ("t.jsonl", b'{"object": "ycb:025_mug", "task": "x", "name": "\\udc42"}'),
        ("t.jsonl", b'{"object": "ycb:025_mug", "task": "x", "task_id": "\\ud800"}'),
        ("t.jsonl", b'{"object": "\\udcfc.stl", "task": "x"}'),
        ("t.jsonl", b'{"object": "ycb:025_mug", "task": "x", "scale": NaN}'),
        ("t.jsonl", b'{"object": "ycb:025_mug", "task": "x", "seed": ' + b"9" * 5000 + b"}"),
    ],
)  # fmt: skip
def test_a_hostile_table_is_one_printable_line(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_tasks(str(tmp_path / name))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1]), pa.array([["ycb:025_mug"]]), pa.array([{"a": "ycb:025_mug"}]), pa.array([b"\xff"]),
        pa.nulls(1), pa.array([10**18], pa.timestamp("ns")), pa.array([True]), pa.array([1.5]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["object", "task", "name"])
def test_columns_of_another_kind_are_one_line(name: str, column: pa.Array, tmp_path: Path) -> None:
    if name == "name" and column.null_count:
        return  # nothing is no name
    good = {"object": pa.array(["ycb:025_mug"]), "task": pa.array(["x"])}
    pq.write_table(pa.table({**good, name: column}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=rf"row 1: {name} .*some text"):
        read_tasks(str(tmp_path / "t.parquet"))


def test_marks_and_line_ends_of_other_systems(tmp_path: Path) -> None:
    for name, content in (
        ("t.csv", b"\xef\xbb\xbfobject,task\r\nycb:025_mug,x\r\n"),
        ("r.csv", b"object,task\rycb:025_mug,x\r"),
        ("t.jsonl", b'\xef\xbb\xbf{"object": "ycb:025_mug", "task": "x"}\r\n'),
    ):
        (tmp_path / name).write_bytes(content)
        (task,) = read_tasks(str(tmp_path / name)).tasks
        assert (task.object, task.task) == ("ycb:025_mug", "x")


def test_a_pipe_is_no_table(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(UserError, match="pipe"):
        read_tasks(str(tmp_path / "t.csv"))
