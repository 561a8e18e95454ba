"""Who may import whom (DESIGN §2), read from the source with ast."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("prompts", "zdg_jax", "sim_eval", "pipelines")
# Modules that lie directly in zdg_jax (errors, guidance, ...) are below everything else in it.
INNER = {"hands": 1, "objects": 1, "render": 2, "reasoning": 3, "refine": 3, "api": 4}
STRANGERS = {"reasoning", "refine"}


def modules(root: Path) -> dict[str, Path]:
    """Every module of the four packages by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Our modules (and `tests`) that one file imports, at any depth of its code."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            if target.split(".")[0] == "tests":
                yield "tests"
            while target and target not in known:
                target = target.rpartition(".")[0]
            if target:
                yield target


def breaches(root: Path) -> list[str]:
    """Every import against the order, and the first circle."""
    known = modules(root)
    graph = {name: set(imports(name, path, known)) - {name} for name, path in known.items()}
    found = []
    for source, targets in graph.items():
        for target in sorted(targets):
            reason = _breach(source, target)
            if reason:
                found.append(f"{source} imports {target}: {reason}")
    try:
        TopologicalSorter({k: v - {"tests"} for k, v in graph.items()}).prepare()
    except CycleError as error:
        found.append("circle: " + " <- ".join(error.args[1]))
    return found


def _breach(source: str, target: str) -> str | None:
    if target == "tests":
        return "only tests may import tests"
    here, there = source.split(".")[0], target.split(".")[0]
    if PACKAGES.index(there) > PACKAGES.index(here):
        return f"{here} is below {there}"
    if here == there == "zdg_jax":
        inner_here, inner_there = ([*m.split("."), ""][1] for m in (source, target))
        if {inner_here, inner_there} == STRANGERS:
            return "reasoning and refine never know each other"
        if INNER.get(inner_there, 0) > INNER.get(inner_here, 0):
            return f"{inner_here or 'zdg_jax'} is below {inner_there}"
    return None


def test_the_order_holds() -> None:
    assert set(PACKAGES) <= {p.split(".")[0] for p in modules(ROOT)}
    assert breaches(ROOT) == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("prompts/x.py", "import zdg_jax.errors"),
        ("zdg_jax/hands/x.py", "def late():\n    from sim_eval import y"),
        ("sim_eval/x.py", "from pipelines import y"),
        ("zdg_jax/objects/x.py", "from zdg_jax.render import y"),
        ("zdg_jax/render/x.py", "from ..reasoning import y"),
        ("zdg_jax/reasoning/x.py", "import zdg_jax.refine.y"),
        ("zdg_jax/refine/x.py", "from zdg_jax.reasoning.y import z"),
        ("zdg_jax/errors.py", "from zdg_jax import hands"),
        ("zdg_jax/refine/x.py", "from zdg_jax.api import z"),
        ("pipelines/x.py", "from tests.y import z"),
        ("zdg_jax/hands/y.py", "from zdg_jax.hands import x\n"),
    ],
)
def test_a_planted_breach_is_found(tmp_path: Path, path: str, code: str) -> None:
    for name in ("prompts", "zdg_jax", "sim_eval", "pipelines"):
        for folder in ("", *(INNER if name == "zdg_jax" else ())):
            if folder == "api":
                continue
            (tmp_path / name / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / name / folder / "__init__.py").touch()
            (tmp_path / name / folder / "y.py").touch()
    for name in ("errors", "api"):
        (tmp_path / "zdg_jax" / f"{name}.py").touch()
    (tmp_path / "zdg_jax/hands/x.py").write_text("from zdg_jax.hands import y\n")
    assert breaches(tmp_path) == []
    (tmp_path / path).write_text(code)
    assert len(breaches(tmp_path)) == 1
