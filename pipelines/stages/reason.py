"""Stage 2: paper III-A to III-D, hundreds of tasks at once in one event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from PIL import Image

from pipelines import provenance
from pipelines.drivers.files import Folder
from pipelines.drivers.tasks import TaskSpec
from pipelines.options import Settings
from pipelines.stages.messages import PreparedObject, Reasoned
from zdg_jax.hands.model import HandModel
from zdg_jax.reasoning.chain import reason
from zdg_jax.reasoning.models.exchange import png
from zdg_jax.reasoning.pictures import view_sheet
from zdg_jax.reasoning.protocol import Reasoner, image_sha, looks
from zdg_jax.reasoning.state import ReasonConfig, ReasonState, open_state

PICTURES = "images"
_OPEN_OBJECTS = 12  # about 70 MB each: four views with depth, normals and faces


#: Takes pictures by file name and says under which content hash they are kept, if they are.
Store = Callable[[Mapping[str, Image.Image]], Awaitable[dict[str, str]]]


class ReasonStage:
    """Walks tasks through the chain; what a picture shows of an object is drawn once for all its tasks."""

    def __init__(
        self, hand: HandModel, reasoner: Reasoner, options: Settings, store: Store | None = None
    ) -> None:
        """Args:
        hand: the hand.
        reasoner: who answers.
        options: view, segmenter, ablation, and what `config_sha` is made of.
        store: takes the pictures that were shown; None keeps none, and a reasoner that does not look at any
          has none drawn.
        """
        self._hand, self._reasoner, self._store = hand, reasoner, store
        config = options.reason_config()
        eyes = any(map(looks, (reasoner, *config.routes.values()))) or config.segmenter is not None
        self._config = replace(
            config, draw=store is not None or eyes, shown_scale=config.shown_scale if eyes else 1
        )  # nobody answers from the report's pictures
        self._options = options
        self._opened: OrderedDict[str, asyncio.Task[ReasonState]] = OrderedDict()
        # One thread for all: glibc gives each a heap of its own, and each would grow to hold a drawing.
        self._drawing = ThreadPoolExecutor(1, "draw")

    async def reason(self, task: TaskSpec, prepared: PreparedObject) -> Reasoned:
        """One task; a stage without a usable answer is a status, not an exception."""
        config = replace(self._config, seed=task.seed)
        opened = await self._open(task, prepared, config)
        said = await reason(prepared.obj, self._hand, task.task, self._reasoner, config, opened)
        columns = provenance.task_columns(prepared.obj, self._hand, said.grasp, self._options, task.seed)
        columns = {**columns, "task_id": task.task_id or columns["task_id"]}
        pictures = await self._store(said.pictures) if self._store is not None else {}
        about = provenance.object_info(prepared.obj, task.object, task.up)
        return Reasoned(task, said.grasp, columns, said.trace, pictures, about)

    async def _open(self, task: TaskSpec, prepared: PreparedObject, config: ReasonConfig) -> ReasonState:
        """The object's views, drawn in a thread: tasks whose answers are in go on meanwhile."""
        key = f"{task.object_key} {task.seed}"
        if key not in self._opened:
            while len(self._opened) >= _OPEN_OBJECTS:
                self._opened.popitem(last=False)
            self._opened[key] = asyncio.create_task(self._draw(prepared, config))
        self._opened.move_to_end(key)
        return await asyncio.shield(self._opened[key])

    async def _draw(self, prepared: PreparedObject, config: ReasonConfig) -> ReasonState:
        def draw() -> ReasonState:
            opened = open_state(prepared.obj, self._hand, "", config)
            if config.view_index is None and config.draw:
                view_sheet(opened)
            return opened

        return await asyncio.get_running_loop().run_in_executor(self._drawing, draw)


class PictureFolder:
    """A `Store` that writes pictures by content hash."""

    def __init__(self, out: Folder) -> None:
        self._out, self._stored = out, set[str]()

    async def __call__(self, pictures: Mapping[str, Image.Image]) -> dict[str, str]:
        names: dict[str, str] = {}
        fresh: dict[str, bytes] = {}
        for name, picture in pictures.items():
            sha = names[name] = image_sha(picture)
            if sha not in self._stored:
                self._stored.add(sha)
                fresh[sha] = png(picture)
        if fresh:
            await asyncio.to_thread(self._write, fresh)
        return names

    def _write(self, pictures: Mapping[str, bytes]) -> None:
        for sha, data in pictures.items():
            name = picture_name(sha)
            if not self._out.exists(name):
                self._out.write(name, data)


def picture_name(sha: str) -> str:
    """Where a picture lies; `sha` is that of its pixels, as in traces."""
    return f"{PICTURES}/{sha[:2]}/{sha}.png"


def trace_of(reasoned: Reasoned) -> dict[str, Any]:
    """The trace as it is written: prompts are long and the same words each time, so only their hash stays."""
    stages = [{k: v for k, v in stage.items() if k != "prompt"} for stage in reasoned.trace.get("stages", [])]
    return {**reasoned.trace, "stages": stages}
