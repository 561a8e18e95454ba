"""Grasp files that lie: one line or one row each, whatever is wrong; a pickle builds data alone."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import cli
from pipelines.export import object_names
from pipelines.formats import read_grasps
from pipelines.formats.npy import load_npy
from tests.pipelines.formats import writers
from tests.pipelines.formats.test_formats import BOX, make
from zdg_jax.errors import UserError

OTHERS = ["dexgraspnet", "dexgraspbench", "affordpose"]
fuzz = settings(derandomize=True, deadline=None, max_examples=150)


def npy(body: bytes, shape: str = "()", descr: str = "'|O'") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (117 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


G = b"cnumpy._core.multiarray\n"
O8 = b"cnumpy\ndtype\n\x8c\x01O\x89\x88\x87R"  # dtype('O', False, True)
ARRAY = G + b"_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01"
F8 = b"cnumpy\ndtype\n\x8c\x02f8\x89\x88\x87R"
FLAGS = O8 + b"(K\x03\x8c\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"  # its flags set to 0
HOSTILE = {
    "flags of an object dtype": b"\x80\x04" + ARRAY + b"K\x01\x85" + FLAGS + b"\x89C\x08AAAAAAAAtb.",
    "a scalar of such a dtype": b"\x80\x04" + G + b"scalar\n" + FLAGS + b"C\x08AAAAAAAA\x86R.",
    "os.system": b"\x80\x04cposix\nsystem\n\x8c\x04true\x85R.",
    "getattr": b"\x80\x04cbuiltins\ngetattr\n.",
    "dotted": b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.",
    "a giant memo": b"\x80\x04Nr\xff\xff\xff\x7f.",
    "giant bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0f.",
    "giant bytearray": b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\x00\x00.",
    "a giant long": b"\x80\x04\x8b\xff\xff\xff\x7f.",
    "state of a class": b"\x80\x04cnumpy\nndarray\n}\x8c\x01a\x8c\x01bsb.",
    "state of a function": b"\x80\x04" + G + b"scalar\nN}\x8c\x0c__defaults__Ns\x86b.",
    "an extension": b"\x80\x04\x82\x01.",
    "a new object": b"\x80\x04cnumpy\nndarray\n)\x81.",
    "deep": b"\x80\x04" + b"(" * 100_000 + b"t" * 100_000 + b".",
    "laughter": b"\x80\x04]\x94" + b"".join(b"](h%cee\x94" % k * 1 for k in range(60)) + b".",
    "negative shape": b"\x80\x04" + ARRAY + b"J\xff\xff\xff\xff\x85" + F8 + b"\x89C\x08AAAAAAAAtb.",
    "fewer bytes than the shape": b"\x80\x04" + ARRAY + b"K\x09\x85" + F8 + b"\x89C\x08AAAAAAAAtb.",
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_pickle_builds_nothing_but_plain_arrays(case: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(npy(HOSTILE[case]))
    with pytest.raises(UserError, match="unreadable"):
        load_npy(path)
    with pytest.raises(UserError):
        read_grasps(str(path))


@pytest.mark.parametrize(
    "data",
    [
        npy(b"", "(10000000000000,)", "'<f8'"), npy(b"", "(-1,)", "'<f8'"), npy(b"", "(" * 9000, "'<f8'"),
        npy(b"", "()", "[('a', '<f8')] * 99999999"), b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY",
        b"\x93NUMPY\x09\x09", npy(b"x" * 80, "(10,)", "'<U2147483647'"),
    ],
)  # fmt: skip
def test_headers_that_lie(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(data)
    with pytest.raises(UserError):
        load_npy(path)


def test_plain_data_comes_back_as_it_was(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "c": np.arange(6.0).reshape(2, 3), "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "s": np.float32(3), "u": np.array(["ab", "c"]), "big": np.arange(3, dtype=">f4"),
        "b": np.array([True]), "l": [1, "x", (2, 3)], "i": np.int64(7), "none": None, "e": np.zeros((0, 3)),
        "z": 1 + 2j, "y": b"bytes", "0": b"",
    }  # fmt: skip
    for protocol in (2, 3, 4, 5):
        body = io.BytesIO()
        pickle.dump(np.array(values, object), body, protocol=protocol)
        (tmp_path / "x.npy").write_bytes(npy(body.getvalue()))
        found = load_npy(tmp_path / "x.npy")
        assert found.keys() == values.keys()
        for name, value in values.items():
            assert type(found[name]) is type(value), name
            assert np.array_equal(np.asarray(found[name], object), np.asarray(value, object)), name


@fuzz
@given(st.binary(max_size=200), st.integers(0, 400), st.data())
@pytest.mark.slow
def test_fuzz_npy(body: bytes, place: int, data: st.DataObject) -> None:
    """Random pickles, and good files with some bytes changed."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        good = writers.dexgraspbench(Path(folder) / "g.npy", np.zeros((3, 29)), np.zeros(7)).read_bytes()
        changed = bytearray(good)
        for _ in range(3):
            changed[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
        for k, content in enumerate((npy(body + b"."), bytes(changed), good[: place % len(good)])):
            path = Path(folder) / f"{k}.npy"
            path.write_bytes(content)
            with suppress(UserError):
                read_grasps(str(path))


WEIRD: list[Any] = [
    None, "", "x", "1", b"1", -1, 0, 1e308, float("inf"), float("nan"), 10**400, True, [], [1, 2], ["a"],
    [[1], [2, 3]], {}, {"a": 1}, [None] * 7, "../..", "a\0b", "x" * 10_000, np.zeros((2, 2, 2)),
    np.zeros(7, complex),
    [[[[[[[[[[1]]]]]]]]]],
]  # fmt: skip
FIELDS = {
    "dexgraspbench": [
        "grasp_qpos", "pregrasp_qpos", "grasp_pose", "robot_pose", "hand_name", "hand_type", "joint_names",
        "grasp_id", "obj_path", "obj_scale", "obj_pose", "scene_cfg", "scene_path",
    ],
    "dexgraspnet": ["qpos", "scale", "grasp_id"],
    "affordpose": ["dofs", "rhand_trans", "rhand_quat", "object_mesh", "trans_obj", "quat_obj",
        "afford_name", "class_name"],
}  # fmt: skip


def with_field(name: str, folder: Path, field: str, value: Any) -> Path:
    path = make(name, folder)
    if name == "affordpose":
        data = json.loads(path.read_text())
        data[field] = value
        path.write_text(
            json.dumps(
                data, default=lambda v: np.asarray(v).real.tolist() if not isinstance(v, bytes) else "x"
            )
        )
        return path
    data = np.load(path, allow_pickle=True)
    if name == "dexgraspnet":
        entries = [dict(entry) for entry in data]
        entries[1][field] = value
        holder = np.empty(len(entries), object)
        holder[:] = entries
    else:
        holder = np.array({**data.item(), field: value}, object)
    np.save(path, holder, allow_pickle=True)
    return path


@pytest.mark.parametrize(
    ("name", "field"),
    [
        pytest.param(name, field, marks=[pytest.mark.slow] if k else [])
        for name in OTHERS
        for k, field in enumerate(FIELDS[name])
    ],
)
def test_whatever_a_field_holds_is_one_line_or_one_row(name: str, field: str, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    alone = Counter(read_grasps(str(make(name, folder))).status)
    assert alone["ok"]
    for k, value in enumerate(WEIRD):
        bad = with_field(name, tmp_path / str(k), field, value)
        try:
            alone += Counter(read_grasps(str(bad)).status)
        except UserError:
            alone["unreadable"] += 1
        bad.rename(folder / f"{bad.stem}-{k}{bad.suffix}")
    assert Counter(read_grasps(str(folder)).status) == alone


@pytest.mark.parametrize("name", OTHERS)
def test_a_folder_whose_first_files_are_bad(name: str, tmp_path: Path) -> None:
    good = make(name, tmp_path)
    for k, content in enumerate((b"", b"garbage", b"[" * 100_000)):
        (tmp_path / f"#{k}{good.suffix}").write_bytes(content)
    os.mkfifo(tmp_path / f"$pipe{good.suffix}")
    found = read_grasps(str(tmp_path))
    assert found.status.count("unreadable") == 4
    assert "ok" in found.status


def test_absurd_poses_are_no_numbers(tmp_path: Path) -> None:
    stages = np.full((3, 29), 1e300)
    path = writers.dexgraspbench(tmp_path / "x.npy", stages, np.array([0, 0, 0, 1, 0, 0, 0.0]))
    assert np.isnan(read_grasps(str(path)).joints).all()


def test_a_hand_is_named_not_loaded_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text("model: robot_descriptions:x")
    path = writers.dexgraspbench(
        tmp_path / "x.npy", np.zeros((3, 29)), np.zeros(7), hand_name=str(tmp_path / "card.yaml")
    )
    with pytest.raises(UserError, match="only name a hand"):
        read_grasps(str(path))


def test_exports_stay_in_their_folder_and_apart(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    BOX.export(tmp_path / "in" / "m.obj")
    stages = np.concatenate([writers.poses(3), np.zeros((3, 22))], axis=1)
    pose = np.array([0, 0, 0, 1, 0, 0, 0.0])
    for k, word in enumerate(("..", "a/b", "a_b", "A_B", "x" * 300, "\x1b[31m", "..")):
        writers.dexgraspbench(
            tmp_path / "in" / f"{k}.npy",
            stages,
            pose,
            obj_path=str(tmp_path / "in" / "m.obj"),
            grasp_id=word,
            obj_scale=1.0,
        )
    out = tmp_path / "outer" / "out"
    assert cli.main(["export", str(tmp_path / "in"), "--format", "dexgraspbench", "--out", str(out)]) == 0
    assert [path.name for path in (tmp_path / "outer").iterdir()] == ["out"]
    assert len(list(out.glob("m*/*.npy"))) == 7
    assert len(read_grasps(str(out))) == 7


def test_what_is_no_pose_is_left_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    BOX.export(tmp_path / "in" / "m.obj")
    good = np.concatenate([writers.poses(3), np.zeros((3, 22))], axis=1)
    zero, far = good.copy(), good.copy()
    zero[:, 3:7] = 0
    far[:, 0] = 1e30
    more = {"obj_path": str(tmp_path / "in" / "m.obj"), "obj_scale": 1.0}
    for k, stages in enumerate((good, zero, far)):
        writers.dexgraspbench(tmp_path / "in" / f"{k}.npy", stages, np.array([0, 0, 0, 1, 0, 0, 0.0]), **more)
    for kind in ("dexgraspbench", "glb"):
        out = tmp_path / kind
        assert cli.main(["export", str(tmp_path / "in"), "--format", kind, "--out", str(out)]) == 0
        assert "1 grasps written, 2 left out (invalid_pose: " in capsys.readouterr().out
    assert len(list((tmp_path / "dexgraspbench").glob("m*/*.npy"))) == 1


def test_object_names_never_leave_or_meet(tmp_path: Path) -> None:
    found = read_grasps(str(make("affordpose", tmp_path)))
    names = object_names(found, ["..", ".", "a/b", "a_b", "A_b", "", "CON"])
    assert len({name.lower() for name in names.values()}) == 7
    assert all(name and not name.startswith(".") and "/" not in name for name in names.values())
