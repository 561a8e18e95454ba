"""README and docs: the command line reads its commands, snippets run, links lead to files, a site builds."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tyro
import yaml

from pipelines import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```(sh|python|)\n(.*?)```", re.DOTALL)
#: What is no command of ours in a line of ours: a comment, or a place to be filled in.
OPEN = re.compile(r"\.\.\.|…|[\[\]\\]|\bCOMMAND\b|\||tyro-|bench ")


def commands(page: Path) -> Iterator[tuple[str, bool]]:
    """Every line of a shell block, and every inline code (True) that names a command of ours."""
    text = page.read_text(encoding="utf-8")
    for kind, block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines() if kind == "sh" else ():
            if line.startswith(("zdg ", "python -m pipelines.")):
                yield line, False
    named = re.findall(r"`((?:zdg|python -m pipelines\.)[^`\n]* [^`\n]*)`", BLOCK.sub("", text))
    yield from ((code, True) for code in named)


FOUND = sorted({(page.name, *line) for page in PAGES for line in commands(page) if not OPEN.search(line[0])})


def read(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command line read the words, and do nothing."""
    if words[0] == "zdg":
        if words[1] != "--version":
            tyro.cli(cli.Command, args=words[1:])
        return
    module = importlib.import_module(words[2])
    if not hasattr(module, "program") and not hasattr(module, "__path__"):
        return  # a tool without options of its own: that it can be imported is all that is looked at
    package = hasattr(module, "__path__")
    module = importlib.import_module(f"{words[2]}.__main__") if package else module

    def only_read(_: str, command: Any, argv: list[str], *__: Any, **___: Any) -> int:
        tyro.cli(command, args=argv)
        return 0

    monkeypatch.setattr(module, "program", only_read)
    assert module.main(words[3:]) == 0


def test_every_command_in_the_pages_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(FOUND) > 60
    stale = []
    for page, line, named in FOUND:
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            try:
                read(shlex.split(line, comments=True), monkeypatch)
            except SystemExit as stop:
                short = named and re.search("Required options|Missing argument", said.getvalue())
                if stop.code and not short:  # a sentence may name a command without what it takes
                    stale.append(f"{page}: {line}: {' '.join(said.getvalue().split())[:200]}")
    assert not stale, "\n".join(stale)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_issue_forms_ask_for_the_doctor_and_the_citation_is_of_this_version() -> None:
    from zdg_jax import __version__

    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) == 2
    for form in forms:
        body = yaml.safe_load(form.read_text(encoding="utf-8"))["body"]
        assert any("zdg doctor" in part["attributes"]["label"] for part in body)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == __version__
    assert {"cff-version", "message", "title", "authors"} <= set(cited)


def test_the_readme_of_a_release_has_no_relative_link() -> None:
    text = runpy.run_path(str(ROOT / "setup.py"))["readme"]()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 15
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/quickstart.md"])
def test_python_in_the_first_pages_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = [b for kind, b in BLOCK.findall((ROOT / name).read_text(encoding="utf-8")) if kind == "python"]
    small = 'hand="shadow", num=8, keep=2, steps=60, select="gravity", hypotheses=1)'
    block, count = re.subn(r'hand="shadow".*\)', small, block, count=1)
    assert count == 1
    exec(compile(block, name, "exec"), {})
    assert (tmp_path / "out/hammer/report.html").is_file()
    assert "FFJ" in capsys.readouterr().out


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "examples/notebook.py").read_text(encoding="utf-8")
    text = text.replace("NUM, STEPS = 32, 300", "NUM, STEPS = 8, 60")
    seen: dict[str, Any] = {}
    exec(compile(text, "notebook.py", "exec"), seen)
    assert len(seen["done"].kept) >= 1
    if importlib.util.find_spec("jupytext"):
        import jupytext

        kinds = [cell["cell_type"] for cell in jupytext.reads(text, fmt="py:percent")["cells"]]
        assert kinds.count("code") == 5
        assert kinds.count("markdown") == 4


@pytest.mark.slow
def test_the_site_builds_strictly_and_asks_no_server(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the extra `docs`")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    api = (tmp_path / "api.html").read_text(encoding="utf-8")
    for name in ("synthesize", "Grasps", "refine_many", "make_reasoner", "UserError"):
        assert re.search(rf'id="[\w.]*\.{name}"', api), name
    outside = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="https?://(?!example\.org)')
    assert not [p.name for p in tmp_path.rglob("*.html") if outside.search(p.read_text(encoding="utf-8"))]
