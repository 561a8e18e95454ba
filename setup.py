"""What pyproject.toml can't say: the wheel takes one top-level name, and the README's links are absolute.

In the repository `prompts`, `zdg_jax`, `sim_eval` and `pipelines` lie side by side, and `python -m
pipelines.generate` works. Installed like that, three common words would be taken, and a user's own prompts.py
would hide ours. So the wheel has them inside `zdg_jax`, with every import rewritten; in the repository
`zdg_jax.pipelines` is another name for `pipelines`: what is written with it runs in both.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

ROOMS = "prompts|sim_eval|pipelines"
RULES = (
    (re.compile(rf"^(\s*)import ({ROOMS})$", re.MULTILINE), r"\1from zdg_jax import \2"),
    (re.compile(rf"^(\s*)from ({ROOMS})(?=[. ])", re.MULTILINE), r"\1from zdg_jax.\2"),
    (re.compile(rf"""(["'])({ROOMS})\.(?=[a-z_])"""), r"\1zdg_jax.\2."),
    (re.compile(rf"-m ({ROOMS})(?=[. ])"), r"-m zdg_jax.\1"),
)
HERE = Path(__file__).parent


def rewritten(text: str) -> str:
    """A module of ours as it stands in the wheel."""
    for pattern, by in RULES:
        text = pattern.sub(by, text)
    return text


def readme() -> str:
    """README.md with links that work on a registry's page."""
    home = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Homepage"]
    text = (HERE / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/images/", f"]({home}images/", text)
    return re.sub(r"\]\((?!https?:|#)(?:docs/)?([^)]+)\)", rf"]({home}\1)", text)


def main() -> None:
    """Build; setuptools is imported here, so that a test may read the rules without it."""
    from setuptools import setup
    from setuptools.command.build_py import build_py

    class Nested(build_py):
        """Moves the rooms into `zdg_jax` when all is copied; an editable install stays as it is."""

        def run(self) -> None:
            super().run()
            if self.editable_mode:
                return
            built = Path(self.build_lib)
            for room in ROOMS.split("|"):
                shutil.rmtree(built / "zdg_jax" / room, ignore_errors=True)  # of an earlier build
                (built / room).rename(built / "zdg_jax" / room)
            for path in built.glob("zdg_jax/**/*.py"):
                path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")

    about: dict[str, Any] = {"long_description": readme(), "long_description_content_type": "text/markdown"}
    setup(cmdclass={"build_py": Nested}, **about)


if __name__ == "__main__":
    main()
