"""Every column of a batch of grasps, once: type, unit, heading, direction of better, source, who shows it.

The parquet schema, `zdg eval`, the benchmark's tables, the report and `docs/metrics.md` are made from it. A
new measure is its function and one line here (docs/extending.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from zdg_jax.errors import UserError

Kind = Literal[
    "text", "real", "flag", "count", "int", "pose", "joints", "points", "numbers", "texts", "calls", "terms"
]
Shown = Literal["paper", "eval", "benchmark", "report"]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
      name: in files and tables.
      kind: of its values; a pose is 7 and joints are as many float32 as the hand has active ones, NaN where
        there are none, for readers differ over a null fixed-size list.
      heading: in tables; "" if no table shows it.
      factor: turns the stored value into the heading's unit.
      short, digits, hint: heading, decimals and explanation in the report.
      shown: tables that have it.
      share: counts as 0 where a task came to nothing.
      required: never null.
      newer: files written before it existed lack it, and are read all the same.
      of: what it is measured of, attributes of `sim_eval.measure.Posed`; empty for what other steps give.
      measure: "module:function", or the function itself, that is called with them; without one the first of
        them is the measure.
      stored: whether a dataset of ours keeps it.
    """

    name: str
    kind: Kind
    heading: str = ""
    factor: float = 1.0
    short: str = ""
    digits: int = 2
    hint: str = ""
    shown: tuple[Shown, ...] = ()
    share: bool = False
    required: bool = False
    newer: bool = False
    of: tuple[str, ...] = ()
    measure: str | Callable[..., Any] | None = None
    stored: bool = True


def _needed(kind: Kind, *names: str) -> list[Column]:
    return [Column(name, kind, required=True) for name in names]


_DEPTH = "sim_eval.metrics.penetration:"
_CONTACT = "sim_eval.metrics.contact:"
_LINKS = "sim_eval.metrics.contact_links:"

_ALL: tuple[Column, ...] = (
    # what the row is
    *_needed("text", "grasp_id", "task_id", "object_id"),
    *_needed("real", "object_scale"),
    *_needed("text", "mesh_sha256", "hand", "task", "reasoner", "status", "status_reason"),
    *_needed("int", "seed"),
    *_needed("text", "config_sha", "code_version"),
    # the grasp
    Column("hand_pose", "pose"),
    Column("joints", "joints"),
    Column("pregrasp_joints", "joints"),
    Column("squeeze_joints", "joints"),
    Column("init_pose", "pose"),
    Column("init_joints", "joints"),
    # what was reasoned
    Column("part_ids", "numbers"),
    Column("contact_points", "points"),
    Column("direction", "text"),
    Column("grasp_type", "text"),
    Column("rotation_index", "count"),
    Column("view_index", "count"),
    # refinement: its start, eq. 8 at both ends, how far the palm left G', and the score that ranks
    Column("start", "count", stored=False),
    Column("energy_total", "real"),
    Column("energy", "terms"),
    Column("init_energy_total", "real", stored=False),
    Column("init_energy", "terms", stored=False),
    Column("pose_deviation", "real", stored=False),
    Column("score", "real", stored=False),
    # the paper's metrics, in the order of its tables
    Column(
        "p_vol_cm3", "real", "P.Vol (cm³) ↓", short="P.Vol", hint="cm³", shown=("paper", "report"),
        of=("volume_cm3",),
    ),
    Column(
        "p_dep_cm", "real", "P.Dep (cm) ↓", short="P.Dep", hint="cm", shown=("paper", "report"),
        of=("phi",), measure=_DEPTH + "penetration_depth",
    ),
    Column("sim_dis_cm", "real", "Sim.Dis (cm) ↓", short="Sim.Dis", hint="cm", shown=("paper", "report")),
    Column("sim_suc", "flag", "Sim.Suc (%) ↑", 100.0, shown=("paper",), share=True),
    Column(
        "part_acc", "real", "Part Acc (%) ↑", 100.0, shown=("paper",), share=True,
        of=("touch", "correct"), measure=_CONTACT + "part_accuracy",
    ),
    Column(
        "sc_ratio", "real", "S.C.Ratio (%) ↑", 100.0, shown=("paper",), share=True,
        of=("touch", "correct", "skin_finger"), measure=_CONTACT + "semantic_contact_ratio",
    ),
    Column("p_score", "real"),
    Column("calls", "calls", required=True),
    # more measures of the grasp
    Column(
        "p_vol_voxel_cm3", "real", "P.Vol, 5 mm voxels (cm³) ↓", short="P.Vol 5 mm",
        hint="cm³, by voxels of 5 mm as the literature counts", shown=("eval", "benchmark", "report"),
        newer=True, of=("skin", "skin_faces", "mesh"), measure=_DEPTH + "voxel_volumes",
    ),
    Column("p_vol_method", "text", of=("volume_method",), stored=False),
    Column(
        "p_dep_object_cm", "real", "depth of the object's points in the hand (cm) ↓",
        shown=("eval", "benchmark"), of=("skin", "skin_faces", "points"), measure=_DEPTH + "object_depths",
    ),
    Column(
        "p_dep_collision_cm", "real", "depth of the collision shapes (cm) ↓", shown=("eval", "benchmark"),
        newer=True, of=("mesh", "collision_points"), measure=_DEPTH + "collision_depth",
    ),
    Column(
        "self_pen_cm", "real", "self-penetration (cm) ↓", short="self-pen.",
        hint="cm, deepest overlap of two links", shown=("eval", "benchmark", "report"), newer=True,
        of=("spheres", "sphere_radius", "sphere_pairs"),
        measure="sim_eval.metrics.self_penetration:self_penetration",
    ),
    Column(
        "contact_5mm", "flag", "contact at 5 mm (%) ↑", 100.0, shown=("eval",),
        of=("touch",), measure=_CONTACT + "in_contact", stored=False,
    ),
    Column(
        "contact_2mm", "flag", "contact at 2 mm (%) ↑", 100.0, shown=("eval",),
        of=("touch_strict",), measure=_CONTACT + "in_contact", stored=False,
    ),
    Column(
        "contact_fingers", "count", "fingers in contact, 5 mm ↑", shown=("eval",), newer=True,
        of=("touch", "skin_finger"), measure=_CONTACT + "finger_count",
    ),
    Column(
        "contact_number", "count", "contact number (links, 2 mm) ↑", short="links", digits=0,
        hint="in contact within 2 mm", shown=("eval", "benchmark", "report"), newer=True,
        of=("links",), measure=_LINKS + "contact_number",
    ),
    Column(
        "contact_gap_cm", "real", "gap (cm) ↓", shown=("eval",), of=("phi",),
        measure=_CONTACT + "contact_gap", stored=False,
    ),
    Column(
        "contact_distance_cm", "real", "contact distance (cm) ↓", shown=("eval", "benchmark"), newer=True,
        of=("gaps",), measure=_LINKS + "mean_contact_distance",
    ),
    Column(
        "contact_consistency_cm", "real", "contact consistency (cm) ↓", shown=("eval", "benchmark"),
        newer=True, of=("gaps",), measure=_LINKS + "contact_consistency",
    ),
    Column(
        "force_closure", "flag", "force closure (%) ↑", 100.0, shown=("eval", "benchmark"), share=True,
        newer=True, of=("closure",),
    ),
    Column(
        "fc_epsilon", "real", "Ferrari-Canny ε ↑", short="ε", digits=3,
        hint="Ferrari-Canny quality, 0 without force closure", shown=("eval", "benchmark", "report"),
        newer=True, of=("epsilon",),
    ),
    Column(
        "fc_min_weight", "real", "LP weight ↑", shown=("eval",), newer=True,
        of=("min_weight",),
    ),
    # simulation
    Column("contact_end", "flag", "contact at the end (%) ↑", 100.0, shown=("eval",)),
    Column("contact_every_step", "flag", stored=False),
    Column("sim_depth_cm", "real", stored=False),
    # the tests with an actuated hand, named by their protocol
    Column("gravity_hold_suc", "flag", "held against gravity (%) ↑", 100.0, shown=("eval",), stored=False),
    Column(
        "gravity_hold_dis_cm", "real", "displacement, held against gravity (cm) ↓", shown=("eval",),
        stored=False,
    ),
    Column("gravity_hold_turn_deg", "real", stored=False),
    Column("gravity_hold_depth_cm", "real", stored=False),
    Column("gravity_hold_held", "count", stored=False),
    Column(
        "six_force_suc", "flag", "six-force success (%) ↑", 100.0, shown=("eval", "benchmark"), share=True
    ),
    Column("six_force_dis_cm", "real", "displacement, six forces (cm) ↓", shown=("eval",), stored=False),
    Column("six_force_turn_deg", "real", stored=False),
    Column("six_force_depth_cm", "real", stored=False),
    Column("good", "flag", newer=True),
    # the unrefined start
    Column("initial_p_dep_cm", "real"),
    Column("initial_p_vol_cm3", "real"),
    Column("rank", "count"),
    # how the hand comes and presses
    Column("pregrasp_pose", "pose", newer=True),
    Column(
        "pregrasp_gap_cm", "real", "pregrasp to object (cm) ↑", shown=("eval", "benchmark"), newer=True
    ),
    Column("approach_free", "flag", newer=True),
    Column("approach_reason", "text", newer=True),
    Column("squeeze_way", "text", newer=True),
    Column("six_force_held", "count", newer=True),
    Column("answered_by", "texts", newer=True),
)  # fmt: skip

COLUMNS: dict[str, Column] = {column.name: column for column in _ALL}


def register(column: Column) -> None:
    """Add a column from outside; everything that is made from `COLUMNS` has it from then on.

    Args:
      column: its name must be new.
    Raises:
      UserError: there is one of that name.
    """
    if column.name in COLUMNS:
        raise UserError(f"column {column.name!r}, which exists", "a new name", "choose another")
    COLUMNS[column.name] = column


def shown(table: Shown) -> tuple[Column, ...]:
    """The columns of a table, in order."""
    return tuple(column for column in COLUMNS.values() if table in column.shown)


def stored() -> tuple[Column, ...]:
    """The columns of `grasps.parquet`, in order."""
    return tuple(column for column in COLUMNS.values() if column.stored)


def measured() -> tuple[Column, ...]:
    """The columns that a posed hand and an object give without simulation, in order."""
    return tuple(column for column in COLUMNS.values() if column.of)


#: Terms of eq. 8 of a file whose rows have no energy; else it has those of its rows.
PAPER_TERMS = ("cont_func", "cont_unf", "cmap", "pen", "spen", "fc", "pip")

#: What all grasps of one task share; a file repeats it in every row.
TASK_COLUMNS = (
    *("task_id", "object_id", "object_scale", "mesh_sha256", "task", "reasoner", "seed", "config_sha"),
    *("code_version", "part_ids", "contact_points", "direction", "rotation_index"),
    *("view_index", "calls", "answered_by"),
)
