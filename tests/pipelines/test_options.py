"""Options: one declaration each, in every command where it means something, with one hash."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from pipelines import generate, plan
from pipelines.benchmark.__main__ import Options as BenchmarkOptions
from pipelines.cli import Eval, Export, Synth
from pipelines.hand_command import Retarget
from pipelines.options import RANGES, GenerateOptions, Settings, SynthOptions
from sim_eval.backends import BACKENDS
from sim_eval.protocols import PROTOCOLS
from sim_eval.select import SelectBy
from zdg_jax.errors import UserError, one_of
from zdg_jax.refine.config import Ablation


@pytest.mark.parametrize("command", [Synth, GenerateOptions, plan.Plan])
def test_a_setting_is_an_option_of_every_command_that_synthesizes(command: type) -> None:
    assert {field.name for field in fields(Settings)} <= {field.name for field in fields(command)}


def test_other_commands_take_the_settings_that_mean_something_to_them() -> None:
    names = {"steps", "optimizer", "segmenter", "select"}
    assert names <= {field.name for field in fields(BenchmarkOptions)}
    assert {"steps", "optimizer"} <= {field.name for field in fields(Retarget)}


def test_the_hash_is_the_same_whichever_command_ran_and_sees_every_setting() -> None:
    one = SynthOptions("ycb:025_mug", "drink", "a", seed=4, max_usd=1.0)
    many = GenerateOptions("tasks.csv", "b", seed=5, in_flight=3)
    assert one.config_sha() == many.config_sha()
    others = {
        "hand": "shadow", "reasoner": "openai:m", "route": ("view=openai:n",), "num": 8, "keep": 2,
        "steps": 9, "ablate": "initial", "optimizer": "lion", "view": "auto", "segmenter": "sam:x",
        "features": "f", "select": "gravity", "hypotheses": 3, "types": "paper",
    }  # fmt: skip
    assert {*others, "seed", "max_usd"} == {field.name for field in fields(Settings)}
    shas = {GenerateOptions("", "", **{name: value}).config_sha() for name, value in others.items()}
    assert len(shas | {many.config_sha()}) == len(others) + 1


@pytest.mark.parametrize(
    ("command", "option", "valid"),
    [
        (Settings, "select", get_args(SelectBy)),
        (Settings, "ablate", [name for name in get_args(Ablation) if name != "none"]),
        (Eval, "protocol", PROTOCOLS),
        (Eval, "backend", BACKENDS),
        (Export, "format", ("dexgraspbench", "dexgraspnet", "glb")),
    ],
)
def test_help_lists_what_the_registry_has(command: type, option: str, valid: object) -> None:
    told = get_type_hints(command, include_extras=True)[option].__metadata__[0].metavar
    assert told == "|".join(valid)


@pytest.mark.parametrize(
    "words", [("--keep", "9", "--num", "8"), ("--steps", "0"), ("--shard", "0"), ("--num", "65537")]
)
def test_a_number_out_of_range_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert words[0][2:] in RANGES
    assert generate.main(["--tasks", "none.csv", "--out", str(tmp_path), *words]) == 2
    assert capsys.readouterr().err.startswith(f"generate: got {words[0]} {words[1]}; expected 1 to ")


def test_one_of_gives_the_known_name_or_lists_all() -> None:
    assert one_of("fruit", "pear", ("apple", "pear")) == "pear"
    with pytest.raises(UserError, match="got fruit 'plum'; expected one of apple, pear"):
        one_of("fruit", "plum", ("apple", "pear"))
