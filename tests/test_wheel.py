"""The wheel takes one name, and works beside modules of the user's that are called like our rooms."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_a_module_has_one_identity_under_both_names() -> None:
    import pipelines.options
    import zdg_jax.pipelines.options as again
    from zdg_jax import sim_eval
    from zdg_jax.pipelines import options

    assert again is options is pipelines.options
    assert options.__spec__.name == options.__name__ == "pipelines.options"
    assert sim_eval.__name__ == "sim_eval"
    with pytest.raises(ModuleNotFoundError):
        import zdg_jax.pipelines.nothing  # noqa: F401


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("import prompts\n", "from zdg_jax import prompts\n"),
        ("    from pipelines.x import y\n", "    from zdg_jax.pipelines.x import y\n"),
        ("from prompts import STAGES", "from zdg_jax.prompts import STAGES"),
        ('M = "sim_eval.metrics.contact:"', 'M = "zdg_jax.sim_eval.metrics.contact:"'),
        ("`python -m pipelines.generate`", "`python -m zdg_jax.pipelines.generate`"),
        ("prompts.STAGES + my_prompts.x", "prompts.STAGES + my_prompts.x"),
        ('subcommand("prompts", prefix_name=False)', 'subcommand("prompts", prefix_name=False)'),
    ],
)
def test_imports_are_rewritten_and_nothing_else(ours: str, theirs: str) -> None:
    setup = runpy.run_path(str(ROOT / "setup.py"))
    assert setup["rewritten"](ours) == theirs
    assert setup["rewritten"](theirs) == theirs


@pytest.mark.slow
def test_the_wheel_beside_a_users_own_prompts(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*words, "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        tops = {name.split("/")[0] for name in file.namelist()}
        assert {top for top in tops if not top.endswith(".dist-info")} == {"zdg_jax"}
        assert "zdg_jax/py.typed" in file.namelist()
        file.extractall(tmp_path / "site")
    user = tmp_path / "user"
    user.mkdir()
    for name in ("prompts", "pipelines", "sim_eval"):
        (user / f"{name}.py").write_text("MINE = True\n")
    (user / "script.py").write_text(
        "import prompts, pipelines, sim_eval, sys\n"
        "import zdg_jax as zdg\n"
        "assert zdg.__file__.startswith(sys.argv[1]), zdg.__file__\n"
        "obj, hand = zdg.load_object('zoo:hammer/0'), zdg.load_hand('human16')\n"
        "told = zdg.reason(obj, hand, 'hammer a nail', zdg.make_reasoner('offline'))\n"
        "assert told.grasp.status == 'ok', told.grasp.status_reason\n"
        "assert zdg.command(['list', 'protocols', '--json']) == 0\n"
        "assert zdg.evaluate.__module__ == 'zdg_jax.sim_eval.evaluate'\n"
        "assert prompts.MINE and pipelines.MINE and sim_eval.MINE\n"
        "assert zdg.command(['eval', 'nothing.parquet']) == 2\n"
    )
    told = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "script.py", str(tmp_path / "site")],
        cwd=user,
        env=told,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"six_force"' in done.stdout
