"""Faults that pass are tried again by one policy; those that don't end at once as one clear line."""

from __future__ import annotations

import asyncio
import email.utils
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.reasoning.models.conftest import Make, Start, Waits
from tests.reasoning.models.fakes import APIS, ENVIRONMENT, KEY, TimeLimit, settings_file
from tests.reasoning.models.questions import question
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.faults import retry_after
from zdg_jax.reasoning.protocol import ReasonerError


def failure(make: Make, name: str) -> ReasonerError:
    with pytest.raises(ReasonerError) as caught:
        asyncio.run(make(name).ask(question()))
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


@pytest.mark.parametrize("api", APIS)
def test_passing_faults_are_survived(api: str, start: Start, make: Make, limit: TimeLimit) -> None:
    local = start(planned=["500", "drop", "garbage", "hang", "429", None], retry_after=0.3)
    local.on_hang = limit.run_out
    answer = asyncio.run(make(f"{api}:m").ask(question()))
    assert answer.value.rotation == 1
    assert answer.call.attempts == 6
    log = local.log()
    assert [entry["fault"] for entry in log] == ["500", "drop", "garbage", "hang", "429", None]
    assert not any(entry["too_early"] for entry in log)
    assert len({entry["digest"] for entry in log}) == 1  # the same request, not another question


# The waits are real, a date's the longest.
@pytest.mark.parametrize(
    ("form", "api"),
    [
        *(("seconds", api) for api in APIS[:2]),
        *(pytest.param("seconds", api, marks=pytest.mark.slow) for api in APIS[2:]),
        *(pytest.param("date", api, marks=pytest.mark.slow) for api in APIS),
    ],
)
def test_retry_after_is_honoured(api: str, form: str, start: Start, make: Make, waits: Waits) -> None:
    local = start(planned=["429", "429", None], retry_after=1.2, retry_form=form)
    asyncio.run(make(f"{api}:m").ask(question()))
    log = local.log()
    assert [entry["too_early"] for entry in log] == [False] * 3
    # and not waited for much longer: a date is up to two seconds coarser, and on a slow machine partly over
    assert len(waits()) == 2
    assert all(wait < 1.2 + 2 + 0.1 for wait in waits())


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("429", "provider_rate_limited"),
        ("500", "provider_unavailable"),
        ("drop", "provider_unavailable"),
        ("garbage", "provider_unavailable"),
        ("hang", "provider_timeout"),
    ],
)
def test_a_fault_that_lasts_ends_with_its_status(
    api: str, fault: str, status: str, start: Start, make: Make, tmp_path: Path, limit: TimeLimit
) -> None:
    settings_file(tmp_path, settings={"max_tries": 3})
    local = start(faults={fault: 1.0}, retry_after=0.05)
    local.on_hang = limit.run_out
    error = failure(make, f"{api}:m")
    assert error.status == status
    assert "tries: 3" in error.reason
    assert error.call is not None
    assert (error.call.attempts, error.call.output_tokens) == (3, None)
    assert len(local.log()) == 3


def test_a_wait_beyond_the_patience_is_not_begun(start: Start, make: Make, waits: Waits) -> None:
    start(faults={"429": 1.0}, retry_after=3600)
    assert failure(make, "openai-chat:m").status == "provider_rate_limited"
    assert waits() == []


@pytest.mark.parametrize("api", APIS)
def test_a_wrong_key_is_one_line(api: str, start: Start, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "sk-wrong-key-99999")
    with pytest.raises(UserError, match="refused the key") as caught:
        make(f"{api}:m", check=True)
    assert "_API_KEY" in caught.value.do
    assert "99999" not in str(caught.value)  # the server repeats the key
    error = failure(make, f"{api}:m")
    assert error.status == "provider_auth"
    assert "99999" not in str(error)
    assert "tries: 1" in error.reason


@pytest.mark.parametrize("api", APIS)
def test_an_unknown_model_is_one_line(api: str, start: Start, make: Make) -> None:
    start(models=["real-1", "real-2"])
    with pytest.raises(UserError, match="unknown at") as caught:
        make(f"{api}:dream-7", check=True)
    if api != "gemini":
        assert "real-1, real-2" in str(caught.value)
    error = failure(make, f"{api}:dream-7")
    assert error.status == "provider_unknown_model"
    assert "tries: 1" in error.reason


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("silent", [False, True], ids=["refused", "silent"])
def test_an_unreachable_address_is_one_line(
    api: str, silent: bool, make: Make, monkeypatch: pytest.MonkeyPatch, limit: TimeLimit
) -> None:
    with socket.socket() as listener, ExitStack() as at_the_end:
        listener.bind(("127.0.0.1", 0))
        if silent:  # takes the question and never says a word
            listener.listen(50)
            taking = threading.Thread(target=take, args=(listener, limit))
            taking.start()
            at_the_end.callback(taking.join)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for name, value in zip(ENVIRONMENT, (KEY, f"{url}/v1", KEY, url), strict=True):
            monkeypatch.setenv(name, value)
        with pytest.raises(UserError, match="no reply within" if silent else "can't reach"):
            make(f"{api}:m", check=True)
        if not silent:
            error = failure(make, f"{api}:m")
            assert error.status == "provider_unreachable"
            assert "tries: 1" in error.reason


def take(listener: socket.socket, limit: TimeLimit) -> None:
    """Take one question; the time for its answer is over as soon as it is there."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(1)
        limit.run_out()
        while connection.recv(4096):  # until the other side hangs up
            pass


def test_no_key_is_one_line(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    for name, variable in (("openai:x", "OPENAI_API_KEY"), ("gemini:x", "GEMINI_API_KEY")):
        with pytest.raises(UserError, match=variable):
            make(name)


def test_retry_after_reads_seconds_milliseconds_and_dates() -> None:
    now = 1_800_000_000.0
    later = email.utils.formatdate(now + 7, usegmt=True)
    assert retry_after({"Retry-After": "2.5"}) == 2.5
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert retry_after({"retry-after": later}, now=now) == 7
    # By the server's own clock, whatever ours says.
    assert retry_after({"retry-after": later, "date": email.utils.formatdate(now, usegmt=True)}) == 7
    assert retry_after({"retry-after": email.utils.formatdate(now - 9, usegmt=True)}, now=now) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None
