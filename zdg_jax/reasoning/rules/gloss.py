"""Sentences of other languages, said again in the table's English words: one set of rules reads them all."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from zdg_jax.foreign import YAML_LOADER
from zdg_jax.reasoning.rules.language import Lexicon, nouns

TONGUES = {"de": "German", "fr": "French", "es": "Spanish", "zh": "Chinese", "ja": "Japanese"}
# English small words: "Hammer" does not make a German sentence English, nor "die" an English one German.
ENGLISH = frozenset(
    "the a an this that these those it its me my you your him his her us our them their i he she we they is "
    "are be can could would will please and or so while with using from of into onto on in at to for against "
    "over near beside under by out off up down through some any one first not".split()
)
_PARTS = frozenset("lid cap cork stopper pump knob button switch trigger".split())
_PLURAL = "(?:s|n|en|e|es|er|x)?"
_GAP = r"(?: \w+){0,6}? "
Kind = Literal["verb", "noun"]
_MARKS = {"held": "with the", "target": "in the", "": "the"}


def folded(text: str) -> str:
    """Lower case without accents of Latin letters; words apart by one space, punctuation gone."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("œ", "oe")
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if not "\u0300" <= c <= "\u036f")
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", bare)))


@dataclass(frozen=True)
class Found:
    """A word of the table in a sentence of another language.

    Attributes:
      spans: first character in the folded sentence and the one after the last, of each of its pieces.
      kind: verb or noun.
      english: what it is in English.
      literal: letters of the entry itself, so that "Haarbürste" is not just some "...bürste".
    """

    spans: tuple[tuple[int, int], ...]
    kind: Kind
    english: str
    literal: int

    @property
    def start(self) -> int:
        """Where its first piece starts."""
        return self.spans[0][0]

    @property
    def end(self) -> int:
        """Where its last piece ends."""
        return self.spans[-1][1]

    @property
    def places(self) -> list[int]:
        """All its characters."""
        return [k for start, end in self.spans for k in range(start, end)]


@dataclass(frozen=True)
class Tongue:
    """One language's words for the table's.

    Attributes:
      called: its own name, in English.
      spaced: words stand apart.
      order: a noun belongs to the verb before it, or to the one after it.
      head: of several nouns that make a name, which one is the thing: "lata de carne", "meat can".
      small: words that tell the language and nothing else.
      articles: words after which no verb stands.
      marks: held or target -> words before a noun that say it is that.
      marks_after: the same, after it.
      next_verb: words before a noun that give it to the verb after it.
      entries: pattern with a group for each piece, kind, English word, letters.
    """

    called: str
    spaced: bool
    order: Literal["before", "after"]
    head: Literal["first", "last"]
    small: frozenset[str]
    articles: frozenset[str]
    marks: dict[str, tuple[str, ...]]
    marks_after: dict[str, tuple[str, ...]]
    next_verb: tuple[str, ...]
    entries: tuple[tuple[re.Pattern[str], Kind, str, int], ...]

    def find(self, line: str, kinds: tuple[Kind, ...] = ("verb", "noun")) -> list[Found]:
        """The table's words in a folded sentence, the longest first where they overlap, in their order."""
        found = [
            Found(match.regs[1:], kind, english, literal)
            for pattern, kind, english, literal in self.entries
            if kind in kinds
            for match in pattern.finditer(line)
            if kind == "noun" or not self._after_article(line, match.start())
        ]
        # One length: a verb, since nouns have an article; where words run together, a noun.
        first = "verb" if self.spaced else "noun"
        found.sort(key=lambda f: (-len(f.places), f.kind != first, -f.literal))
        taken: set[int] = set()
        kept = []
        for f in found:
            if taken.isdisjoint(f.places):
                taken.update(f.places)
                kept.append(f)
        return sorted(kept, key=lambda f: f.start)

    def _after_article(self, line: str, at: int) -> bool:
        return self.spaced and line[:at].rpartition(" ")[0].rpartition(" ")[2] in self.articles

    def covered(self, line: str) -> tuple[int, int]:
        """How much of a folded sentence is this language's: words (or characters), and letters spelt out."""
        found = self.find(line)
        taken = {k for f in found for k in f.places}
        literal = sum(f.literal for f in found)
        if not self.spaced:
            return len(taken), literal
        starts = [m.start() for m in re.finditer(r"\S+", line)]
        words = sum(at in taken or word in self.small for at, word in zip(starts, line.split(), strict=True))
        return words, literal

    def mark(self, line: str, noun: Found, before: int) -> str:
        """Whether the words about a noun say that it is held, or a target: held, target or nothing."""
        for said, words in self.marks_after.items():
            if line.startswith(words, noun.end):
                return said
        if not self.spaced:
            ahead = line[before : noun.start]
            hits = [(ahead.rfind(w), said) for said, words in self.marks.items() for w in words]
            return max(hits, default=(-1, ""))[1] if any(at >= 0 for at, _ in hits) else ""
        other = 0  # at most one adjective stands between
        for word in reversed(line[before : noun.start].split()):
            for said, words in self.marks.items():
                if word in words:
                    return said
            other += word not in self.articles
            if other > 1:
                break
        return ""

    def line(self, text: str) -> str:
        """A text as this language's patterns want it."""
        return folded(text) if self.spaced else unicodedata.normalize("NFKC", text)

    def name(self, text: str) -> str | None:
        """A thing's name in the table's words, the noun that others only tell more of; None without one."""
        found = self.find(self.line(text), ("noun",))
        return found[0 if self.head == "first" else -1].english if found else None

    def sentence(self, text: str) -> str | None:
        """The sentence in the table's words, clause by clause; None if it has none of them."""
        line = self.line(text)
        found = self.find(line)
        if not found:
            return None
        verbs = [f for f in found if f.kind == "verb"]
        clauses: list[list[tuple[str, str]]] = [[] for _ in verbs] or [[]]
        for k, noun in enumerate(found):
            if noun.kind == "noun":
                before = found[k - 1].end if k else 0
                at = self._clause(line[before : noun.start], noun, verbs)
                clauses[at].append((self.mark(line, noun, before), noun.english))
        said = []
        for k, things in enumerate(clauses):
            verb = [verbs[k].english] if verbs else []
            things.sort(key=lambda t: (["", "held", "target"].index(t[0]), t[1] not in _PARTS))
            said.append(" ".join([*verb, *(f"{_MARKS[m]} {noun}" for m, noun in things)]))
            if verb and not things:
                said[-1] += " it"
        return " and ".join(said)

    def _clause(self, ahead: str, noun: Found, verbs: list[Found]) -> int:
        """Which verb a noun belongs to."""
        earlier = [k for k, v in enumerate(verbs) if v.start < noun.start]
        later = [k for k, v in enumerate(verbs) if v.start > noun.start]
        forward = self.order == "after" or any(word in ahead for word in self.next_verb)
        if forward:
            return (later or earlier or [0])[0 if later else -1]
        return (earlier or later or [0])[-1 if earlier else 0]


def _words(value: str) -> list[str]:
    return [word for word in re.split(r"\s*[,/]\s*", value) if word]


def _latin(phrase: str, kind: str, joined: bool) -> str:
    """Pattern of a phrase: "*" any ending, "..." up to six words, "$" the end; nouns have plurals."""
    gaps = []
    for piece in phrase.split("..."):
        words = [(folded(w), w.endswith("*")) for w in re.sub(r"[-'’]", " ", piece).split()]
        forms = [re.escape(w) + (r"\w*" if star else _PLURAL if kind == "noun" else "") for w, star in words]
        gaps.append(" ".join(forms))
    after = r"(?!\w)(?= und | bitte|$)" if phrase.endswith("$") else r"(?!\w)"
    head = r"\w*" if kind == "noun" and joined and len(phrase) >= 4 else ""
    gaps[0] = head + gaps[0]
    return rf"(?<!\w)({f'){_GAP}('.join(gaps)}){after}"


@cache
def tongue(code: str) -> Tongue:
    """Reads one language's file.

    Args:
      code: one of `TONGUES`.
    """
    text = (files("zdg_jax.reasoning.rules") / "tongues" / f"{code}.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = yaml.load(text, Loader=YAML_LOADER)
    spaced = "script" not in raw
    entries = []
    for kind in ("verb", "noun"):
        for english, value in raw[f"{kind}s"].items():
            for word in _words(value):
                pattern = _latin(word, kind, raw.get("joined", False)) if spaced else f"({re.escape(word)})"
                entries.append((re.compile(pattern), kind, english, len(word)))

    def marks(suffix: str) -> dict[str, tuple[str, ...]]:
        given = {"held": raw.get(f"with{suffix}", ""), "target": raw.get(f"into{suffix}", "")}
        return {k: tuple(folded(w) if spaced else w for w in _words(v)) for k, v in given.items() if v}

    def bag(name: str) -> frozenset[str]:
        return frozenset(folded(raw.get(name, "")).split())

    return Tongue(
        called=TONGUES[code],
        spaced=spaced,
        order="after" if raw.get("script") == "kana" else "before",
        head=raw.get("head", "last"),
        small=bag("small") | bag("articles"),
        articles=bag("articles"),
        marks=marks(""),
        marks_after=marks(" after"),
        next_verb=tuple(_words(raw.get("next verb", ""))),
        entries=tuple(entries),
    )


def tongue_of(text: str, lexicon: Lexicon) -> Tongue | None:
    """The language of a text, if it is one of `TONGUES`; None for English and whatever else.

    Script tells Chinese and Japanese; of the others the one that knows most of the words, and more of them
    than English does.
    """
    if re.search(r"[\u3040-\u30ff]", text):
        return tongue("ja")
    if re.search(r"[\u4e00-\u9fff]", text):  # Japanese words of kanji alone
        ours, theirs = (tongue(code).covered(unicodedata.normalize("NFKC", text)) for code in ("zh", "ja"))
        return tongue("ja" if theirs > ours else "zh")
    line = folded(text)
    words = tuple(line.split())
    here = {k for start, end, _ in nouns(words, lexicon) for k in range(start, end)}
    known = sum(w in ENGLISH or w in lexicon.words or k in here for k, w in enumerate(words))
    if known == len(words):
        return None
    scores = {code: tongue(code).covered(line) for code in TONGUES if tongue(code).spaced}
    best = max(scores, key=lambda code: scores[code])
    return tongue(best) if scores[best][0] > known else None
