"""Sentence and name as the rules read them: in the table's words, and with a verb where one can be found."""

from __future__ import annotations

from dataclasses import dataclass

from zdg_jax.reasoning.rules.gloss import ENGLISH, tongue_of
from zdg_jax.reasoning.rules.language import Lexicon, read_task, tokens
from zdg_jax.reasoning.rules.near import Embedding, nearest


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
