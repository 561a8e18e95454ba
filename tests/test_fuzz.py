"""Readers and damaged files: tables of tasks, grasps, URDF and hand cards give a value or one line.

Every example is a sound file with a few places cut, overwritten or replaced by what breaks readers; nothing
but `UserError` may leave a reader, whatever a library below it raises.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.drivers.files import Folder
from pipelines.drivers.tasks import TaskSpec, read_tasks
from pipelines.formats import read_grasps
from pipelines.stages.write import Output
from tests.hands.robots import urdf
from tests.pipelines.cluster.made import finished, options, spec
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.hands.io.hand_spec import HandCard, read_card
from zdg_jax.hands.io.model_files import compile_model
from zdg_jax.hands.load import card_path

EXAMPLES = 100
fuzz = settings(
    derandomize=True, deadline=None, max_examples=EXAMPLES, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
#: What stands in for a number or a word.
WORDS = (
    "", "0", "-1", "nan", "inf", "1e999", "9" * 400, "1e-320", "true", "null", "~", "007", "a b", "\x00",
    "\x1b[31m", "é", "\ufeff", "\U0001f642", "../../x", "/dev/zero", "'", '"', ",", "\n", "<", "&amp;", "&x;",
    "]]>", "${x}", "[", "{}", "&a", "*a", "!!python/object:os.system", "- ", ": ", "#",
)  # fmt: skip


@st.composite
def damaged(draw: Callable[..., Any], sound: bytes, text: bool) -> bytes:
    """A file with one to four places changed."""
    data = sound
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        way = draw(st.sampled_from(["cut", "put", "over", *(["word", "word", "twice"] if text else [])]))
        if way == "cut":
            data = data[:at] + data[at + draw(st.integers(1, 40)) :]
        elif way == "put":
            data = data[:at] + draw(st.binary(min_size=1, max_size=8)) + data[at:]
        elif way == "over":
            new = draw(st.binary(min_size=1, max_size=8))
            data = data[:at] + new + data[at + len(new) :]
        elif way == "twice":
            end = at + draw(st.integers(1, 200))
            data = data[:end] + data[at:end] + data[end:]
        elif tokens := list(re.finditer(rb"[\w.+-]+", data)):
            token = tokens[draw(st.integers(0, len(tokens) - 1))]
            word = draw(st.sampled_from(WORDS)).encode()
            data = data[: token.start()] + word + data[token.end() :]
    return data


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def value_or_line(read: Callable[[], object]) -> object:
    try:
        return read()
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    return None


CSV = b"""task_id,object,task,name,scale,up,seed,mine
007,ycb:025_mug,drink from it,mug,1.0,z,3,x
NA,ycb:025_mug,"hand it over, please",,,,,
t3,zoo:mug/3,lift it,null,2,y,0,
"""
ROWS = [
    {"task_id": "a", "object": "ycb:025_mug", "task": "lift it", "name": None, "scale": 1.0, "seed": 1},
    {"task_id": "b", "object": "ycb:025_mug", "task": "drop it", "name": "mug", "scale": 2.0, "seed": 2},
]


def table_bytes(rows: list[dict[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


def sound_tasks(path: Path) -> None:
    table = value_or_line(lambda: read_tasks(str(path)))
    for task in table.tasks if table is not None else ():
        assert isinstance(task, TaskSpec)
        assert task.object.strip()
        assert task.scale > 0


@fuzz
@given(data=damaged(CSV, text=True))
def test_tables_of_tasks_in_csv(folder: Path, data: bytes) -> None:
    path = folder / "tasks.csv"
    path.write_bytes(data)
    sound_tasks(path)


@fuzz
@given(data=damaged(table_bytes(ROWS), text=False))
def test_tables_of_tasks_in_parquet(folder: Path, data: bytes) -> None:
    path = folder / "tasks.parquet"
    path.write_bytes(data)
    sound_tasks(path)


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Path:
    output = Output(Folder(str(folder / "out")), options(), load_hand("human16"))
    output.begin([spec(0)])
    output.write([finished(spec(0))])
    return folder / "out"


@fuzz
@given(drawn=st.data())
def test_grasps_in_parquet(dataset: Path, drawn: st.DataObject) -> None:
    path = dataset / "grasps" / "part-00000.parquet"
    sound = path.read_bytes()
    assert read_grasps(str(path)).hand == "human16"
    try:
        path.write_bytes(drawn.draw(damaged(sound, text=False)))
        value_or_line(lambda: read_grasps(str(path)))
    finally:
        path.write_bytes(sound)


@fuzz
@given(drawn=st.data())
def test_what_describes_them(dataset: Path, drawn: st.DataObject) -> None:
    info = dataset / "dataset_info.json"
    sound = info.read_bytes()
    try:
        info.write_bytes(drawn.draw(damaged(sound, text=True)))
        value_or_line(lambda: read_grasps(str(dataset / "grasps" / "part-00000.parquet")))
    finally:
        info.write_bytes(sound)


@fuzz
@given(data=damaged(urdf().encode(), text=True))
def test_urdf(folder: Path, data: bytes) -> None:
    path = folder / "claw.urdf"
    path.write_bytes(data)
    value_or_line(lambda: compile_model(path))


@settings(fuzz, max_examples=40)
@given(data=damaged(card_path("human16").read_bytes(), text=True))
def test_hand_cards_as_text(folder: Path, data: bytes) -> None:
    path = folder / "card.yaml"
    path.write_bytes(data)
    card = value_or_line(lambda: read_card(path))
    assert card is None or isinstance(card, HandCard)


CARD = yaml.safe_load(card_path("human16").read_text(encoding="utf-8"))
CARD["grasp_types"] = dict(list(CARD["grasp_types"].items())[:1])  # YAML of all of them takes 0.1 s to read
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@settings(fuzz, max_examples=40)
@given(drawn=st.data())
def test_hand_cards_with_fields_of_another_kind(folder: Path, drawn: st.DataObject) -> None:
    place = values = copy.deepcopy(CARD)
    while isinstance(place, dict) and place:
        key = drawn.draw(st.sampled_from(sorted(place, key=str)))
        if not isinstance(place[key], dict) or drawn.draw(st.booleans()):
            place[key] = drawn.draw(ANY)
            break
        place = place[key]
    path = folder / "fields.yaml"
    path.write_text(json.dumps(values), encoding="utf-8")  # which is YAML too, and dumped in a moment
    card = value_or_line(lambda: read_card(path))
    assert card is None or isinstance(card, HandCard)
