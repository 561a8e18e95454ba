"""What a task sentence says: the verb, the intent, and which nouns name the held object."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from zdg_jax.reasoning.rules.affordances import AffordanceTable, Intent, Verb

_DETERMINERS = frozenset(
    "the a an this that these those my your his her its our their some any one with using".split()
)
_HELD_BY = frozenset({"with", "using", "from", "of"})
_TARGET_BY = frozenset(
    {"into", "onto", "on", "in", "at", "to", "for", "against", "over", "near", "beside", "under"}
)
_MODALS = frozenset({"can"})  # a noun only after a determiner
_RANK: dict[Intent, int] = {"handover": 2, "use": 1, "move": 0}


@dataclass(frozen=True)
class Reading:
    """One understood sentence.

    Attributes:
      verb: key of the table's verbs, None if no verb is known.
      intent: use, handover or move; without a verb "move": the thing is simply taken.
      named: classes that the sentence or the user-given name names as the held object, best first.
      hints: class -> weight, classes that the verb and its other words point to.
      given: how many of `named`, the first ones, are of the name that the user gave.
    """

    verb: str | None
    intent: Intent
    named: tuple[str, ...]
    hints: dict[str, float]
    given: int = 0


def tokens(text: str) -> tuple[str, ...]:
    """Lower-case words; digits and underscores separate, so "048_hammer" reads as "hammer"."""
    return tuple(re.findall(r"[a-z]+", text.lower()))


def inflections(form: str) -> frozenset[str]:
    """Regular English inflections of a base form: -s, -es, -ing, -ed, with e-dropping and doubling."""
    stems = {form}
    if form.endswith("e"):
        return frozenset({form, form + "s", form + "d", form[:-1] + "ing"})
    if re.search(r"[^aeiou]y$", form):
        return frozenset({form, form[:-1] + "ies", form[:-1] + "ied", form + "ing"})
    if re.search(r"[^aeiou][aeiou][bdgklmnprt]$", form):
        stems.add(form + form[-1])
    forms = {form, form + ("es" if re.search(r"(s|x|z|ch|sh)$", form) else "s")}
    return frozenset(forms | {stem + end for stem in stems for end in ("ing", "ed")})


def plurals(noun: str) -> frozenset[str]:
    """A noun and its regular plural."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return frozenset({noun, noun + "es"})
    if re.search(r"[^aeiou]y$", noun):
        return frozenset({noun, noun[:-1] + "ies"})
    if noun.endswith("fe"):
        return frozenset({noun, noun[:-2] + "ves"})
    return frozenset({noun, noun + "s"})


def _find(phrase: str, words: tuple[str, ...]) -> tuple[int, int] | None:
    """First word and the word after the last of a phrase; "..." stands for one to three other words, " ." for
    the sentence's end."""
    said = phrase.removesuffix(" .")
    body = r"((?: \S+){1,3} )".join(re.escape(p.strip()) for p in said.split("..."))
    match = re.search(rf"(?:^| ){body}(?={'$' if said != phrase else ' |$'})", " ".join(words))
    if match is None:
        return None
    line = " ".join(words)
    return len(line[: match.start()].split()), len(line[: match.end()].split())


@dataclass(frozen=True)
class Lexicon:
    """The table's words.

    Attributes:
      verb_of: inflected verb form -> verb.
      class_of: every name and synonym with its plural -> class.
      kinds_of: class -> classes whose name says that they are a kind of it, as a wine glass is of "glass".
    """

    table: AffordanceTable
    verb_of: dict[str, str]
    class_of: dict[str, str]
    kinds_of: dict[str, tuple[str, ...]]

    @cached_property
    def words(self) -> frozenset[str]:
        """Every form of a verb, every word of its phrases, and every noun that points to a class."""
        verbs = self.table.verbs.values()
        pointers = (words for v in verbs for words in v.implies.values())
        return frozenset(self.verb_of).union(*pointers, *(tokens(p) for v in verbs for p in v.phrases))

    @classmethod
    def of(cls, table: AffordanceTable) -> Lexicon:
        """Indexes a table; where two classes claim one word the class's own name wins over a synonym."""
        verb_of: dict[str, str] = {}
        for name, verb in table.verbs.items():
            for form in verb.forms:
                for word in sorted(inflections(form)):
                    verb_of.setdefault(word, name)
        class_of = {p: name for name in table.classes for p in sorted(plurals(name))}
        for name, row in table.classes.items():
            for synonym in row.synonyms:
                for p in sorted(plurals(synonym)):
                    class_of.setdefault(p, name)
        kinds: dict[str, dict[str, None]] = {}
        for name, row in table.classes.items():
            for said in (name, *row.synonyms):
                head = class_of.get(said.split()[-1])
                if " " in said and head not in (None, name):
                    kinds.setdefault(head, {})[name] = None
        return cls(table, verb_of, class_of, {head: tuple(found) for head, found in kinds.items()})


def _is_noun_here(words: tuple[str, ...], at: int) -> bool:
    """Whether an ambiguous word stands where a noun stands: up to two words after a determiner."""
    return any(words[k] in _DETERMINERS for k in range(max(0, at - 2), at))


def _verbs(words: tuple[str, ...], lexicon: Lexicon) -> list[tuple[int, str]]:
    """(position, verb) of every verb in the sentence, in order; a phrase stands at each of its words."""
    found = [
        (at, name)
        for name, verb in lexicon.table.verbs.items()
        for phrase in verb.phrases
        if (span := _find(phrase, words)) is not None
        for at in ((span[0], span[1] - 1) if "..." in phrase else range(*span))
    ]
    taken = {at for at, _ in found}
    for at, word in enumerate(words):
        if word in lexicon.verb_of and at not in taken and not _is_noun_here(words, at):
            found.append((at, lexicon.verb_of[word]))
    return sorted(found)


def nouns(words: tuple[str, ...], lexicon: Lexicon) -> list[tuple[int, int, str]]:
    """(start, end, class) of every class name, longest match first, left to right."""
    found, at = [], 0
    while at < len(words):
        for size in (3, 2, 1):
            name = lexicon.class_of.get(" ".join(words[at : at + size]))
            if name is not None and at + size <= len(words):
                found.append((at, at + size, name))
                at += size - 1
                break
        at += 1
    return found


def _held(words: tuple[str, ...], start: int, verbs: list[tuple[int, str]], table: AffordanceTable) -> bool:
    """Whether the noun at `start` names what the hand holds, by the nearest preposition or verb before it."""
    verb_at = dict(verbs)
    for at in range(start - 1, -1, -1):
        if words[at] in _HELD_BY:
            return True
        if at in verb_at:
            return table.verbs[verb_at[at]].acts_on == "held"
        if words[at] in _TARGET_BY:
            return False
    return True


_ALONE, _TARGET, _POINTED = 3.5, 3.0, 2.0


def _hints(verb: Verb, words: tuple[str, ...]) -> dict[str, float]:
    """Classes that do the verb: 4 where another word of the sentence points to the class, else 2, 1.8, ...

    Anything can be moved, so there only the other words count. Where one class alone does the verb, as an
    umbrella shelters, the verb is almost its name: 3.5.
    """
    present = set(words)
    alone = len(verb.implies) == 1
    return {
        name: 4.0 if present & set(pointers) else _ALONE if alone else max(1.0, 2.0 - 0.2 * k)
        for k, (name, pointers) in enumerate(verb.implies.items())
        if verb.intent == "use" or alone or present & set(pointers)
    }


def _pointed(words: tuple[str, ...], table: AffordanceTable) -> set[str]:
    """Classes that some word points to for whichever verb: hair has to do with brushes.

    A word after "on", "into" and the like says only where.
    """
    present = {word for at, word in enumerate(words) if not _TARGET_BY & set(words[max(0, at - 2) : at])}
    implied = (item for verb in table.verbs.values() for item in verb.implies.items())
    return {name for name, pointers in implied if present & set(pointers)}


def read_task(task: str, object_name: str | None, lexicon: Lexicon) -> Reading:
    """Reads the task sentence and the user-given name, if there is one.

    Args:
      task: the sentence S of the paper.
      object_name: what the user calls the object, or None.
      lexicon: the words of the affordance table.

    Returns:
      The reading; an unknown sentence gives intent "move" and no names.
    """
    table, words = lexicon.table, tokens(task)
    verbs = _verbs(words, lexicon)
    spoken = [name for _, name in verbs]
    # "use the drill to make a hole": a particular verb says more than "use".
    verb = max(spoken, key=lambda v: (_RANK[table.verbs[v].intent], v != "use"), default=None)
    named = [c for _, _, c in nouns(tokens(object_name), lexicon)[::-1]] if object_name else []
    given = len(dict.fromkeys(named))
    verb_positions = {at for at, _ in verbs}
    worked_on: list[str] = []
    for start, end, name in nouns(words, lexicon):
        if end - start == 1 and start in verb_positions:
            continue
        ambiguous = end - start == 1 and (words[start] in lexicon.verb_of or words[start] in _MODALS)
        if not ambiguous or _is_noun_here(words, start):
            (named if _held(words, start, verbs, table) else worked_on).append(name)
    hints: dict[str, float] = {}
    for v in spoken:
        for name, weight in _hints(table.verbs[v], words).items():
            hints[name] = max(hints.get(name, 0.0), weight)
    if not named:
        more = dict.fromkeys(worked_on, _TARGET)
        if max(hints.values(), default=0.0) <= _POINTED:
            more = dict.fromkeys(_pointed(words, table), _POINTED) | more
        hints = {name: max(hints.get(name, 0.0), more.get(name, 0.0)) for name in [*hints, *sorted(more)]}
    intent: Intent = table.verbs[verb].intent if verb else "move"
    return Reading(verb, intent, tuple(dict.fromkeys(named)), hints, given)
