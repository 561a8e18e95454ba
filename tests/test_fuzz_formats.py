"""Readers of other people's files, damaged: grasps, hand models, answers, settings, features, filters.

As in `test_fuzz.py`: a value or one line, whatever a library below raises.
"""

from __future__ import annotations

import asyncio
import copy
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.formats import read_grasps
from pipelines.report.table import chosen, ordered
from tests.pipelines.cluster.things import sticks
from tests.pipelines.formats.test_formats import make
from tests.pipelines.formats.test_hostile import FIELDS, OTHERS, with_field
from tests.reasoning.models.questions import question
from tests.test_fuzz import ANY, WORDS, damaged, fuzz, value_or_line
from zdg_jax import arrow
from zdg_jax.errors import UserError
from zdg_jax.hands.io.model_files import compile_model
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.samples import read_features
from zdg_jax.reasoning.models import settings as model_settings
from zdg_jax.reasoning.models.recorded import OracleReasoner, ReplayReasoner
from zdg_jax.reasoning.protocol import ReasonerError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(fuzz, max_examples=40)
@given(name=st.sampled_from(OTHERS), drawn=st.data())
def test_grasp_files_of_others_with_any_value_in_a_field(name: str, drawn: st.DataObject) -> None:
    with TemporaryDirectory() as place:
        bad = with_field(name, Path(place), drawn.draw(st.sampled_from(FIELDS[name])), drawn.draw(ANY))
        value_or_line(lambda: read_grasps(str(bad)))


@settings(fuzz, max_examples=40)
@given(name=st.sampled_from(OTHERS), drawn=st.data())
def test_grasp_files_of_others_with_damaged_bytes(name: str, drawn: st.DataObject) -> None:
    with TemporaryDirectory() as place:
        path = make(name, Path(place) / "x")
        path.write_bytes(drawn.draw(damaged(path.read_bytes(), text=path.suffix == ".json")))
        value_or_line(lambda: read_grasps(str(path)))


MJCF = b"""<mujoco model="claw"><compiler angle="radian"/><default><joint damping="0.1"/></default><worldbody>
<body name="palm"><geom name="p" type="box" size="0.03 0.01 0.04"/><body name="index" pos="0 0 0.05">
<joint name="i0" axis="1 0 0" range="0 1.5"/><geom type="capsule" fromto="0 0 0 0 0 0.04" size="0.008"/>
</body></body></worldbody><actuator><position joint="i0" kp="1"/></actuator></mujoco>"""


@settings(fuzz, max_examples=40)
@given(data=damaged(MJCF, text=True))
def test_mjcf(folder: Path, data: bytes) -> None:
    path = folder / "claw.xml"
    path.write_bytes(data)
    value_or_line(lambda: compile_model(path))


ASKED, CALLS = question(), arrow.schema(16).field("calls").type
RECORD: dict[str, Any] = {
    "stages": [
        {
            "stage": ASKED.stage, "prompt": ASKED.prompt, "image_sha": [],
            "attempts": [
                {
                    "answer": {"reasoning": "it fits", "rotation": 2}, "refused": None, "status": None,
                    "call": {"provider": "p", "model": "m", "input_tokens": 9, "cost_usd": 0.1},
                }
            ],
        }
    ]
}  # fmt: skip
LABELS = {"hammer": {"hammer": {"rotation": {"rotation": 2}}, "*": {"view": {"view": 1}}}}


def answered(make_one: Callable[[], Any]) -> None:
    """Read, asked, and what was said written into a row."""
    try:
        reasoner = value_or_line(make_one)
        if reasoner is None:
            return
        call = asyncio.run(reasoner.ask(ASKED)).call
    except ReasonerError:
        return
    pa.Table.from_pylist([{"calls": [asdict(call)]}], schema=pa.schema([("calls", CALLS)]))


@st.composite
def with_another_value(draw: Callable[..., Any], sound: Any) -> bytes:
    """The same tree as JSON, which is YAML too, with one value of any kind."""
    root = {"root": copy.deepcopy(sound)}
    place: Any = root
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key]) or draw(st.integers(0, 9)) == 0:
            place[key] = draw(ANY)
            return json.dumps(root["root"]).encode()
        place = place[key]


def changed(sound: Any) -> st.SearchStrategy[bytes]:
    """Its text damaged, or one of its values another."""
    return damaged(yaml.safe_dump(sound).encode(), text=True) | with_another_value(sound)


@settings(fuzz, max_examples=40)
@given(data=damaged(json.dumps(RECORD).encode(), text=True) | with_another_value(RECORD))
def test_recorded_answers(folder: Path, data: bytes) -> None:
    path = folder / "trace.json"
    path.write_bytes(data)
    answered(lambda: ReplayReasoner(str(path)))


@settings(fuzz, max_examples=40)
@given(data=changed(LABELS))
def test_labels_of_people(folder: Path, data: bytes) -> None:
    path = folder / "labels.yaml"
    path.write_bytes(data)
    answered(lambda: OracleReasoner(str(path)))


WIRE = "zdg_jax.reasoning.models.openai_wire:OpenAIChat"
PROVIDERS = {
    "settings": {"default": {"timeout_s": 60.0, "concurrency": 4}},
    "providers": {"mine": {"wire": WIRE, "keys": ["MINE_API_KEY"], "address": "MINE_URL"}},
    "abilities": [{"models": ["m*"], "temperature": None, "max_output_tokens": 1000}],
}


@settings(fuzz, max_examples=15)  # 0.15 s each
@given(data=changed(PROVIDERS))
def test_settings_of_providers(folder: Path, data: bytes) -> None:
    path = folder / "providers.yaml"
    path.write_bytes(data)
    model_settings._tables.cache_clear()
    value_or_line(lambda: model_settings._tables(str(path)))


@pytest.fixture(scope="module")
def box(folder: Path) -> ObjectModel:
    return load_object(sticks(folder)[1])


FEATURES = io.BytesIO()
np.save(FEATURES, np.ones((12, 2), np.float32))  # a row a face of the box


@settings(fuzz, max_examples=40)
@given(data=damaged(FEATURES.getvalue(), text=True))
def test_features_of_a_mesh(box: ObjectModel, folder: Path, data: bytes) -> None:
    path = folder / "features.npy"
    path.write_bytes(data)
    value_or_line(lambda: read_features(path, box))


@pytest.mark.parametrize(
    "rows",
    [
        np.full((12, 2), 1e300), np.full((12, 2), np.nan), np.ones((12, 0)), np.ones((12, 2), complex),
        np.full((12, 2), "x"), np.array([{}] * 12, object), np.ones(12), np.float64(3),
        np.ones((12, 2), "m8[s]"),
    ],
)  # fmt: skip
def test_features_that_are_no_numbers(rows: np.ndarray, box: ObjectModel, folder: Path) -> None:
    np.save(folder / "odd.npy", rows, allow_pickle=True)
    with pytest.raises(UserError, match="features"):
        read_features(folder / "odd.npy", box)


def test_features_in_an_archive_are_none(box: ObjectModel, folder: Path) -> None:
    np.savez(folder / "several.npz", np.ones((12, 2)))
    (folder / "several.npz").rename(folder / "several.npy")
    with pytest.raises(UserError, match="an archive"):
        read_features(folder / "several.npy", box)
    (folder / "good.npy").write_bytes(FEATURES.getvalue())
    assert read_features(folder / "good.npy", box).shape[1] == 2


COLUMNS = {
    "good": np.array([True, False, True]), "p_dep_cm": np.array([0.1, np.nan, 3.0]),
    "task": np.array(["lift", "", "é"], object),
}  # fmt: skip


@fuzz
@given(
    words=st.lists(st.sampled_from((*WORDS, *COLUMNS, "and", "not", "<", ">=", "==", "!=", " ")), max_size=6)
)
def test_filters_of_a_table(words: list[str]) -> None:
    where = " ".join(words)
    value_or_line(lambda: chosen(COLUMNS, where))
    value_or_line(lambda: ordered(COLUMNS, where))
