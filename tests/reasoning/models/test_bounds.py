"""Numbers and bodies of others: bounded, or null; private where they are kept."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path

import httpx2
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zdg_jax.cache import cache_dir
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.answer_cache import AnswerCache
from zdg_jax.reasoning.models.bodies import MOST_BYTES, MOST_PACKED, TooLarge, guards
from zdg_jax.reasoning.models.openai_wire import whole
from zdg_jax.reasoning.models.recorded import OracleReasoner, ReplayReasoner
from zdg_jax.reasoning.protocol import Call, bounded_amount

ANY = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**30), st.just([1])
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(ANY, st.integers(), st.floats(), st.floats())
def test_whatever_a_server_counts_fits_into_a_row(
    said: object, tokens: int, cost: float, seconds: float
) -> None:
    assert whole(said) is None or 0 <= said <= 10**9  # type: ignore[operator]
    assert bounded_amount(said) is None or 0 <= said <= 1e9  # type: ignore[operator]
    call = Call("s", "p", "m", "x", 1, tokens, tokens, whole(said), cost, seconds)
    schema = pa.schema([("n", pa.int64()), ("usd", pa.float64()), ("s", pa.float64())])
    row = {"n": call.input_tokens, "usd": call.cost_usd, "s": call.latency_s}
    (back,) = pa.Table.from_pylist([row], schema=schema).to_pylist()
    assert back["usd"] is None or 0 <= back["usd"] < 1e10
    assert 0 <= back["s"] < 1e10
    json.dumps(asdict(call), allow_nan=False)


def test_good_numbers_stay() -> None:
    call = Call("s", "p", "m", "x", 2, 1000, 50, 0, 0.25, 1.5)
    assert (call.attempts, call.input_tokens, call.cost_usd, call.latency_s) == (2, 1000, 0.25, 1.5)
    assert Call("s", "p", "m", "x", input_tokens=10**30).input_tokens is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("answer", "no json"),
        ("answer", "[" * 100_000),
        ("answer", "3"),
        ("call", "{}"),
        ("call", '{"from": "tomorrow"}'),
    ],
)
def test_a_row_that_cannot_be_read_counts_as_not_kept(column: str, value: str, tmp_path: Path) -> None:
    cache, call = AnswerCache(tmp_path / "a.sqlite"), Call("s", "p", "m", "x")
    cache.put(["k"], "m", {"a": 1}, call)
    cache.close()
    with sqlite3.connect(tmp_path / "a.sqlite") as file:
        file.execute(f"UPDATE answers SET {column} = ?", (value,))
    file.close()
    cache = AnswerCache(tmp_path / "a.sqlite")
    assert cache.get("k") is None
    assert cache.stats().answers == 1
    cache.put(["k"], "m", {"a": 2}, call)  # paid again, and kept this time
    found = cache.get("k")
    assert found is not None
    assert found[0] == {"a": 2}
    cache.close()


def test_caches_are_their_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "own"))
    folder = cache_dir("answers")
    cache = AnswerCache(folder / "a.sqlite")
    cache.put(["k"], "m", {}, Call("s", "p", "m", "x"))
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    cache.close()


def test_bodies_are_bounded_and_redirects_not_followed() -> None:
    import asyncio

    class Endless(httpx2.AsyncByteStream):
        async def __aiter__(self):
            while True:
                yield b"x" * 65536

    def server(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/moved":
            return httpx2.Response(307, headers={"location": "http://elsewhere/x"})
        if request.url.path == "/small":
            return httpx2.Response(200, content=b"{}")
        packed = {"content-encoding": "gzip"} if request.url.path == "/gzip" else {}
        return httpx2.Response(200, headers=packed, stream=Endless())

    async def scene() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(server), **guards()) as client:
            assert (await client.get("http://x/small")).content == b"{}"
            assert (await client.get("http://x/moved")).status_code == 307
            with pytest.raises(TooLarge, match=f"{MOST_BYTES >> 10} KiB"):
                await client.get("http://x/endless")

    asyncio.run(scene())
    assert MOST_PACKED < MOST_BYTES


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"stages": [{"stage": "view", "prompt": "x", "attempts": "abc"}]}', "\x00", "3"]
)
@pytest.mark.parametrize("kind", [ReplayReasoner, OracleReasoner])
def test_recorded_files_that_lie(kind: type, text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError):
        kind(str(tmp_path / "x.json"))
