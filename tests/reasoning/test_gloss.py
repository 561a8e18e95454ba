"""Other languages: every entry of the word lists is understood, sentences come out in the table's words."""

from __future__ import annotations

import pytest
import yaml

from sim_eval.benchmark.instructions import SETS, instructions
from tests.reasoning import offline_things as t
from zdg_jax.reasoning.rules.affordances import load_table
from zdg_jax.reasoning.rules.gloss import TONGUES, folded, tongue, tongue_of
from zdg_jax.reasoning.rules.language import Lexicon, read_task
from zdg_jax.reasoning.rules.near import heard
from zdg_jax.reasoning.rules.task_plan import doubts, make_plan

TABLE = load_table()
LEXICON = Lexicon.of(TABLE)
PARTS = {"cap", "cork", "stopper", "pump", "knob", "button", "switch", "trigger", "lid"}


def say(sentence: str, name: str | None = None):
    return heard(sentence, name, LEXICON, None)


@pytest.mark.parametrize("code", TONGUES)
def test_every_entry_is_a_word_of_the_table(code: str) -> None:
    for _, kind, english, _ in tongue(code).entries:
        if kind == "verb":
            assert read_task(f"{english} the thing", None, LEXICON).verb is not None, english
        else:
            assert english in LEXICON.class_of or english in LEXICON.words or english in PARTS, english


@pytest.mark.parametrize("code", TONGUES)
def test_every_class_has_a_name_and_no_word_means_two_things(code: str) -> None:
    have = {LEXICON.class_of.get(english) for _, kind, english, _ in tongue(code).entries if kind == "noun"}
    assert set(TABLE.classes) - have <= {"kettlebell"}
    means: dict[str, str] = {}
    for pattern, kind, english, _ in tongue(code).entries:
        if kind == "noun":
            assert means.setdefault(pattern.pattern, english) == english, pattern.pattern


def test_english_is_never_taken_for_another_language() -> None:
    for set_name in SETS:
        for row in instructions(set_name):
            assert say(row.task, row.object_name).notes == (), row.task
    for name, row in TABLE.classes.items():
        for word in (name, *row.synonyms):
            assert say(f"hand me the {word}", word).notes == ()


@pytest.mark.parametrize(
    ("sentence", "english"),
    [
        ("Schneide das Brot mit dem Messer!", "cut the bread with the knife"),
        ("Gib mir die Schere.", "hand me the scissors"),
        ("Gieß Wasser aus dem Krug in die Schüssel.", "pour the water with the pitcher in the bowl"),
        ("Mach das Glas auf.", "open the jar"),
        ("Reich mir die Haarbürste.", "hand me the hairbrush"),
        ("Schraub den Deckel auf!", "unscrew the lid"),
        ("Schraub den Deckel auf die Flasche.", "screw the lid in the bottle"),
        ("Dreh das Steak um und gib mir die Zange.", "flip the steak and hand me the pliers"),
        ("Coupe le pain avec le couteau.", "cut the bread with the knife"),
        ("Prends le couteau pour couper le pain.", "take the knife and cut the bread"),
        ("Donne-moi la brosse à dents, s'il te plaît.", "hand me the toothbrush"),
        ("Corta el pan con el cuchillo.", "cut the bread with the knife"),
        ("¿Me pasas las tijeras?", "hand me the scissors"),
        ("Quita la tapa de la olla.", "take the lid with the pot"),
        ("用刀切面包。", "use the knife and cut the bread"),
        ("把剪刀递给我。", "hand me the scissors"),
        ("ナイフでパンを切って。", "cut the bread with the knife"),
        ("はさみを渡してください。", "hand me the scissors and hand me it"),
    ],
)
def test_sentences(sentence: str, english: str) -> None:
    assert say(sentence).task == english


@pytest.mark.parametrize(
    ("name", "thing"),
    [
        ("Bratpfanne", "pan"),
        ("Gemüsemesser", "knife"),  # a compound's last word is the thing
        ("couteau à pain", "knife"),  # the first here
        ("lata de carne", "can"),
        ("电钻", "drill"),
        ("缶", "can"),  # Japanese without kana
        ("歯ブラシ", "toothbrush"),
    ],
)
def test_names(name: str, thing: str) -> None:
    said = say("take it", name)
    assert read_task(said.task, said.name, LEXICON).named == (thing,)


def test_a_plan_is_that_of_its_english_sentence_and_says_so() -> None:
    for sentence, make in (("Schlag den Nagel ein.", t.hammer), ("ナイフでパンを切って。", t.knife)):
        plan, english = make_plan(sentence, None, make()), make_plan(say(sentence).task, None, make())
        assert (plan.reading, plan.thing, plan.holds) == (english.reading, english.thing, english.holds)
        assert doubts(plan) == (*plan.heard.notes, *doubts(english))
        assert repr(say(sentence).task) in plan.heard.notes[0]


def test_accents_and_case_do_not_matter() -> None:
    assert folded("ÉPLUCHE l'œuf") == "epluche l oeuf"
    assert say("EPLUCHE LA BANANE").task == say("Épluche la banane.").task


def test_what_no_list_knows_stays_as_it_is() -> None:
    for sentence in ("zap it with flurbs", "Pokrój chleb nożem", "", "¿?", "...", "12"):
        assert say(sentence, sentence).task == sentence
    assert tongue_of("", LEXICON) is None


def test_no_key_is_written_twice_and_none_is_a_boolean() -> None:
    from importlib.resources import files

    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader: Strict, node: yaml.MappingNode) -> object:
        keys = [loader.construct_object(k) for k, _ in node.value]
        assert len(keys) == len(set(keys)), keys
        assert all(isinstance(k, str) for k in keys)
        return loader.construct_mapping(node, deep=True)

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    for code in TONGUES:
        text = (files("zdg_jax.reasoning.rules.tongues") / f"{code}.yaml").read_text(encoding="utf-8")
        assert yaml.load(text, Strict)
