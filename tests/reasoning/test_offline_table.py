"""The affordance table: every reference holds, every word is understood."""

from __future__ import annotations

from importlib.resources import files

import pytest
import yaml
from pydantic import ValidationError

from tests.reasoning.offline_things import THINGS
from zdg_jax.reasoning.rules.affordances import INTENTS, AffordanceTable, load_table
from zdg_jax.reasoning.rules.language import Lexicon, inflections, plurals, read_task
from zdg_jax.reasoning.rules.task_plan import make_plan

TABLE = load_table()
DATA_FILES = sorted(p.name for p in files("zdg_jax.reasoning.rules").iterdir() if p.name.endswith(".yaml"))
LEXICON = Lexicon.of(TABLE)


def test_enough_is_covered() -> None:
    assert len(TABLE.classes) >= 60
    assert len(TABLE.verbs) >= 30


def test_a_dangling_reference_is_refused() -> None:
    raw = TABLE.model_dump()
    raw["verbs"]["cut"]["implies"] = {"light sabre": ()}
    with pytest.raises(ValidationError, match="light sabre"):
        AffordanceTable.model_validate(raw)
    raw = TABLE.model_dump()
    raw["roles"]["handle"]["weights"]["shiny"] = 1.0
    with pytest.raises(ValidationError, match="shiny"):
        AffordanceTable.model_validate(raw)
    raw = TABLE.model_dump()
    raw["families"]["rod"]["rules"]["use"]["approach"] = {"sideways": 1.0}
    with pytest.raises(ValidationError, match="sideways"):
        AffordanceTable.model_validate(raw)


@pytest.mark.parametrize("name", DATA_FILES)
def test_no_key_is_written_twice(name: str) -> None:
    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader: Strict, node: yaml.MappingNode) -> object:
        keys = [loader.construct_object(k) for k, _ in node.value]
        assert len(keys) == len(set(keys)), keys
        return loader.construct_mapping(node, deep=True)

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    text = (files("zdg_jax.reasoning.rules") / name).read_text(encoding="utf-8")
    assert yaml.load(text, Strict)


def test_no_synonym_belongs_to_two_classes() -> None:
    owner: dict[str, str] = {}
    for name, row in TABLE.classes.items():
        for word in (name, *row.synonyms):
            assert owner.setdefault(word, name) == name, f"{word}: {owner[word]} and {name}"


@pytest.mark.parametrize("name", sorted(TABLE.classes))
def test_every_class_is_found_by_name_and_synonym_and_gives_a_plan(name: str) -> None:
    for word in (name, *TABLE.classes[name].synonyms):
        for form in (plurals(word) - set(TABLE.classes)) | {word}:  # "glasses" hold no water
            assert read_task("take it", form, LEXICON).named[0] == name
        assert read_task(f"hand me the {word}", None, LEXICON).named[0] == name
    for k, make in enumerate((THINGS["hammer"], THINGS["mug"], THINGS["banana"])):
        plan = make_plan(("use it", "hand it over", "lift it")[k], name, make())
        assert (plan.thing, plan.told, plan.reading.intent) == (name, "named", INTENTS[k])
        assert {n for s in plan.holds for n in s} == {p.number for p in make().parts}


@pytest.mark.parametrize(
    ("sentence", "verb", "intent", "named"),
    [
        ("hammer a nail", "hammer", "use", ()),
        ("Hammering nails.", "hammer", "use", ()),
        ("hand me the hammer", "handover", "handover", ("hammer",)),
        ("hand it over", "handover", "handover", ()),
        ("hand the mug over to him", "handover", "handover", ("mug",)),
        ("can you pass me the drill?", "handover", "handover", ("drill",)),
        ("pass the can", "handover", "handover", ("can",)),
        ("pick up the knife and cut the banana", "cut", "use", ("knife",)),
        ("cut the banana with the knife", "cut", "use", ("knife",)),
        ("pour water from the pitcher into the bowl", "pour", "use", ("pitcher",)),
        ("pour tea into the cup", "pour", "use", ()),
        ("use the drill", "use", "use", ("drill",)),
        ("put the lid on the pot", "carry", "move", ("lid",)),
        ("lifting it", "carry", "move", ()),
        ("put it on the shelf", "carry", "move", ()),
        ("set it down on the desk", "carry", "move", ()),
        ("Put them on.", "wear", "use", ()),
        ("put on the glasses", "wear", "use", ("glasses",)),
        ("squeezed the mustard bottle", "squeeze", "use", ("squeeze bottle",)),
        ("drove a screw", "screw", "use", ()),
        ("turn the pancake over", "flip", "use", ()),
        ("fry an egg", "fry", "use", ()),
        ("fly it", "fly", "move", ()),
        ("glue the wood", "glue", "use", ()),
        ("roll out the dough", "roll", "use", ()),
        ("solve the puzzle cube", "build", "move", ("brick",)),
        ("look at the stamp with the magnifying glass", "look", "use", ("magnifier",)),
        ("frobnicate the gizmo", None, "move", ()),
    ],
)
def test_sentences(sentence: str, verb: str | None, intent: str, named: tuple[str, ...]) -> None:
    reading = read_task(sentence, None, LEXICON)
    assert (reading.verb, reading.intent, reading.named) == (verb, intent, named)


@pytest.mark.parametrize(
    ("form", "made"),
    [
        ("grip", {"grip", "grips", "gripping", "gripped", "griping", "griped"}),
        ("slice", {"slice", "slices", "slicing", "sliced"}),
        ("carry", {"carry", "carries", "carried", "carrying"}),
        ("press", {"press", "presses", "pressing", "pressed"}),
    ],
)
def test_inflections(form: str, made: set[str]) -> None:
    assert inflections(form) == made


def test_the_user_given_name_outweighs_the_sentence_and_the_shape() -> None:
    plan = make_plan("cut bread", "spatula", THINGS["mug"]())
    assert (plan.thing, plan.told) == ("spatula", "named")
