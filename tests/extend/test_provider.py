"""A provider from outside: a wire and an entry of a YAML file; its answers reach trace, cache and cluster."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.reasoning.things import Scripted, hammer
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.reasoning.chain import reason
from zdg_jax.reasoning.models import factory
from zdg_jax.reasoning.models.exchange import Ending, Fault, Reply, Usage, WireRequest
from zdg_jax.reasoning.models.settings import address_from_environment, hide, key_from_environment, tables
from zdg_jax.reasoning.state import ReasonConfig

KEY = "what-the-parrot-was-promised"
ENTRY = {"wire": f"{__name__}:Parrot", "keys": ["PARROT_BISCUIT"], "address": "PARROT_PERCH"}
ROW = {
    "provider": "parrot",
    "id": "grey",
    "prices": [{"input": 1, "output": 2}],
    "read": "2026-11-28",
    "source": "me",
}


class Parrot:
    """`parrot:MODEL` takes the first candidate. Implements `Wire`."""

    name, official = "parrot", True

    def __init__(self, model: str) -> None:
        self.model = model
        self.key_name, _ = key_from_environment("parrot")
        self.address = address_from_environment("parrot", "tree://own")
        self.settings, self.abilities = tables().settings_of("parrot"), tables().abilities_of(model)

    @property
    def parameters(self) -> dict[str, Any]:
        return {}

    async def send(self, request: WireRequest) -> Reply | Fault:
        first = re.findall(r"^Candidates[^:\n]*: ([^,.]+)", request.text, re.MULTILINE)[-1]
        text = f'{{"reasoning": "Said {KEY}.", "grasp_type": "{first}"}}'
        return Reply(text, Ending.COMPLETE, "", self.model, Usage(1000, 500, 0))

    async def probe(self) -> Fault | None:
        return None

    async def close(self) -> None:
        pass


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "providers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"parrot": ENTRY}, "models": [ROW]}), encoding="utf-8")
    monkeypatch.setenv("ZDG_PROVIDERS", str(file))
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PARROT_BISCUIT", KEY)


@pytest.mark.usefixtures("entry")
def test_its_answers_reach_the_trace_and_are_paid_once() -> None:
    assert "parrot:MODEL" in factory.names()
    assert factory.is_remote("parrot:grey")
    hand, calls = load_hand("human16"), []
    for _ in range(2):
        parrot = factory.make("parrot:grey", max_usd=1.0, check=True)
        config = ReasonConfig(image_size=96, shown_scale=1, min_part_pixels=4, routes={"grasp_type": parrot})
        reasoning = asyncio.run(reason(hammer(600), hand, "hammer a nail", Scripted(), config))
        assert reasoning.grasp.status == "ok", reasoning.grasp.status_reason
        (stage,) = (s for s in reasoning.trace["stages"] if s["reasoner"] == "parrot:grey")
        assert (stage["stage"], stage["answer"]["grasp_type"]) == ("grasp_type", next(iter(hand.grasp_types)))
        calls.append(next(call for call in reasoning.grasp.calls if call["provider"] == "parrot"))
        assert KEY not in str(reasoning.trace)
    assert [call["attempts"] for call in calls] == [1, 0]  # the second comes from the cache
    assert calls[0]["cost_usd"] == pytest.approx(1000 * 1e-6 + 500 * 2e-6)


@pytest.mark.usefixtures("entry")
def test_its_address_goes_to_a_cluster_and_its_key_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.drivers import crew as crew_ray

    monkeypatch.setenv("PARROT_PERCH", "tree://elsewhere")
    assert factory.make("parrot:grey").wire.address == "tree://elsewhere"  # pyright: ignore
    assert crew_ray.environment()["PARROT_PERCH"] == "tree://elsewhere"
    assert "PARROT_BISCUIT" not in crew_ray.environment()
    assert "PARROT_BISCUIT" in tables().key_names()
    assert KEY not in hide(f"no biscuit {KEY}")


@pytest.mark.usefixtures("entry")
def test_without_a_key_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARROT_BISCUIT")
    with pytest.raises(UserError, match="PARROT_BISCUIT"):
        factory.make("parrot:grey")


def test_without_its_entry_nothing_of_it_is_left() -> None:
    assert "parrot" not in tables().providers
    with pytest.raises(UserError, match="openai-chat:MODEL"):
        factory.make("parrot:grey")
