"""Which grasps are simulated, which of them are good, and which is better (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from zdg_jax.grasps import Grasps
from zdg_jax.refine.aims import AT_POINT
from zdg_jax.refine.hypotheses import AIMED, EDGE, FAR, LAID, REASONED, SQUARE, TIERS

# A kept grasp is called good if it meets all of these, still touches after the gravity test, has the thumb on
# the object unless its type leaves the thumb out, is reached freely, and survives at least half of its
# perturbed tests, as far as each is known.
LIMITS = {"p_dep_cm": 0.3, "p_vol_cm3": 3.0, "sim_dis_cm": 2.0}
#: Limits that older files do not know.
NEWER_LIMITS = {"self_pen_cm": 0.05, "posture_deg": 5.0}
LEAST_SHARE = 0.5
_FLAGS = ("thumb_contact", "approach_free")
#: Columns that `lacks` reads.
JUDGED = (*LIMITS, *NEWER_LIMITS, *_FLAGS, "thumb_idle", "contact_end", "hold_share", "blocked_share")
# P.Dep looks at skin vertices only; a finger through a mug's wall shows in the object's points inside it.
PIERCING_CM = 0.3
#: Of grasps that hold, one this deep in the object comes after those that are not, cm.
DEEP_CM = 0.1
#: Shares of the touching fingers beside the reasoned regions: above the first a grasp is on the wrong part,
#: above the others it strays.
WRONG_PART, STRAYS = 0.5, (0.25, 0.1)
#: Share of the points to keep free that a good grasp may cover.
COVERED = 0.02
#: Share of the candidates that the reasoned hypothesis gives, and of the kept ones that any one may give
#: while others of its tier hold too.
_OWN_SHARE, _MOST_SHARE = 0.4, 0.75
#: Share of the candidates whose pads are at their key points, where there are any.
_AT_POINTS = 2 / 3
#: What no force closure, a step of straying, a tier and fingers that are not where they are asked count, in
#: units of the energy, before it is known what holds.
_NO_CLOSURE, _STRAYING, _TIER, _UNAIMED = 1.0, 0.5, 0.5, 1.0
#: What a tier counts once that is known: a hand that stands askew has to be better by so much.
_TIER_HELD = 2.0
#: A hand on a thing that may be taken from any side reaches so far below it before that counts, each cm more
#: a unit of the energy, at most so many: it stands on something.
_UNDER_CM, _UNDER_MOST = 0.5, 4.0
#: What each cm counts by which neighbouring fingertips are apart at most, units of the energy: a hand that is
#: closed around a thing looks right more often than one of which a finger or the thumb stands off. The
#: thumb's distance from the index finger counts the less the better it opposes: of a wide thing it is wide.
_APART = 1.0
#: Of what the task asks of single fingers a grasp meets it from this share on.
AIMED_FROM = 0.7


def shortlist(grasps: Grasps, count: int) -> Int[np.ndarray, " chosen"]:
    """Numbers of the `count` grasps of least score among those with status "ok"; ties keep their order.

    Args:
      grasps: with `score`: energy of eq. 8 plus the weighted deviation from the reasoned pose.
      count: at most so many.
    """
    order = np.argsort(grasps["score"], kind="stable")
    usable = grasps.ok & np.isfinite(grasps["score"])
    return order[usable[order]][:count]


def candidates(grasps: Grasps, count: int) -> Int[np.ndarray, " chosen"]:
    """Numbers of `count` grasps of all hypotheses that are worth closing the hand on.

    The reasoned hypothesis, or the one that is aimed, laid in the hand, under an edge or square, gives two
    fifths, the others as many each, the best of each first: on the right part before beside it, natural
    before unnatural, with fingers where the task asks them before others, then by score. What is left over is
    filled up with the next ones. Energies of different grasp types are not compared: a pinch, which is asked
    for fewer contacts, would always win.

    Where thumb and index finger have key points, two thirds have their pads there, as far as there are any,
    and the others not: of some tasks only those hold (`missed`).

    Args:
      grasps: with `score`, `self_pen_cm` and `posture_deg`.
      count: at most so many.
    """
    off = off_point(grasps)
    if off.any() and not off.all():
        there, elsewhere = np.flatnonzero(~off), np.flatnonzero(off)
        first = there[candidates(grasps.take(there), count)]
        left = count - min(len(first), round(_AT_POINTS * count))
        rest = elsewhere[candidates(grasps.take(elsewhere), left)]
        return np.concatenate([first[: count - len(rest)], rest])
    names = hypothesis_of(grasps)
    usable = np.flatnonzero(grasps.ok & np.isfinite(grasps["score"]))
    wrong = misplaced(grasps)
    keys = grasps["score"], unaimed(grasps), unnatural(grasps.columns), wrong
    order = usable[np.lexsort([key[usable] for key in keys])]
    mine = {name: order[names[order] == name] for name in dict.fromkeys(names[order])}
    lead = next((n.name for n in (AIMED, LAID, EDGE, SQUARE) if n.name in mine), REASONED.name)
    others = max(1, len(mine) - (lead in mine))
    own = count if len(mine) == 1 else round(_OWN_SHARE * count)
    quota = {name: own if name == lead else (count - own) // others for name in mine}
    chosen = [row for name, rows in mine.items() for row in rows[: max(1, quota[name])]]
    rest = [row for row in order if row not in set(chosen)]
    return np.array((chosen + rest)[:count], np.int64)


def hypothesis_of(grasps: Grasps) -> np.ndarray:
    """Name of each grasp's hypothesis; "reasoned" where none is known."""
    names = grasps.columns.get("hypothesis", np.full(len(grasps), REASONED.name, object))
    return np.array([REASONED.name if name is None else str(name) for name in names], object)


def off_region(grasps: Grasps) -> Float[np.ndarray, " grasps"]:
    """Share of the touching fingers beside the reasoned regions; 0 where none were reasoned."""
    return _known(grasps.columns, len(grasps), "off_region")


def far(grasps: Grasps) -> Bool[np.ndarray, " grasps"]:
    """Of another type and from another side than reasoned: for want of better."""
    return np.array([TIERS.get(name, 0) >= FAR for name in hypothesis_of(grasps)], bool)


def unlaid(grasps: Grasps) -> Bool[np.ndarray, " grasps"]:
    """Not laid in the hand as the grasp type says, where another one of the batch is and holds.

    A pen between three fingertips that lies over the web of the thumb slips by a centimetre or two under the
    gravity test's kilogram; one that crosses the fingertips slips less, and nobody holds it so.
    """
    laid = hypothesis_of(grasps) == LAID.name
    return ~laid if (laid & held(grasps)).any() else np.zeros(len(grasps), bool)


def misplaced(grasps: Grasps) -> Bool[np.ndarray, " grasps"]:
    """On the wrong part, or over what the task needs free."""
    covered = _known(grasps.columns, len(grasps), "blocked_share")
    return (off_region(grasps) > WRONG_PART) | (covered > COVERED)


def off_point(grasps: Grasps) -> Bool[np.ndarray, " grasps"]:
    """Thumb or index pad is further than `AT_POINT` from its key point; False where none was reasoned."""
    thumb, index = _to_points(grasps)
    return (thumb > AT_POINT[0]) | (index > AT_POINT[1])


def missed(grasps: Grasps) -> Bool[np.ndarray, " grasps"]:
    """`off_point`, where another hand of the batch is at its points and holds.

    Two pads at the points of a camera's button or a phone's edge leave nothing for the rest of the hand:
    there what holds is kept as if no points had been reasoned.
    """
    off = off_point(grasps)
    return off & bool((~off & held(grasps)).any())


def _to_points(grasps: Grasps) -> Float[np.ndarray, "2 grasps"]:
    """Of thumb and index pad from their key points, metres; NaN where none was reasoned."""
    names = ("thumb_point_cm", "index_point_cm")
    return 0.01 * np.array([_known(grasps.columns, len(grasps), name, np.nan) for name in names])


def unaimed(grasps: Grasps) -> Bool[np.ndarray, " grasps"]:
    """Single fingers are not where the task asks them; False where it does not, or that is not known."""
    return aims(grasps) < AIMED_FROM


def aims(grasps: Grasps) -> Float[np.ndarray, " grasps"]:
    """How far single fingers are where the task asks them; NaN where it does not, or that is not known."""
    return _known(grasps.columns, len(grasps), "aims_met", np.nan)


def unnatural(columns: Mapping[str, np.ndarray]) -> Bool[np.ndarray, " grasps"]:
    """Stands in itself, in a posture that its joints do not allow each other, or bends a finger that its type
    stretches."""
    beyond = [np.asarray(columns[name], float) > limit for name, limit in NEWER_LIMITS.items()]
    return np.logical_or.reduce([*beyond, curled(columns, len(beyond[0]))])


def curled(columns: Mapping[str, np.ndarray], count: int) -> Bool[np.ndarray, " grasps"]:
    """Bends a finger that its type stretches; False where that is not known."""
    return _known(columns, count, "bent") == 1.0


def _known(
    columns: Mapping[str, np.ndarray], count: int, name: str, otherwise: float = 0.0
) -> Float[np.ndarray, " grasps"]:
    """A column of `count` numbers; files that lack it have one value in all rows."""
    return np.asarray(columns.get(name, np.full(count, otherwise)), float)


def good(columns: Mapping[str, np.ndarray]) -> Bool[np.ndarray, " grasps"]:
    """Lacks nothing of `lacks`."""
    return ~np.logical_or.reduce(list(lacks(columns).values()))


def lacks(columns: Mapping[str, np.ndarray]) -> dict[str, Bool[np.ndarray, " grasps"]]:
    """What keeps grasps from being good, in words, and which they are; the unknown is not asked for.

    Args:
      columns: `LIMITS` and `contact_end`, and whatever else is known.
    """
    count = len(np.asarray(columns["p_dep_cm"]))
    value = {name: _known(columns, count, name, np.nan) for name in JUDGED}
    beyond = {name: ~(value[name] <= limit) for name, limit in LIMITS.items()}
    beyond |= {name: value[name] > limit for name, limit in NEWER_LIMITS.items()}
    no = {name: value[name] == 0.0 for name in _FLAGS}
    return {
        "too deep in the object": beyond["p_dep_cm"] | beyond["p_vol_cm3"],
        "dropped by the gravity test": beyond["sim_dis_cm"] | ~(value["contact_end"] > 0),
        "standing in itself": beyond["self_pen_cm"],
        "no natural posture": beyond["posture_deg"],
        "thumb off the object": no["thumb_contact"] & ~(value["thumb_idle"] == 1.0),
        "not reached freely": no["approach_free"],
        "lost in most perturbed tests": value["hold_share"] < LEAST_SHARE,
        "over what the task needs free": value["blocked_share"] > COVERED,
    }


def rank(
    columns: Mapping[str, np.ndarray], score: Float[np.ndarray, " grasps"]
) -> Int[np.ndarray, " grasps"]:
    """Order of the simulated grasps, best first.

    Good ones (`good`) come first: those that pierce nothing by score, which alone knows the task, then the
    others by depth. Those that are not good follow by their worst ratio to a limit, max_m(value_m / limit_m),
    with lost contact worse than any of them.

    Args:
      columns: `LIMITS`, `p_dep_object_cm` and `contact_end`, one value a grasp; NaN is infinitely bad.
      score: of the same grasps.
    Returns: indices into the columns.
    """
    ratios = np.stack([np.asarray(columns[name], dtype=float) / limit for name, limit in LIMITS.items()])
    worst = np.nan_to_num(ratios, nan=np.inf).max(axis=0)
    worst = np.where(np.asarray(columns["contact_end"], dtype=bool), worst, np.inf)
    meets = good(columns)
    depth = np.nan_to_num(np.asarray(columns["p_dep_object_cm"], dtype=float), nan=np.inf)
    pierces = np.where(depth > PIERCING_CM, depth, 0.0)
    return np.lexsort((score, np.where(meets, pierces, worst), ~meets))


def held(grasps: Grasps) -> Bool[np.ndarray, " grasps"]:
    """On the right part, withstands six forces (`_withstands`), and leaves free what the task needs.

    Args:
      grasps: with the columns of the closing and of `measure_shape`.
    """
    return _withstands(grasps) & ~misplaced(grasps)


def _withstands(grasps: Grasps) -> Bool[np.ndarray, " grasps"]:
    """Six forces, reached freely, and no deeper than a good grasp may be: what stands in a thing holds it."""
    deep = np.asarray(grasps["p_dep_cm"], float) > LIMITS["p_dep_cm"]
    free = np.asarray(grasps["approach_free"], float) == 1.0
    return np.asarray(grasps["six_force_suc"], bool) & free & ~deep


def promising(grasps: Grasps) -> Int[np.ndarray, " grasps"]:
    """Order in which the hand is closed on grasps, the most promising first.

    By, in this order: on the right part, covering nothing that is to stay free; pads at their key points;
    natural, with the thumb on the object if the type asks it; single fingers where the task asks them; not
    deep; then by

      score - min of its grasp type + 1 [no force closure] + 1/2 strays + 1/2 tier + (1 - aims met),

    how far it strays from the regions in steps of `STRAYS`, and the tier of its hypothesis. As keys of their
    own, one before the other, they put grasps of twice the energy first.

    Args:
      grasps: with the columns of `measure_shape`.
    """
    c = grasps.columns
    idle = _known(c, len(grasps), "thumb_idle") == 1.0
    odd = unnatural(c) | ((np.asarray(c["thumb_contact"], float) == 0.0) & ~idle)
    cost = _NO_CLOSURE * ~np.asarray(c["force_closure"], bool) + _cost(grasps, _TIER)
    return np.lexsort((cost, _deep(grasps), unaimed(grasps), odd, off_point(grasps), misplaced(grasps)))


def seemly(grasps: Grasps) -> Int[np.ndarray, " grasps"]:
    """Order of grasps of which it is known what holds, the one a person would most likely take first.

    By, in this order: pads at their key points, if a hand there holds (`missed`); holds (`held`); with key
    points, natural; not far from what was reasoned; laid in the hand as its type says; `good`, no finger bent
    that the type stretches; single fingers where the task asks them; not deep; then by

      score - min of its grasp type + 1/2 strays + 2 tier + (1 - aims met)
          + max(apart / cm, (1 + opposition) / 2 thumb apart / cm) + clip(under / cm - 1/2, 0, 4),

    the last of a thing that may be taken from any side: how far the hand reaches below it, where a table is.

    Force closure has done its work by now: the contacts' mean normals miss it in a fist around a thin handle,
    and have it in a flat hand along the handle. Of 464 hands that others judged this order, without the last
    two terms, had 27 of 58 first ones good and 4 bad, with closure and half a unit a tier 24 and 8. On 21
    unseen things it had 13 of them good, as many as by lot; of what was measured on those 168 hands the
    distance of the fingertips told best which were good (73 % of 237 pairs), and the energy with it has 17.

    Args:
      grasps: with the columns of the closing and of `measure`, more promising before less.
    """
    c = grasps.columns
    # two points may be reached by a hand that no person makes, from near what was reasoned too
    strained = unnatural(c) & np.isfinite(_to_points(grasps)).any(axis=0)
    poor = ~good(c) | curled(c, len(grasps))
    lacks_by = _deep(grasps), unaimed(grasps), poor, unlaid(grasps), far(grasps), strained, ~held(grasps)
    under, apart, thumb = (
        np.nan_to_num(_known(c, len(grasps), name)) for name in ("under_cm", "apart_cm", "thumb_apart_cm")
    )
    faces = np.nan_to_num(_known(c, len(grasps), "opposition", 1.0), nan=1.0)  # unknown: it opposes nothing
    apart = np.maximum(apart, 0.5 * (1.0 + faces) * thumb)
    cost = _cost(grasps, _TIER_HELD) + _APART * apart + np.clip(under - _UNDER_CM, 0.0, _UNDER_MOST)
    return np.lexsort((cost, *lacks_by, missed(grasps)))


def _deep(grasps: Grasps) -> Bool[np.ndarray, " grasps"]:
    return ~(np.asarray(grasps["p_dep_cm"], float) <= DEEP_CM)


def _cost(grasps: Grasps, of_tier: float) -> Float[np.ndarray, " grasps"]:
    off = off_region(grasps)
    strays = np.sum([off > limit for limit in STRAYS], axis=0)
    tier = np.array([TIERS.get(name, 0) for name in hypothesis_of(grasps)])
    unmet = 1.0 - np.nan_to_num(aims(grasps), nan=1.0)
    return _over_best(grasps) + _STRAYING * strays + of_tier * tier + _UNAIMED * unmet


def rank_by_hold(grasps: Grasps) -> Int[np.ndarray, " grasps"]:
    """Order of grasps that were closed on, best first.

    By, in this order: on the right part, covering nothing that is to stay free; pads at their key points, if
    a hand there holds (`missed`); withstands six forces without standing in the object, and is reached
    freely; then as they come.

    Args:
      grasps: the more promising first (`promising`), with the columns of the closing.
    """
    return np.lexsort((~_withstands(grasps), missed(grasps), misplaced(grasps)))


def _over_best(grasps: Grasps) -> Float[np.ndarray, " grasps"]:
    """Score over the least one of the same grasp type: energies of different types are not compared."""
    score = np.asarray(grasps["score"], float)
    kinds = np.asarray(grasps.columns.get("grasp_type", np.full(len(grasps), "")), str)
    best = {kind: np.min(score[kinds == kind]) for kind in np.unique(kinds)}
    return score - np.array([best[kind] for kind in kinds])


def firm(grasps: Grasps) -> Bool[np.ndarray, " grasps"]:
    """Hold, meet what else is asked of a good one as far as it is known, are not deep, on the regions and at
    their key points."""
    c = grasps.columns
    fine = held(grasps) & ~unnatural(c) & ~_deep(grasps) & ~missed(grasps)
    if set(LIMITS) <= set(c):
        fine &= good(c)
    return fine & (off_region(grasps) <= STRAYS[0])


def around(grasps: Grasps, count: int) -> Int[np.ndarray, " kept"]:
    """`count` numbers of grasps in order, of which the firm ones come from as many sides as they can.

    The first firm one, then again and again the one whose wrist is turned furthest from the nearest of those
    chosen, 2 arccos |q . q'|. The others fill up what is left.

    Args:
      grasps: closed on, best first.
      count: how many.
    """
    fine = [int(row) for row in np.flatnonzero(firm(grasps))]
    q = grasps.hand_pose[:, 3:]
    turn = 2.0 * np.arccos(np.clip(np.abs(q @ q.T), 0.0, 1.0))
    chosen: list[int] = fine[:1]
    while len(chosen) < min(count, len(fine)):
        rest = [row for row in fine if row not in chosen]
        chosen.append(max(rest, key=lambda row: (turn[row, chosen].min(), -row)))
    others = [row for row in range(len(grasps)) if row not in chosen]
    return np.array((chosen + others)[:count], np.int64)


def spread(grasps: Grasps, keep: int) -> Int[np.ndarray, " kept"]:
    """The first `keep` numbers of grasps in order, of which no hypothesis gives more than three quarters.

    Only good ones of the same grasp type that hold, not deep and on the regions, take a place from it.

    Args:
      grasps: measured, best first.
      keep: how many.
    """
    names, fine = hypothesis_of(grasps), firm(grasps)
    first = list(range(min(keep, len(grasps))))
    if not first:
        return np.zeros(0, np.int64)
    most = int(np.ceil(_MOST_SHARE * keep))
    lead = [row for row in first if names[row] == names[0]]
    spare = [
        row for row in range(len(grasps))
        if row not in first and fine[row] and names[row] != names[0]
        and TIERS.get(names[row], 0) <= max(1, TIERS.get(names[0], 0))
    ]  # fmt: skip
    for out, into in zip(reversed(lead[most:]), spare, strict=False):
        first[first.index(out)] = into
    return np.array(sorted(first), np.int64)
