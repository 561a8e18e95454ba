"""From a category and a variant number to a labelled, evenly tessellated mesh."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float, Int

from zdg_jax.cache import cached_arrays
from zdg_jax.errors import UserError, alike, did_you_mean
from zdg_jax.objects.zoo import categories
from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.shape import Shape, steady

#: Where the names are, once near ones are said.
LISTED = "`zdg list objects` has all names"
VARIANTS = 4
FACES, MOST_FACES = 5000, 18_000  # aimed at, and allowed
GRID = 1e-6  # metres
_SOURCES = tuple(sorted(Path(__file__).parent.rglob("*.py")))


@dataclass(frozen=True)
class ZooObject:
    """A generated object.

    Attributes:
      name: "mug/3".
      mesh: watertight, metres, +y up, standing on y = 0, centred on x and z.
      part_names: sorted.
      face_part: index into `part_names` of each face.
      density: of the material (of the whole body, where it is of several), kg/m3.
    """

    name: str
    mesh: trimesh.Trimesh
    part_names: tuple[str, ...]
    face_part: Int[np.ndarray, " faces"]
    density: float

    @property
    def sha256(self) -> str:
        """Of the grid coordinates (int32), faces (int32) and part names; the manifest's number."""
        cells = np.rint(np.asarray(self.mesh.vertices) / GRID).astype("<i4")
        digest = hashlib.sha256(cells.tobytes())
        digest.update(np.ascontiguousarray(self.mesh.faces, dtype="<i4").tobytes())
        digest.update(np.ascontiguousarray(self.face_part, dtype="<i4").tobytes())
        digest.update("\0".join(self.part_names).encode())
        return digest.hexdigest()


@cache
def category_names() -> tuple[str, ...]:
    """All categories, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(categories.__path__)))


def zoo_names() -> tuple[str, ...]:
    """All objects, "mug/0" and so on."""
    return tuple(f"{category}/{k}" for category in category_names() for k in range(VARIANTS))


def zoo_object(name: str) -> ZooObject:
    """The object "CATEGORY/VARIANT"; "CATEGORY" alone is its variant 0. Cached by code.

    Raises:
      UserError: no such category or variant.
    """
    category, variant = _parsed(name)
    arrays = cached_arrays("zoo", f"{category}/{variant}", lambda: _generate(category, variant), _SOURCES)
    mesh = trimesh.Trimesh(arrays["vertices"], arrays["faces"], process=False)
    names = tuple(str(part) for part in arrays["part_names"])
    return ZooObject(f"{category}/{variant}", mesh, names, arrays["face_part"], float(arrays["density"]))


def check_zoo_name(name: str) -> None:
    """Whether there is such an object; nothing is made.

    Raises:
      UserError: no such category or variant.
    """
    _parsed(name)


def _parsed(name: str) -> tuple[str, int]:
    category, slash, number = name.partition("/")
    known = category_names()
    if category not in known:
        hint = did_you_mean(f"zoo:{name}/0" for name in alike(category, known))
        advice = f"{hint}{LISTED}" if hint else "categories: " + ", ".join(known)
        raise UserError(f"zoo:{name}", "zoo:CATEGORY/VARIANT", advice)
    if slash and not (number.isdecimal() and int(number) < VARIANTS):
        raise UserError(f"zoo:{name}", f"a variant from 0 to {VARIANTS - 1}", f"e.g. zoo:{category}/0")
    return category, int(number or 0)


def _generate(category: str, variant: int) -> dict[str, np.ndarray]:
    module = importlib.import_module(f"{categories.__name__}.{category}")
    shape: Shape = module.build(Draw(category, variant))
    vertices, faces, labels = _tessellated(shape).arrays()
    names, face_part = np.unique(labels, return_inverse=True)
    vertices, faces, face_part = _merged(_settled(vertices), faces, face_part)
    return {
        "vertices": vertices,
        "faces": faces,
        "part_names": names,
        "face_part": face_part.astype(np.int64),
        "density": np.array(float(module.DENSITY)),
    }


def _tessellated(shape: Shape) -> Shape:
    """Slivers gone, then edges split to an even length."""
    solid = shape.solid.simplify(5e-5)
    edge = 1.6 * float(np.sqrt(4 / np.sqrt(3) * solid.surface_area() / FACES))
    fine = solid.refine_to_length(edge)
    while fine.num_tri() > MOST_FACES and edge < 0.1:  # lattices have area in many thin bars
        edge *= 1.4
        fine = solid.refine_to_length(edge)
    return Shape(fine, shape.parts)


def _settled(vertices: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 3"]:
    """Put on y = 0, centred, on a grid of one micrometre: last bits of sines then don't matter."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    middle = 0.5 * (low + high)
    placed = vertices - np.array([middle[0], low[1], middle[2]])
    return steady(placed, GRID)


def _merged(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], face_part: Int[np.ndarray, " f"]
) -> tuple[Float[np.ndarray, "w 3"], Int[np.ndarray, "g 3"], Int[np.ndarray, " g"]]:
    """Vertices that fell on one grid point made one; faces that vanished with them dropped."""
    _, first, index = np.unique(vertices, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")  # keep the order of first appearance
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    faces = place[index.reshape(-1)][faces]
    a, b, c = faces.T
    kept = (a != b) & (b != c) & (c != a)
    return vertices[first[order]], faces[kept], face_part[kept]
