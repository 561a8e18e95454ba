"""What runs in actors, around the stages. JAX is imported inside, once the environment is set."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ray

from pipelines.drivers.journal import now
from pipelines.options import GenerateOptions
from pipelines.stages.messages import StageFault, Timed, ended, fault, timed

_OBJECTS = 24  # prepared objects that one actor holds, about 15 MB each
# Who computes gives way to who waits for answers (on top of Ray's own worker_niceness): a reply unread is a
# call that stands still.
_NICE = 4
#: A gateway that nobody has asked for so long, and that has nothing under way, ends.
IDLE_S = 120.0
_SILENT_S = 30.0


class _Objects:
    """Prepared objects, fetched once."""

    def __init__(self) -> None:
        self._held: OrderedDict[Any, Any] = OrderedDict()

    def get(self, ref: Any) -> Any:
        if ref not in self._held:
            self._keep(ref, ray.get(ref))
        self._held.move_to_end(ref)
        return self._held[ref]

    async def wait(self, ref: Any) -> Any:
        if ref not in self._held:
            self._keep(ref, await ref)
        self._held.move_to_end(ref)
        return self._held[ref]

    def _keep(self, ref: Any, value: Any) -> None:
        while len(self._held) >= _OBJECTS:
            self._held.popitem(last=False)
        self._held[ref] = value


class PrepareActor:
    def __init__(self, options: GenerateOptions) -> None:
        from pipelines.drivers.files import Folder
        from pipelines.runtime import steady_memory
        from pipelines.stages.prepare import PrepareStage

        steady_memory()
        self._stage = PrepareStage(options, Folder(options.out, make=False))

    def hello(self) -> dict[str, int]:
        return {"pid": os.getpid()}

    def prepare(self, task: Any) -> tuple[Timed[Any], Any]:
        done = timed("prepare", lambda: self._stage.prepare(task))
        if isinstance(done.value, StageFault):
            return done, None
        return replace(done, value=None), done.value


class ReasonActor:
    def __init__(self, options: GenerateOptions, gateway: Any) -> None:
        from pipelines.drivers.files import Folder
        from pipelines.drivers.gateway import reasoner_at
        from pipelines.runtime import steady_memory
        from pipelines.stages.reason import PictureFolder, ReasonStage
        from zdg_jax.hands import load_hand

        steady_memory()

        async def ask(name: str, question: Any) -> Any:
            return await gateway.ask.remote(name, question)

        def accept(name: str, key: str) -> None:
            gateway.accept.remote(name, key)

        reasoner = reasoner_at(options.reasoner, options.route, ask, accept)
        store = PictureFolder(Folder(options.out, make=False)) if options.pictures else None
        self._stage = ReasonStage(load_hand(options.hand), reasoner, options, store)
        self._objects = _Objects()

    async def hello(self) -> dict[str, int]:
        return {"pid": os.getpid()}

    async def reason(self, task: Any, refs: list[Any]) -> Timed[Any]:
        begin = now()
        try:
            value = await self._stage.reason(task, await self._objects.wait(refs[0]))
        except Exception as error:
            value = fault("reason", error)
        return ended(value, begin)


class RefineActor:
    def __init__(self, options: GenerateOptions) -> None:
        from pipelines.runtime import start_jax

        start_jax()
        import jax

        from pipelines.stages.refine import RefineStage
        from zdg_jax.hands import load_hand

        if jax.default_backend() == "cpu":
            os.nice(_NICE)
        self._stage = RefineStage(
            load_hand(options.hand), options.refine_config(), options.num, options.batch
        )
        self._objects = _Objects()

    def hello(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "slots": self._stage.slots, "refined_on": self._stage.refined_on}

    def refine(self, reasoned: list[Any], refs: list[Any]) -> Timed[Any]:
        done = timed(
            "refine",
            lambda: self._stage.refine(
                [(r, self._objects.get(ref)) for r, ref in zip(reasoned, refs, strict=True)]
            ),
        )
        return replace(done, more={**done.more, "compiled": self._stage.compiled_shapes()})


class SimulateActor:
    def __init__(self, options: GenerateOptions) -> None:
        from pipelines.runtime import start_jax

        start_jax()
        from pipelines.stages.select import SelectStage
        from zdg_jax.hands import load_hand

        os.nice(_NICE)
        keep = min(options.keep, options.num)
        self._stage = SelectStage(load_hand(options.hand), keep, options.select_by(), threads=1)
        self._objects = _Objects()

    def hello(self) -> dict[str, int]:
        return {"pid": os.getpid()}

    def simulate(self, refined: Any, refs: list[Any]) -> Timed[Any]:
        return timed("simulate", lambda: self._stage.select(refined, self._objects.get(refs[0])))


class GatewayActor:
    """See `gateway.Gateway`; keys come as an argument, since Ray shows environments on its dashboard."""

    def __init__(
        self, secrets: Mapping[str, str], max_usd: float | None, concurrency: int | None, batch: bool
    ) -> None:
        os.environ.update(secrets)
        from pipelines.drivers.gateway import Gateway

        self._gateway = Gateway(max_usd, concurrency, batch)
        self._batch = batch
        self._reasoning: dict[str, tuple[int, float]] = {}
        self._asked = time.monotonic()
        self._watch: asyncio.Task[None] | None = None

    async def hello(self) -> dict[str, int]:
        if self._watch is None:
            self._watch = asyncio.create_task(self._end_when_idle())
        return {"pid": os.getpid()}

    async def ask(self, name: str, question: Any) -> Any:
        return await self._gateway.ask(name, question)

    async def accept(self, name: str, key: str) -> None:
        self._gateway.accept(name, key)

    async def state(self, driver: str, reasoning: int) -> dict[str, Any]:
        """See `Gateway.state`. Args:
        driver: who asks for it.
        reasoning: its tasks in reasoning.
        """
        self._asked = time.monotonic()
        self._reasoning[driver] = (reasoning, self._asked)
        # A driver that was killed says nothing any more.
        here = [n for n, at in self._reasoning.values() if self._asked - at < _SILENT_S]
        self._gateway.expect(sum(here))
        return self._gateway.state()

    async def drain(self) -> None:
        """Returns once nothing is under way."""
        while self._gateway.state()["waiting"]:
            await asyncio.sleep(0.05)

    async def _end_when_idle(self) -> None:
        while time.monotonic() - self._asked < IDLE_S or self._under_way():
            await asyncio.sleep(1.0)
        await asyncio.to_thread(self._gateway.close)
        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)

    def _under_way(self) -> bool:
        """Batch jobs are on record, and need nobody who waits."""
        return not self._batch and bool(self._gateway.state()["waiting"])


def gateway_name(environ: Mapping[str, str], options: GenerateOptions) -> str:
    """The same for runs that may share limits and cache; a limit on money is a run's own."""
    own = [options.out, options.max_usd] if options.max_usd is not None else []
    content = json.dumps([sorted(environ.items()), options.concurrency, options.batch_api, own])
    return "gateway-" + hashlib.sha256(content.encode()).hexdigest()[:12]
