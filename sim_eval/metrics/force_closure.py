"""Force closure and grasp quality over linearised friction cones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, QhullError

FRICTION = 0.6  # DexGraspBench's sliding friction
EDGES = 8
CLOSED = 1e-7  # least weight that still counts as closure; below lies the solver's tolerance


@dataclass(frozen=True)
class Quality:
    """Quality of one grasp.

    Attributes:
      closure: the grasp resists every wrench, given enough force.
      epsilon: Ferrari-Canny, see `ferrari_canny`; 0 without closure.
      min_weight: of the LP, see `min_weight`; 0 without closure, at most 1.
    """

    closure: bool
    epsilon: float
    min_weight: float


def link_contacts(
    near: Bool[np.ndarray, " vertices"],
    skin_link: Int[np.ndarray, " vertices"],
    p_surface: Float[np.ndarray, "vertices 3"],
    n_surface: Float[np.ndarray, "vertices 3"],
) -> tuple[Float[np.ndarray, "contacts 3"], Float[np.ndarray, "contacts 3"]]:
    """One contact a link: the mean of its vertices' nearest object points, and their mean inward normal.

    DexGraspBench averages the contacts of a link too. A palm that lies flat on an object is one point.

    Args:
      near: vertices in contact.
      skin_link: link of each vertex.
      p_surface: the object's point nearest to each vertex, metres.
      n_surface: the object's outward unit normal there.

    Returns:
      (points, inward unit normals); a link whose normals cancel is left out.
    """
    points, normals = [], []
    for link in np.unique(skin_link[near]):
        of_link = near & (skin_link == link)
        inward = -n_surface[of_link].mean(axis=0)
        size = np.linalg.norm(inward)
        if size > 1e-3:
            points.append(p_surface[of_link].mean(axis=0))
            normals.append(inward / size)
    return np.array(points).reshape(-1, 3), np.array(normals).reshape(-1, 3)


def cone_wrenches(
    points: Float[np.ndarray, "contacts 3"],
    inward: Float[np.ndarray, "contacts 3"],
    center: Float[np.ndarray, "3"],
    length: float,
    friction: float = FRICTION,
    edges: int = EDGES,
) -> Float[np.ndarray, "wrenches 6"]:
    """Wrenches of the cones' edges: w = (f, (p - c) × f / ρ), f = n + μ (cos θ t + sin θ b), n·f = 1.

    Hard point contacts with Coulomb friction; the inscribed pyramid of `edges` edges stands for the cone, so
    quality is under-estimated, by less than 1 - cos(π/edges) in μ (8 % at 8 edges).

    Args:
      points: contacts on the object, metres.
      inward: unit normals into the object.
      center: c about which torques are taken, metres.
      length: ρ, metres, which makes torques comparable to forces (Roa and Suárez 2015, III-A).
      friction: μ.
      edges: of each pyramid; 1 and friction 0 give frictionless contacts.

    Returns:
      Dimensionless, for a unit normal force.
    """
    helper = np.eye(3)[np.abs(inward).argmin(axis=1)]
    t = np.cross(inward, helper)
    t /= np.linalg.norm(t, axis=1, keepdims=True)
    b = np.cross(inward, t)
    angle = 2.0 * np.pi * np.arange(edges)[:, None, None] / edges
    force = inward + friction * (np.cos(angle) * t + np.sin(angle) * b)
    torque = np.cross(points - center, force) / length
    return np.concatenate([force, torque], axis=-1).reshape(-1, 6)


def min_weight(wrenches: Float[np.ndarray, "wrenches dim"]) -> float:
    """The LP: l* = max l so that Σ α_i w_i = 0, Σ α_i = 1, α_i >= l; returned as N l*, 0..1.

    Force closure if and only if l* > 0 and the wrenches span their space (Li et al., FRoGGeR, CoRL 2023). It
    says how evenly the cones can be loaded in equilibrium.

    Returns:
      N l*, 0 without closure.
    """
    n, dim = wrenches.shape
    if n <= dim or np.linalg.matrix_rank(wrenches, tol=1e-6) < dim:
        return 0.0
    # variables: the excesses β_i = α_i - l >= 0, then l
    equal = np.zeros((dim + 1, n + 1))
    equal[:dim, :n], equal[:dim, n] = wrenches.T, wrenches.sum(axis=0)
    equal[dim, :n], equal[dim, n] = 1.0, n
    found = linprog(
        np.r_[np.zeros(n), -1.0], A_eq=equal, b_eq=np.r_[np.zeros(dim), 1.0], bounds=(0, None), method="highs"
    )
    # infeasible: zero lies outside the hull
    return float(n * found.x[-1]) if found.status == 0 else 0.0


def ferrari_canny(wrenches: Float[np.ndarray, "wrenches dim"]) -> float:
    """ε: radius of the largest ball about 0 inside the convex hull of the wrenches.

    Ferrari and Canny 1992, their first set: the normal forces of all contacts sum to at most 1 (the L1 set;
    the other one, each at most 1, is the Minkowski sum and grows with the number of contacts). Exact for the
    linearised cones: the least offset of the hull's facets.

    Returns:
      0 if 0 is not inside.
    """
    try:
        hull = ConvexHull(wrenches)
    except QhullError:  # flat: no ball fits
        return 0.0
    return max(0.0, float((-hull.equations[:, -1]).min()))


def quality(wrenches: Float[np.ndarray, "wrenches dim"], weight: float | None = None) -> Quality:
    """Closure by the LP; ε only where there is closure, since the hull costs more than the LP.

    Args:
      wrenches: of unit normal forces.
      weight: their `min_weight`, where it is known.
    """
    weight = min_weight(wrenches) if weight is None else weight
    if weight <= CLOSED:
        return Quality(False, 0.0, 0.0)
    return Quality(True, ferrari_canny(wrenches), weight)
