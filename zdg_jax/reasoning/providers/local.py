"""`local:PATH_OR_ID`: a multimodal model on this machine, through transformers (extra `local`)."""

from __future__ import annotations

import asyncio
import io
from typing import Any

from PIL import Image

from zdg_jax.reasoning.providers.faults import plain_fault
from zdg_jax.reasoning.providers.json_in_text import last_object
from zdg_jax.reasoning.providers.local_model import LocalModel, load_model
from zdg_jax.reasoning.providers.settings import Abilities, Settings
from zdg_jax.reasoning.providers.wire import Ending, Fault, FaultKind, Reply, Usage, WireRequest

# One model, one device: answers come one after the other, and a failure repeats itself.
SETTINGS = Settings.model_validate({"concurrency": 1, "max_tries": 1})
ABILITIES = Abilities(models=("*",), temperature=None, max_output_tokens=768, json_schema=False)


class LocalWire:
    """Asks a model in this process. Implements `Wire`."""

    name = "local"
    official = True
    address = "this machine"
    key_name = ""

    def __init__(self, path: str, model: LocalModel | None = None) -> None:
        """Args:
        path: a folder, or an id that the hub's cache or the hub itself has.
        model: instead of the one that `path` names.

        Raises:
          UserError: torch is missing, or there is no such model.
        """
        self.model = path
        self._model = model or load_model(path)

    @property
    def parameters(self) -> dict[str, Any]:
        """Greedy decoding, so the weights and the longest answer decide."""
        return {"weights": self._model.fingerprint, "max_new_tokens": ABILITIES.max_output_tokens}

    async def send(self, request: WireRequest) -> Reply | Fault:
        """One answer, in a thread of its own, so that other questions can go on meanwhile."""
        images = [Image.open(io.BytesIO(png)).convert("RGB") for png in request.images]
        try:
            said = await asyncio.to_thread(
                self._model.generate, request.text, images, ABILITIES.max_output_tokens
            )
        except Exception as error:  # out of memory, or a template that can't take so many pictures
            return plain_fault(FaultKind.REJECTED, error)
        found = last_object(said.text)
        # What was cut off behind a whole object is not missed.
        ending = Ending.TRUNCATED if said.cut_off and found is None else Ending.COMPLETE
        why = "limit of output tokens" if ending is Ending.TRUNCATED else ""
        usage = Usage(said.input_tokens, said.output_tokens, 0)
        return Reply(said.text if found is None else found, ending, why, self._model.name, usage)

    async def probe(self) -> Fault | None:
        """Nothing to find out: the model was loaded when this was made."""
        return None

    async def close(self) -> None:
        """Nothing to close."""
