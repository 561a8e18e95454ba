"""Files and words of other people: bounded, named safely, shown without control characters."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zdg_jax import foreign
from zdg_jax.errors import UserError, printable

fuzz = settings(derandomize=True, deadline=None, max_examples=300)


@fuzz
@given(st.text(st.characters(), max_size=300))
def test_a_file_name_stays_in_its_folder(word: str) -> None:
    name = foreign.file_name(word)
    assert name
    assert not name.startswith(".")
    assert "/" not in name
    assert "\0" not in name
    assert len(os.fsencode(name)) <= 120
    assert Path("/out", name).resolve().parent == Path("/out")
    assert foreign.file_name(word) == name


def test_words_that_people_type_stay_readable_and_others_stay_apart() -> None:
    assert foreign.file_name("mug") == "mug"
    assert foreign.file_name("core-mug-12.v2") == "core-mug-12.v2"
    assert foreign.file_name("tea pot") == "tea_pot"
    hostile = [
        "..",
        ".",
        "",
        "/",
        "a/b",
        "a_b",
        "a\\b",
        "a:b",
        "../x",
        ".x",
        "NUL",
        "nul.txt",
        "x" * 300,
        "x" * 301,
    ]
    assert len({foreign.file_name(word) for word in hostile}) == len(hostile)


@fuzz
@given(st.text(st.characters(), max_size=200))
def test_no_control_character_reaches_a_terminal(text: str) -> None:
    error = UserError(text, text, text)
    assert str(error).isprintable()
    assert printable(text).isprintable()
    str(error).encode()  # lone surrogates are gone too


def test_escapes_are_shown_and_newlines_kept_where_asked() -> None:
    assert printable("a\x1b[31mb\x9bc") == "a\\x1b[31mb\\x9bc"
    assert printable("a\nb\u202e", keep="\n") == "a\nb\\u202e"


@pytest.mark.parametrize("load", [foreign.load_json, foreign.load_yaml, foreign.load_xml])
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000, "{" * 100_000, '{"a":' * 50_000, "<a>" * 100_000, "- " * 100_000, "\x00", "",
        "&a [*a", "1: {", "!!python/object/apply:os.system [x]",
    ],
)  # fmt: skip
def test_nothing_but_data_or_one_line(load, text: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    with suppress(UserError):
        load(path)


@pytest.mark.parametrize("load", [foreign.load_json, foreign.load_yaml, foreign.load_xml, foreign.read_bytes])
def test_pipes_giants_and_folders_are_refused(load, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="a regular file"):
        load(tmp_path / "pipe")
    with pytest.raises(UserError, match="a regular file"):
        load(tmp_path)
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="MiB"):
        load(tmp_path / "giant")
    (tmp_path / "latin").write_bytes(b"\xff\xfe\xfa")
    if load is not foreign.read_bytes:
        with pytest.raises(UserError):
            load(tmp_path / "latin")
