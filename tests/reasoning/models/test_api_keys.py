"""What is hidden, and what is not."""

from __future__ import annotations

import pytest

from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.settings import (
    address_from_environment,
    hide,
    holds_secret,
    key_from_environment,
    redact,
    safe_address,
)


def test_keys_of_the_environment_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_API_KEY", "plain-words-here")
    assert hide("it said plain-words-here,\n  twice: plain-words-here") == "it said [key],\n  twice: [key]"
    assert redact("a\n  plain-words-here") == "a [key]"


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abc_DEF-123456",
        "AIzaSyA1234567890abcdefg",
        "Bearer abcdefghijk.lmnop",
        "Basic dXNlcjpzZWNyZXQ=",
    ],
)
def test_what_looks_like_a_key_is_hidden(key: str) -> None:
    assert key not in redact(f"Incorrect API key provided: {key}. See ...")


def test_words_stay() -> None:
    text = "Ask the risk-taker: task-oriented masks, 3 sk"
    assert hide(text) == text


def test_an_address_loses_everything_but_its_host() -> None:
    assert safe_address("https://me:word@host.example:8443/v1?key=abc") == "https://host.example:8443"
    assert safe_address("nonsense") == safe_address("http://me:word@[::1") == "://?"


@pytest.mark.parametrize("key", ["abcdefgh\nijkl", "abcdefgh\u0439", "abcdefgh\udcff", "abcdefgh\x1b[0m"])
def test_a_key_that_no_header_can_have_is_not_quoted(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError, match="OPENAI_API_KEY with characters that no key has") as caught:
        key_from_environment("openai")
    assert "abcdefgh" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://me:word@[::1", "ftp://word@host", "word", "http://", "http://word:99999/", "http://a\x1bword"],
)
def test_an_address_that_is_none_is_not_quoted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(UserError, match="OPENAI_BASE_URL, which holds no address") as caught:
        address_from_environment("openai", "https://api.openai.com/v1")
    assert "word" not in str(caught.value)
    monkeypatch.setenv("OPENAI_BASE_URL", " https://me:word@[::1]:8443/v1?key=x ")
    assert address_from_environment("openai", "") == "https://me:word@[::1]:8443/v1?key=x"


def test_the_first_name_that_is_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.setenv("GOOGLE_API_KEY", " value ")
    assert key_from_environment("gemini") == ("GOOGLE_API_KEY", "value")
    monkeypatch.setenv("GOOGLE_API_KEY", " ")
    with pytest.raises(UserError, match="GEMINI_API_KEY"):
        key_from_environment("gemini")


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("OPENAI_API_KEY", "x", True), ("HF_TOKEN", "x", True), ("ZDG_OWN_API_KEY", "x", True),
        ("OPENAI_BASE_URL", "https://me:word@host/v1", True),
        ("OPENAI_BASE_URL", "https://host/v1?key=x", True),
        ("OPENAI_BASE_URL", "https://host:8443/v1", False), ("ZDG_CACHE_DIR", "/scratch/me@home", False),
    ],
)  # fmt: skip
def test_what_may_be_shown_of_an_environment(name: str, value: str, secret: bool) -> None:
    assert holds_secret(name, value) is secret
