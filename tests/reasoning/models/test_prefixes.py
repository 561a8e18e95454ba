"""The order of a question on each wire."""

from __future__ import annotations

from tests.reasoning.models.conftest import Start
from zdg_jax.reasoning.models.exchange import WireRequest
from zdg_jax.reasoning.models.gemini_wire import Gemini
from zdg_jax.reasoning.models.openai_wire import OpenAIChat, OpenAIResponses


def test_pictures_stand_between_what_all_tasks_share_and_the_task(start: Start) -> None:
    """Then tasks of one object share them in caches of prefixes."""
    start()
    request = WireRequest("Shared.\n\n## This task\n\nOwn.", (b"png",), "S", {})
    plain = WireRequest("Only this.", (b"png",), "S", {})
    assert request.halves == ("Shared.", "## This task\n\nOwn.")
    for asked, kinds in ((request, ["text", "image", "text"]), (plain, ["text", "image"])):
        chat = OpenAIChat("m").body(asked)["messages"][0]["content"]
        responses = OpenAIResponses("m").body(asked)["input"][0]["content"]
        parts = Gemini("m").content(asked).parts or []
        assert [part["type"].removesuffix("_url") for part in chat] == kinds
        assert [part["type"].removeprefix("input_") for part in responses] == kinds
        assert ["image" if part.inline_data else "text" for part in parts] == kinds
