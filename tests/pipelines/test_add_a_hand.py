"""docs/add-a-hand.md, run as it stands there."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from pipelines import cli
from pipelines.dataset import read_dataset
from zdg_jax.hands import load_hand
from zdg_jax.hands.validate import check_card

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add-a-hand.md"


def _block(kind: str, holding: str) -> str:
    """The page's code block of that kind with that word in it."""
    (found,) = [b for b in re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.S) if holding in b]
    return found


@pytest.mark.slow
def test_the_page_brings_up_a_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        metadata.distribution("robosuite")
    except metadata.PackageNotFoundError:
        pytest.skip("the page's hand needs the package robosuite (extra `hands`)")
    monkeypatch.chdir(tmp_path)
    new = _block("sh", "zdg hand new").split()[1:]
    assert cli.main(new) == 0
    card = tmp_path / "fourier" / "card.yaml"
    first = card.read_text()
    lines = _block("yaml", "follow")
    assert len(lines.splitlines()) <= 10  # what the page promises
    base = next(line for line in first.splitlines() if line.startswith("base:"))
    card.write_text(first.replace(base, f"{base}\n{lines.rstrip()}"))
    assert any("follows another; run `zdg hand fit`" in line for line in check_card(card))
    assert cli.main(["hand", "fit", "fourier"]) == 0
    assert cli.main(["hand", "check", "fourier"]) == 0
    hand = load_hand(str(card))
    assert len(hand.active_names) == 6
    assert set(yaml.safe_load(card.read_text())["grasp_types"]) == set(load_hand("human16").grasp_types)
    synth = ["synth", "ycb:025_mug", "hand it over", "--hand", "fourier/card.yaml", "--out", "mug"]
    assert cli.main([*synth, "--num", "16", "--keep", "2"]) == 0
    table, info = read_dataset(tmp_path / "mug")
    assert info["hand"] == str(card)
    assert table["status"].to_pylist() == ["ok", "ok"]
    assert cli.main(["hand", "trajectory", "mug", "--out", "mug.npz"]) == 0
    assert "2 trajectories" in capsys.readouterr().out
