"""Every option that more than one command has: declared once, with its help, default, range and effect.

A command's own class inherits the groups that mean something to it; `tyro` reads them as they stand, so heavy
imports happen inside the methods. What only one command has stands in that command's class.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from tyro.conf import FlagCreatePairsOff, Positional, UseAppendAction, arg
from tyro.constructors import PrimitiveConstructorSpec

from pipelines.shell import completed, hands, reasoners
from zdg_jax.errors import UserError, one_of, storable

if TYPE_CHECKING:
    from sim_eval.select import SelectBy
    from zdg_jax.reasoning.state import ReasonConfig
    from zdg_jax.refine.config import RefineConfig

Hand = Annotated[str, completed(hands), arg(help="A hand by name, or its card.")]
ReasonerName = Annotated[
    str,
    completed(reasoners),
    arg(help="Who answers: offline, paper, openai:MODEL, gemini:MODEL, ..."),
]
MaxUsd = Annotated[
    float | None, arg(metavar="USD", help="Stop before the models cost more; the next run goes on.")
]
Segmenter = Annotated[
    str, arg(metavar="NAME", help="Who finds parts in pictures: geometric or sam:PATH_OR_ID.")
]
Backend = Annotated[
    str, arg(metavar="auto|mjx|warp|c", help="Simulator; auto: mjx on an accelerator, else C MuJoCo.")
]
Num = Annotated[int, arg(help="Initial grasps of each task to refine.")]
#: `keep` of all that are refined.
ALL = 65536


def _count(words: list[str]) -> int:
    return ALL if words[0] == "all" else int(words[0])


Keep = Annotated[
    int,
    PrimitiveConstructorSpec(
        nargs=1, metavar="INT|all", instance_from_str=_count,
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda value: ["all" if value == ALL else str(value)],
    ),
    arg(help="Grasps of each task to keep, the best by simulation; all: every one that was refined."),
]  # fmt: skip
Batch = Annotated[int | None, arg(metavar="GRASPS", help="Grasps a refinement call; by device 128 or 16384.")]
Concurrency = Annotated[
    int | None, arg(metavar="N", help="Requests in flight, of the whole cluster; see docs/providers.md.")
]
BatchApi = Annotated[
    bool,
    FlagCreatePairsOff,
    arg(help="Ask by batch jobs: half price, rounds of hours (docs/batch.md)."),
]
TaskFile = Annotated[
    str, arg(metavar="FILE", help="Parquet, CSV or JSONL with columns object, task; see docs/cluster.md.")
]
Out = Annotated[str, arg(metavar="DIR", help="Folder for the results.")]
Name = Annotated[
    str | None, arg(metavar="WORD", help="What the object is called; reasoning sees no other name.")
]
Json = Annotated[str | None, arg(metavar="FILE", help="Write everything there as JSON.")]
PrintJson = Annotated[bool, FlagCreatePairsOff, arg(help="Print JSON, everything included.")]
Address = Annotated[
    str | None, arg(metavar="HOST:PORT", help="Ray cluster; RAY_ADDRESS, or a local one, by default.")
]
Up = Annotated[str | None, arg(metavar="x|y|z", help="Axis of the mesh that points up: y, for ycb z.")]

#: Headings in the help of `synth` and `generate`, and what stands below them.
GROUPS: dict[str, tuple[str, ...]] = {
    "mesh": ("scale", "up", "name"),
    "grasps": ("hand", "num", "keep", "select", "hypotheses", "steps", "seed"),
    "reasoning": ("reasoner", "route", "max_usd", "view", "types", "segmenter", "features"),
    "paper experiments": ("ablate", "optimizer"),
}

#: Least and greatest value of each number, whichever command has it.
RANGES: dict[str, tuple[int, int]] = {
    "num": (1, 65536), "keep": (1, 65536), "seed": (0, 2**31 - 1), "steps": (1, 100_000),
    "grasps": (1, 1 << 40), "hypotheses": (1, 10), "batch": (1, 1 << 20), "in_flight": (1, 100_000),
    "concurrency": (1, 10_000),
    "shard": (1, 100_000), "reasoners": (1, 1000), "refiners": (1, 1000), "simulators": (1, 10_000),
    "preparers": (1, 10_000), "workers": (1, 10_000), "limit": (1, 1_000_000), "cpus": (1, 1_000_000),
    "gpus": (0, 1_000_000), "points": (1, 1 << 30),
}  # fmt: skip


def config_sha(config: Mapping[str, Any]) -> str:
    """Short hash of everything that a user can set, in canonical JSON."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


_KINDS = {
    str: "text", int: "a whole number", float: "a number", bool: "True or False", tuple: "a tuple of text",
    NoneType: "None",
}  # fmt: skip


def check_kinds(options: Any) -> None:
    """Refuse values that no command line makes: Python hands over whatever it is given.

    Raises:
      UserError: one is none of the types that its field is declared with.
    """
    for name, hint in get_type_hints(type(options)).items():
        value = getattr(options, name)
        if get_origin(hint) is Literal:
            one_of(name, value, get_args(hint))
            continue
        kinds = [tuple] if get_origin(hint) is tuple else list(get_args(hint) or (hint,))
        taken = (*kinds, int) if float in kinds else tuple(kinds)
        if not isinstance(value, taken) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(_KINDS[kind] for kind in kinds)
            raise UserError(f"{name} {value!r} ({type(value).__name__})", wanted, f"give another {name}")


def check_ranges(options: Any) -> None:
    """Refuse numbers of a command's options that lie outside `RANGES`.

    Raises:
      UserError: one does, or `keep` is above `num`.
    """
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    limits = {name: RANGES[name] for name in values if name in RANGES}
    if limits.pop("keep", None) and "num" in limits and values["keep"] != ALL:  # looked at after --num itself
        limits["keep"] = (1, values["num"])
    for name, (low, high) in limits.items():
        if values[name] is not None and not low <= values[name] <= high:
            option = "--" + name.replace("_", "-")
            raise UserError(f"{option} {values[name]}", f"{low} to {high}", f"choose another {option}")


@dataclass(frozen=True, kw_only=True)
class ObjectOptions:
    """How a mesh file is read."""

    scale: Annotated[float, arg(help="Metres per unit of the mesh file, e.g. 0.001 for millimetres.")] = 1.0
    up: Up = None
    name: Name = None


@dataclass(frozen=True, kw_only=True)
class GraspFileOptions:
    """How other people's grasp files are read."""

    objects: Annotated[
        str | None, arg(metavar="DIR", help="Where the meshes of other people's files are.")
    ] = None
    hand: Annotated[str | None, arg(metavar="NAME", help="Hand of the grasps; the file's by default.")] = None


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """Eqs. 6-8's loop."""

    steps: Annotated[int, arg(help="Steps of refinement; the paper's are 600.")] = 600
    optimizer: Annotated[str, arg(metavar="NAME", help="Optimiser of refinement; the paper's is adam.")] = (
        "adam"
    )

    def refine_config(self) -> RefineConfig:
        """The paper's schedule with what the options change.

        Raises:
          UserError: an unknown optimiser or ablation; the message lists the valid ones.
        """
        from zdg_jax.refine.config import RefineConfig

        ablation = getattr(self, "ablate", None) or "none"
        return RefineConfig(
            steps=self.steps,
            optimizer=self.optimizer,
            ablation=ablation,
            hypotheses=getattr(self, "hypotheses", 1),
        )


@dataclass(frozen=True, kw_only=True)
class RefineOptions(LoopOptions):
    """What is refined."""

    hand: Hand = "human16"
    num: Num = 64
    seed: Annotated[int, arg(help="Same seed, same result; a task's own seed goes before it.")] = 0
    hypotheses: Annotated[int, arg(help="Ways to hold that share the initial grasps; the paper's is 1.")] = 8


@dataclass(frozen=True, kw_only=True)
class ChooseOptions:
    """What is kept."""

    keep: Keep = 8
    select: Annotated[
        str,
        arg(
            metavar="hold|gravity",
            help="Test that grasps are kept by: what a closed hand withstands, or the paper's drop.",
        ),
    ] = "hold"

    def select_by(self) -> SelectBy:
        """The test that grasps are kept by.

        Raises:
          UserError: an unknown one.
        """
        from typing import get_args

        from sim_eval.select import SelectBy

        return one_of("--select", self.select, get_args(SelectBy))


@dataclass(frozen=True, kw_only=True)
class Settings(RefineOptions, ChooseOptions):
    """All that decides which grasps a task gets: the same for one task and for a table of them."""

    reasoner: ReasonerName = "offline"
    route: Annotated[
        tuple[str, ...],
        UseAppendAction,
        arg(metavar="STAGE=NAME", help="Another reasoner for one stage; may be given again."),
    ] = ()
    ablate: Annotated[
        str | None, arg(metavar="contact|initial|refine", help="Leave this stage out (paper IV-C).")
    ] = None
    view: Annotated[
        str, arg(metavar="ask|auto|1-4", help="Who chooses the side view: the reasoner, geometry, or you.")
    ] = "ask"
    types: Annotated[
        Literal["all", "paper"], arg(help="Grasp types offered: all of the hand's card, or the paper's five.")
    ] = "all"
    segmenter: Segmenter = "geometric"
    features: Annotated[
        str, arg(metavar="NAME", help="Features for lifting: geometric, or PartField's .npy file or folder.")
    ] = "geometric"
    max_usd: MaxUsd = None

    def __post_init__(self) -> None:
        # Stored rows say who is asked, not a preset's name, which may stand for others tomorrow.
        from zdg_jax.reasoning.models.settings import expand

        reasoner, route = expand(self.reasoner, self.route)
        object.__setattr__(self, "reasoner", reasoner)
        object.__setattr__(self, "route", route)

    def settings(self) -> dict[str, Any]:
        """All that can change a row, as it is stored."""
        values = {field.name: getattr(self, field.name) for field in fields(Settings)}
        del values["max_usd"]
        return {**values, "route": list(self.route)}

    def config_sha(self) -> str:
        """Of `settings` but the seed, which has a column of its own: the same whichever command ran."""
        return config_sha({name: value for name, value in self.settings().items() if name != "seed"})

    def reason_config(self) -> ReasonConfig:
        """View, segmenter and ablation.

        Raises:
          UserError: an unknown one.
        """
        from zdg_jax.reasoning.segmenter import make_segmenter
        from zdg_jax.reasoning.state import ReasonConfig, parse_view

        return ReasonConfig(
            view_index=parse_view(self.view),
            segmenter=make_segmenter(self.segmenter),
            contact=self.ablate != "contact",
            types=self.types,
        )

    def check(self) -> None:
        """Refuse what can be refused before any work starts; the reasoner is looked at when it is made.

        Raises:
          UserError: a number out of range, or an unknown hand, view, ablation, optimiser, segmenter or test.
        """
        check_kinds(self)
        check_ranges(self)  # both before the imports, which take seconds
        from pipelines.runtime import start_jax
        from zdg_jax.hands import load_hand

        self.select_by()
        self.reason_config()
        self.refine_config()
        start_jax()  # to find the grasp types of a hand whose card has none compiles
        load_hand(self.hand)


@dataclass(frozen=True, kw_only=True)
class Instructions:
    """Which instructions of the benchmark."""

    set: Annotated[Literal["zoo", "ycb"], arg(help="Generated objects, or labelled scans.")] = "zoo"
    half: Annotated[Literal["all", "development", "held_out"], arg(help="Half of the categories.")] = "all"
    only: Annotated[tuple[str, ...], arg(metavar="TEXT", help="Only ids that contain one of these.")] = ()
    limit: Annotated[int | None, arg(help="At most so many instructions, spread over the categories.")] = None


@dataclass(frozen=True)
class SynthOptions(ObjectOptions, Settings):
    """Synthesize, simulate and picture grasps for one object and one task."""

    object: Annotated[
        Positional[str], arg(metavar="OBJECT", help="A mesh file, ycb:NAME or zoo:CATEGORY/VARIANT.")
    ]
    task: Annotated[
        Positional[str], arg(metavar="TASK", help='What the hand shall do, e.g. "hammer a nail".')
    ]
    out: Out = "out"

    def config(self) -> dict[str, Any]:
        """Object, task and settings, as they are stored."""
        return {"object": self.object, "task": self.task, **values_of(ObjectOptions, self), **self.settings()}

    def check(self) -> None:
        check_kinds(self)
        if not self.task.strip():
            raise UserError(
                "an empty task", 'a sentence such as "hammer a nail"', "say what the hand shall do"
            )
        for what, text in (("task", self.task), ("--name", self.name or "")):
            if storable(text) != text:
                raise UserError(
                    f"{what} {text!r}, whose bytes are no text", "UTF-8", "check the terminal's locale"
                )
        super().check()


@dataclass(frozen=True)
class GenerateOptions(Settings):
    """Reason, refine, simulate and write every task of a table; the same command goes on after a stop."""

    tasks: TaskFile
    out: Annotated[str, arg(metavar="DIR_OR_URI", help="Folder, s3://..., gs://..., for the dataset.")]
    address: Address = None
    in_flight: Annotated[int, arg(help="Tasks in reasoning at a time and process, at most.")] = 256
    concurrency: Concurrency = None
    batch_api: BatchApi = False
    batch: Batch = None
    shard: Annotated[int, arg(help="Tasks a file at most; what is written is not done again.")] = 64
    reasoners: Annotated[
        int | None, arg(metavar="N", help="Reasoning processes; a quarter of the processors.")
    ] = None
    refiners: Annotated[int | None, arg(metavar="N", help="Refinement processes; one a GPU, or one.")] = None
    simulators: Annotated[int | None, arg(metavar="N", help="Simulation processes; half the processors.")] = (
        None
    )
    preparers: Annotated[int | None, arg(metavar="N", help="Preparation processes; half the processors.")] = (
        None
    )
    pictures: Annotated[
        bool,
        FlagCreatePairsOff,
        arg(
            help="Do not store the pictures that the models saw.",
            help_behavior_hint="(default: they are stored)",
        ),
    ] = True

    def config(self) -> dict[str, Any]:
        """The settings and the batch, whose shape shows in the last digits of a folder's rows.

        Everything else says how, how fast and where to, and a run may go on with others.
        """
        return {**self.settings(), "batch": self.batch}


def words(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def values_of(group: type, options: Any) -> dict[str, Any]:
    """The values of one group's options."""
    return {field.name: getattr(options, field.name) for field in fields(group)}
