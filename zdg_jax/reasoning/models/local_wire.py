"""`local:PATH_OR_ID`: a multimodal model in this process, through transformers (extra `local`).

Nothing here imports torch before a model is loaded.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.exchange import Ending, Fault, FaultKind, Reply, Usage, WireRequest, last_object
from zdg_jax.reasoning.models.faults import plain_fault
from zdg_jax.reasoning.models.settings import Abilities, Settings


@dataclass(frozen=True)
class Said:
    """What a model wrote.

    Attributes:
      text: without the prompt and special tokens.
      cut_off: it ran into the limit.
      input_tokens, output_tokens: pictures included.
    """

    text: str
    cut_off: bool
    input_tokens: int
    output_tokens: int


@runtime_checkable
class LocalModel(Protocol):
    """Text and pictures in, text out."""

    name: str
    """Path or id, with the revision where it is known."""
    fingerprint: str
    """Changes when the weights do."""

    def generate(self, text: str, images: Sequence[Image.Image], max_new_tokens: int) -> Said: ...


def require_torch(what: str) -> Any:
    """The module torch, imported here and nowhere else.

    Args:
      what: the option that needs it, as the user wrote it.
    Raises:
      UserError: it is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise UserError(
            f"{what} without torch", "the extra 'local'", "install it: pip install 'zdg-jax[local]'"
        )
    return importlib.import_module("torch")


@lru_cache(maxsize=2)
def load_model(path: str) -> LocalModel:
    """Load an image-text-to-text model once; on the GPU if torch sees one.

    Args:
      path: a folder, or an id of the hub (looked up offline where HF_HUB_OFFLINE is set).
    Raises:
      UserError: torch is missing, there is no such model, or it has no chat template.
    """
    torch = require_torch(f"local:{path}")
    from transformers import AutoModelForImageTextToText, AutoProcessor

    place = model_place("local model", path)
    try:
        processor = AutoProcessor.from_pretrained(place)
        model: Any = AutoModelForImageTextToText.from_pretrained(place, dtype="auto")
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise no_model("local model", path, error) from error
    if not getattr(processor, "chat_template", None):
        raise UserError(
            f"local model {path!r}, which has no chat template",
            "an instruction-tuned image-text-to-text model",
            "choose another one",
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return _Loaded(path, torch, processor, model.to(device).eval())


def fingerprint(path: str, commit: str | None) -> str:
    """Of a model: the hub's commit, or names, sizes and times of a folder's files."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        return commit or path
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    rows = [(str(f.relative_to(folder)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def model_place(what: str, path: str) -> str:
    """A folder's path with `~` expanded, or a hub id as it is.

    Args:
      what: kind of model.
      path: as the user wrote it.
    Raises:
      UserError: it is written as a path, and no such folder exists.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return str(folder)
    if path.startswith((".", "/", "~")):
        raise no_model(what, path, FileNotFoundError("no such folder"))
    return path


def no_model(what: str, path: str, error: Exception) -> UserError:
    """One line for a model that can't be loaded.

    Args:
      what: kind of model.
      path: as the user wrote it.
      error: of transformers; its first line is quoted.
    """
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return UserError(
        f"{what} {path!r} ({said})",
        "a folder with config, weights and processor, or an id that the hub has",
        "check the path, or fetch the model first",
    )


class _Loaded:
    """Implements `LocalModel` with transformers."""

    def __init__(self, path: str, torch: Any, processor: Any, model: Any) -> None:
        commit = getattr(model.config, "_commit_hash", None)
        self.name = f"{path}@{commit[:12]}" if commit else path
        self.fingerprint = fingerprint(path, commit)
        self._torch, self._processor, self._model = torch, processor, model

    def generate(self, text: str, images: Sequence[Image.Image], max_new_tokens: int) -> Said:
        """Greedy, through the model's own chat template, pictures before the text."""
        content = [*({"type": "image", "image": image} for image in images), {"type": "text", "text": text}]
        inputs = self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.device, dtype=self._model.dtype)
        with self._torch.inference_mode():
            out = self._model.generate(**inputs, do_sample=False, max_new_tokens=max_new_tokens)
        given = int(inputs["input_ids"].shape[1])
        new = out[0, given:]
        decoded = self._processor.batch_decode(new[None], skip_special_tokens=True)[0]
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        cut_off = len(new) >= max_new_tokens and int(new[-1]) not in ends
        return Said(decoded, cut_off, given, len(new))


# One model, one device: answers come one after the other, and a failure repeats itself.
SETTINGS = Settings.model_validate({"concurrency": 1, "max_tries": 1})
ABILITIES = Abilities(models=("*",), temperature=None, max_output_tokens=768, json_schema=False)


class LocalWire:
    """Asks a model in this process. Implements `Wire`."""

    name = "local"
    official = True
    address = "this machine"
    key_name = ""
    settings, abilities = SETTINGS, ABILITIES

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
