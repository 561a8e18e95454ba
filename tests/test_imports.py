"""What is imported by whom: a command's start is mostly imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: What `zdg synth` with the offline reasoner does not need.
UNUSED = (
    "sklearn", "pandas", "scipy.stats", "matplotlib", "transformers", "torch", "ray", "openai",
    "google.genai", "httpx2", "mujoco.mjx", "brax", "flax", "glfw", "hypothesis", "pytest",
)  # fmt: skip
HEAVY = ("jax", "numpy", "mujoco", "trimesh", "pyarrow", "scipy", "pydantic", "PIL", *UNUSED)
SYNTH = (
    "from pipelines import cli, synth, inline, pictures\n"
    "from sim_eval.select import closing, select\n"
    "from sim_eval.backends import c\n"
    "from zdg_jax import api\n"
    "api.make_reasoner('offline')\n"
)


@pytest.mark.parametrize(
    "script", ["import zdg_jax as zdg\nzdg.reason", "from zdg_jax.pipelines.evaluate import evaluate_file"]
)
def test_any_import_keeps_xlas_log_off_the_terminal(script: str) -> None:
    """XLA reads the variable as jax is imported, and jax sets another where there is none."""
    code = f"import os\n{script}\nprint(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    env = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.stdout.split() == ["3"], done.stderr[-500:]


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import zdg_jax", HEAVY),
        ("from pipelines import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass", HEAVY),
        (SYNTH, UNUSED),
    ],
    ids=["import zdg_jax", "zdg --help", "zdg synth"],
)
def test_only_what_is_used_is_imported(code: str, unwanted: tuple[str, ...]) -> None:
    said = f"import os, sys\nos.environ['MUJOCO_GL'] = 'disable'\n{code}\n"
    said += f"print('loaded', sorted(set({unwanted!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", said], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["loaded []"], done.stderr[-500:]
