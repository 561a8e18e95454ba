"""Every column of a batch of grasps, once: type, unit, heading, direction of better, source, who shows it.

The parquet schema, `zdg eval`, the benchmark's tables, the report and `docs/metrics.md` are made from it. A
new measure is its function and one line here (docs/extending.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zdg_jax.errors import UserError
from zdg_jax.markdown import table

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
      of: what it is measured of, attributes of `sim_eval.evaluate.Posed`; empty for what other steps give.
      measure: "module:function", or the function itself, that is called with them; without one the first of
        them is the measure.
      stored: whether a dataset of ours keeps it.
      formula, source: for docs/metrics.md: how it is computed, and who measures so.
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
    formula: str = ""
    source: str = ""


def _needed(kind: Kind, *names: str) -> list[Column]:
    return [Column(name, kind, required=True) for name in names]


_DEPTH = "sim_eval.metrics.penetration:"
_CONTACT = "sim_eval.metrics.contact:"
_LINKS = "sim_eval.metrics.contact:"

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
    Column("hypothesis", "text", newer=True),
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
    Column("off_region", "real", stored=False),
    Column("apart_cm", "real", stored=False),
    Column("thumb_apart_cm", "real", stored=False),
    Column("under_cm", "real", stored=False),
    Column("enclosed", "flag", stored=False),
    Column("bent", "flag", stored=False),
    Column("thumb_idle", "flag", newer=True),
    # the paper's metrics, in the order of its tables
    Column(
        "p_vol_cm3", "real", "P.Vol (cm³) ↓", short="P.Vol", hint="cm³", shown=("paper", "report"),
        of=("volume_cm3",),
        formula="vol(hand ∩ object), boolean of the two closed meshes",
        source=(
            "P.Vol, paper IV-A, which names no method. The exact one stays under this name. Where a mesh "
            "bounds no solid: 2 mm voxels, and `p_vol_method` says `voxel`."
        ),
    ),
    Column(
        "p_dep_cm", "real", "P.Dep (cm) ↓", short="P.Dep", hint="cm", shown=("paper", "report"),
        of=("phi",), measure=_DEPTH + "penetration_depth",
        formula="100 max_v max(0, −φ(v))",
        source=(
            "P.Dep, paper IV-A after GraspTTA (Jiang et al. 2021). Where the literature measures to the "
            "nearest object *vertex*, we measure to the surface."
        ),
    ),
    Column("sim_dis_cm", "real", "Sim.Dis (cm) ↓", short="Sim.Dis", hint="cm", shown=("paper", "report")),
    Column("sim_suc", "flag", "Sim.Suc (%) ↑", 100.0, shown=("paper",), share=True),
    Column(
        "part_acc", "real", "Part Acc (%) ↑", 100.0, shown=("paper",), share=True,
        of=("touch", "correct"), measure=_CONTACT + "part_accuracy",
        formula="1 if any vertex in contact at 5 mm is nearest to a sample of the ground-truth part",
        source=(
            "Part Acc, paper IV-A: \"whether the generated hand makes contact with the object at the "
            "ground-truth contact parts\". One vertex suffices; contact elsewhere is not held against it. "
            "Needs labels."
        ),
    ),
    Column(
        "sc_ratio", "real", "S.C.Ratio (%) ↑", 100.0, shown=("paper",), share=True,
        of=("touch", "correct", "skin_finger"), measure=_CONTACT + "semantic_contact_ratio",
        formula="share of the *touching* finger vertices that touch the right part; 0 if none touches",
        source=(
            "S.C.Ratio, paper IV-A: \"the proportion of finger vertices that are in contact with the "
            "correct semantic part\". Of all finger vertices the paper's 83 % would be out of reach."
        ),
    ),
    Column("p_score", "real"),
    Column("calls", "calls", required=True),
    # more measures of the grasp
    Column(
        "p_vol_voxel_cm3", "real", "P.Vol, 5 mm voxels (cm³) ↓", short="P.Vol 5 mm",
        hint="cm³, by voxels of 5 mm as the literature counts", shown=("eval", "benchmark", "report"),
        newer=True, of=("skin", "skin_faces", "mesh"), measure=_DEPTH + "voxel_volumes",
        formula="0.125 · number of 5 mm lattice cells whose centre is in hand and object",
        source=(
            "P.Vol as the literature counts it (ObMan, Hasson et al. 2019; GraspTTA). Their "
            "`trimesh.voxelized` yields the object's *shell* and so depends on the mesh's inside; we count "
            "the solid. At a good grasp's few tenths of a cm³ it often says 0 or one voxel (0.125). It "
            "depends on where the lattice lies."
        ),
    ),
    Column("p_vol_method", "text", of=("volume_method",), stored=False),
    Column(
        "p_dep_object_cm", "real", "depth of the object's points in the hand (cm) ↓",
        shown=("eval", "benchmark"), of=("skin", "skin_faces", "points"), measure=_DEPTH + "object_depths",
        formula="100 max_p max(0, −φ_hand(p)) over 4096 surface samples p",
        source="Ours: blades and wires that slip between skin vertices.",
    ),
    Column(
        "p_dep_collision_cm", "real", "depth of the collision shapes (cm) ↓", shown=("eval", "benchmark"),
        newer=True, of=("mesh", "collision_points"), measure=_DEPTH + "collision_depth",
        formula=(
            "100 max_c max(0, −φ(c)) over points c on the hand's collision geoms (6 mm apart, edges and "
            "corners among them; meshes by their convex hulls; links without spheres left out)"
        ),
        source=(
            "Ours, P.Dep on what a simulator collides: Shadow's palm is eight boxes, of which the skin's "
            "vertices see little. DexGraspBench's penetration is the deepest contact of such geoms with "
            "convex pieces of the object; ours keeps the object's mesh."
        ),
    ),
    Column(
        "self_pen_cm", "real", "self-penetration (cm) ↓", short="self-pen.",
        hint="cm, deepest overlap of two links", shown=("eval", "benchmark", "report"), newer=True,
        of=("spheres", "sphere_radius", "sphere_pairs"),
        measure="sim_eval.metrics.penetration:self_penetration",
        formula="100 max over sphere pairs max(0, r_i + r_j − \\|p_i − p_j\\|)",
        source=(
            "Deepest link-link overlap, as DexGraspBench's `self_pene`. On the hand's sphere chains "
            "(simulated shape, inscribed in the skin by up to about 2 mm), pairs at least two joints apart."
        ),
    ),
    Column(
        "posture_deg", "real", "unnatural posture (°) ↓", short="posture",
        hint="degrees beyond what the hand's joints allow each other", shown=("eval", "benchmark", "report"),
        newer=True, of=("joints", "posture"), measure="sim_eval.select.score:posture_excess",
        formula="max over the card's limits of max(0, a q_i + b q_j − m) / \\|(a, b)\\|, degrees",
        source="Ours; the limits are the hand card's `posture`. 0 for a hand without any.",
    ),
    Column(
        "thumb_contact", "flag", "thumb in contact, 5 mm (%) ↑", 100.0, shown=("eval", "benchmark"),
        newer=True, of=("touch", "skin_finger", "thumb"), measure=_CONTACT + "thumb_touches",
        formula="any vertex of the thumb with φ ≤ 5 mm",
        source="Ours.",
    ),
    Column(
        "opposition", "real", "thumb against fingers (cosine) ↓", short="opposed", digits=1,
        hint="cosine between the surfaces under thumb and fingers, -1 opposed",
        shown=("eval", "benchmark", "report"), newer=True,
        of=("touch", "normal", "skin_finger", "thumb"), measure=_CONTACT + "opposition",
        formula="cosine of the mean outward normals under the thumb and under the other fingers, φ ≤ 5 mm",
        source="Ours; −1 where they press from opposite sides, NaN where one of them does not touch.",
    ),
    Column(
        "contact_5mm", "flag", "contact at 5 mm (%) ↑", 100.0, shown=("eval",),
        of=("touch",), measure=_CONTACT + "in_contact", stored=False,
        formula="any_v φ(v) ≤ 5 mm",
        source="5 mm: GraspTTA and after. A vertex inside touches.",
    ),
    Column(
        "contact_2mm", "flag", "contact at 2 mm (%) ↑", 100.0, shown=("eval",),
        of=("touch_strict",), measure=_CONTACT + "in_contact", stored=False,
        formula="any_v φ(v) ≤ 2 mm",
        source="DexGraspBench's threshold. A vertex inside touches.",
    ),
    Column(
        "contact_fingers", "count", "fingers in contact, 5 mm ↑", shown=("eval",), newer=True,
        of=("touch", "skin_finger"), measure=_CONTACT + "finger_count",
        formula="fingers with a vertex in contact at 5 mm",
        source="palm not counted",
    ),
    Column(
        "contact_number", "count", "contact number (links, 2 mm) ↑", short="links", digits=0,
        hint="in contact within 2 mm", shown=("eval", "benchmark", "report"), newer=True,
        of=("links",), measure=_LINKS + "contact_number",
        formula="links with a vertex of \\|φ\\| < 2 mm, palm counted",
        source=(
            "DexGraspBench (BODex, ICRA 2025), whose `contact_threshold` is 2 mm. It uses MuJoCo's geom "
            "distances, we skin vertices."
        ),
    ),
    Column(
        "contact_gap_cm", "real", "gap (cm) ↓", shown=("eval",), of=("phi",),
        measure=_CONTACT + "contact_gap", stored=False,
        formula="100 max(0, min_v φ(v))",
        source="gap between hand and object",
    ),
    Column(
        "contact_distance_cm", "real", "contact distance (cm) ↓", shown=("eval", "benchmark"), newer=True,
        of=("gaps",), measure=_LINKS + "mean_contact_distance",
        formula="100 mean over fingers of clip(min_v φ, 0, 1 cm)",
        source="DexGraspBench's `contact_dist`, margin 1 cm",
    ),
    Column(
        "contact_consistency_cm", "real", "contact consistency (cm) ↓", shown=("eval", "benchmark"),
        newer=True, of=("gaps",), measure=_LINKS + "contact_consistency",
        formula="100 (max − min over fingers of min(1 cm, min_v φ))",
        source="DexGraspBench's `contact_consis`",
    ),
    Column(
        "force_closure", "flag", "force closure (%) ↑", 100.0, shown=("eval", "benchmark"), share=True,
        newer=True, of=("closure",),
        formula="`fc_min_weight` > 0 and rank 6",
        source="Two hard points never close in space.",
    ),
    Column(
        "fc_epsilon", "real", "Ferrari-Canny ε ↑", short="ε", digits=3,
        hint="Ferrari-Canny quality, 0 without force closure", shown=("eval", "benchmark", "report"),
        newer=True, of=("epsilon",),
        formula="radius of the largest ball about 0 in the convex hull of the w_i",
        source=(
            "Ferrari and Canny 1992, L1 set: the normal forces sum to at most 1. Exact for the linearised "
            "cones; eight edges lose up to 8 % of μ. 0 without closure."
        ),
    ),
    Column(
        "fc_min_weight", "real", "LP weight ↑", shown=("eval",), newer=True,
        of=("min_weight",),
        formula="N max l with Σ α_i w_i = 0, Σ α_i = 1, α_i ≥ l",
        source="The linear programme (HiGHS), FRoGGeR (Li et al. 2023). 0 without closure, at most 1.",
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
    Column(
        "hold_share", "real", "perturbed tests survived (%) ↑", 100.0, short="held", digits=1,
        hint="share of six-force tests survived with pose, friction and mass a little off",
        shown=("benchmark", "report"), newer=True,
    ),
    Column(
        "blocked_share", "real", "kept-free space entered (%) ↓", 100.0, short="blocked", digits=1,
        hint="share of the points that the task needs free which lie in the hand",
        shown=("benchmark", "report"), newer=True,
    ),
    Column(
        "aims_met", "real", "fingers where asked (%) ↑", 100.0, short="aims", digits=0,
        hint="of what the task asks of single fingers: through an opening, at a point of their own",
        shown=("benchmark", "report"), newer=True,
    ),
    Column("thumb_point_cm", "real", "thumb to its point (cm) ↓", newer=True),
    Column("index_point_cm", "real", "index finger to its point (cm) ↓", newer=True),
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


def shown(where: Shown) -> tuple[Column, ...]:
    """The columns of a table, in order."""
    return tuple(column for column in COLUMNS.values() if where in column.shown)


def stored() -> tuple[Column, ...]:
    """The columns of `grasps.parquet`, in order."""
    return tuple(column for column in COLUMNS.values() if column.stored)


def measured() -> tuple[Column, ...]:
    """The columns that a posed hand and an object give without simulation, in order."""
    return tuple(column for column in COLUMNS.values() if column.of)


#: Terms of eq. 8 of a file whose rows have no energy; else it has those of its rows.
BUILT_IN_TERMS = ("cont_func", "cont_unf", "cmap", "pen", "spen", "fc", "pip", "post", "point")

#: What all grasps of one task share; a file repeats it in every row.
TASK_COLUMNS = (
    *("task_id", "object_id", "object_scale", "mesh_sha256", "task", "reasoner", "seed", "config_sha"),
    *("code_version", "part_ids", "contact_points", "direction", "rotation_index"),
    *("view_index", "calls", "answered_by"),
)


def page() -> str:
    """`docs/metrics.md`: what stands here, among what `metrics.md.j2` says of it."""
    import jinja2

    def measures(*names: str) -> str:
        heads = ["column", "formula", "source and reading"]
        return table(heads, [[f"`{name}`", COLUMNS[name].formula, COLUMNS[name].source] for name in names])

    def everything() -> str:
        heads = ["column", "values", "heading; ↓ less is better", "in tables of", "in files"]
        rows = [
            [f"`{c.name}`", c.kind, c.heading, ", ".join(c.shown), "yes" if c.stored else ""]
            for c in COLUMNS.values()
        ]
        return table(heads, rows)

    text = Path(__file__).with_name("metrics.md.j2").read_text(encoding="utf-8")
    return jinja2.Template(text, keep_trailing_newline=True).render(measures=measures, everything=everything)


if __name__ == "__main__":
    from zdg_jax import columns  # as a program this module is another one

    print(columns.page(), end="")
