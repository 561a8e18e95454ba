"""A wire whose questions go out as jobs: collected, submitted, found again, waited for."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf
from typing import Any, TypeVar

from zdg_jax.errors import MachineError
from zdg_jax.reasoning.models.batch_book import IN_DOUBT, Ended, JobBook, Jobs, Who, weight_of
from zdg_jax.reasoning.models.exchange import Fault, FaultKind, Reply, Wire, WireRequest
from zdg_jax.reasoning.models.faults import PASSING, plain_fault
from zdg_jax.reasoning.models.settings import Settings

# Jobs of one provider and model: submitted once, found again after a kill, followed to their end.
T = TypeVar("T")
Outcomes = Mapping[str, Reply | Fault]
"""What came of questions, by key."""


class JobDesk:
    """Brings jobs to the provider and waits for them; the book says which there are."""

    def __init__(
        self,
        who: Who,
        jobs: Jobs,
        book: JobBook,
        settings: Settings,
        hear: Callable[[str, Outcomes | Exception], None],
    ) -> None:
        """Args:
        who: whose jobs.
        jobs: the provider's batch API.
        book: where they are written down.
        settings: how often and how long is looked.
        hear: told a job's token and its outcomes; none, if the book does not know the job any more; an
          exception, if the book can't be used.
        """
        self._who, self._jobs, self._book, self._settings, self._hear = who, jobs, book, settings, hear
        self._following = dict[str, asyncio.Task[None]]()

    async def submit(self, token: str, asked: Sequence[tuple[str, WireRequest]]) -> Fault | None:
        """Submit questions as one job, in our turn; None once it is on record.

        Args:
          token: its mark.
          asked: keys and questions.
        """
        prepared = await _caught(self._jobs.prepare([self._jobs.line(*each) for each in asked]))
        if isinstance(prepared, Fault):
            return prepared
        # Before it is sent: a kill in between must leave a trace.
        self._book.intend(self._who, token, [key for key, _ in asked])
        made = await _caught(self._jobs.create(token, prepared))
        if isinstance(made, str):
            self._book.accepted(token, made)
            self.follow(token)
            return None
        if made.kind in IN_DOUBT:
            return await self._settle(token) or (made if self._book.job(token) is None else None)
        self._book.forget(token)
        return made

    def follow(self, token: str) -> None:
        """Wait for a job on record; `hear` is told its end."""
        if token not in self._following:
            self._following[token] = asyncio.ensure_future(self._followed(token))

    async def close(self) -> None:
        """Nobody waits any more; jobs under way stay on record."""
        following = list(self._following.values())
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await self._jobs.close()

    async def _followed(self, token: str) -> None:
        try:
            said: Outcomes | Exception = await self._doubted(token) or await self._ended(token)
        except Exception as error:  # the book can't be read or written
            said = error
        finally:
            del self._following[token]
        self._hear(token, said)

    async def _doubted(self, token: str) -> Outcomes:
        """Settle a job without a number; faults of its questions if that can't be had."""
        job = self._book.job(token)
        if job is None or job.number is not None:
            return {}
        async with self._book.turn():  # whoever was submitting it is through, or dead
            job = self._book.job(token)
            if job is None or job.number is not None:
                return {}
            fault = await self._settle(token)
        return dict.fromkeys(job.keys, fault) if fault is not None else {}

    async def _settle(self, token: str) -> Fault | None:
        """Find out whether a job was accepted, and write that down; a fault if it can't be had."""
        loop, tries = asyncio.get_running_loop(), 0
        end = loop.time() + self._settings.doubt_s
        while True:
            found = await _caught(self._jobs.find(token))
            if isinstance(found, str):
                self._book.accepted(token, found)
                self.follow(token)
                return None
            if isinstance(found, Fault):
                tries += 1
                if found.kind not in PASSING or tries >= self._settings.max_tries:
                    return found
            elif loop.time() >= end:
                self._book.forget(token)
                return None
            await asyncio.sleep(self._settings.poll_s)

    async def _ended(self, token: str) -> Outcomes:
        """What came of each question of a job; nothing if the book does not know it any more."""
        tries = 0
        while (job := self._book.job(token)) is not None and job.number is not None:
            look = await _caught(self._jobs.look(job.number))
            if isinstance(look, Ended):
                replies = {k: row for k in job.keys if isinstance(row := look.rows.get(k), Reply)}
                self._book.ended(token, replies)
                return {key: look.rows.get(key, look.rest) for key in job.keys}
            tries = tries + 1 if isinstance(look, Fault) else 0
            if isinstance(look, Fault) and (look.kind not in PASSING or tries >= self._settings.max_tries):
                return dict.fromkeys(job.keys, look)
            await asyncio.sleep(self._settings.poll_s)
        return {}


async def _caught(work: Awaitable[T]) -> T | Fault:
    """What it gives; an SDK that stumbles over a strange body gives a fault."""
    try:
        return await work
    except MachineError:
        raise
    except Exception as error:
        return plain_fault(FaultKind.GARBLED, error)


MOST_OPEN = 4000
"""Questions that may wait at a time."""
_LONGEST_WAIT = 20  # polls, before a question whose row failed goes out again


class Collector:
    """Sends by a provider's batch API; whoever asks waits as for any wire. Implements `Wire`.

    A question's answer comes from a reply on record, else from a job under way that carries it, else it is
    collected for the next job. That goes when it is full, or when `flush` says that nothing more will come.
    """

    def __init__(self, wire: Wire, jobs: Jobs, book: JobBook) -> None:
        """Args:
        wire: of the same provider and model.
        jobs: its batch API.
        book: where jobs are written down.
        """
        self.name, self.model, self.official = wire.name, wire.model, wire.official
        self.address, self.key_name, self.abilities = wire.address, wire.key_name, wire.abilities
        self.settings = of_batches(wire.settings)
        self._wire, self._jobs, self._book = wire, jobs, book
        self._who: Who = (wire.name, wire.address, wire.model)
        self._asked: dict[str, tuple[WireRequest, asyncio.Future[Reply | Fault]]] = {}
        self._collected: dict[str, int] = {}  # sizes by key
        self._held = dict[str, str]()  # tokens of the jobs whose end a question waits for
        self._given = Counter[str]()  # replies of each question that this process has heard
        self._desk = JobDesk(self._who, jobs, book, self.settings, self._heard)
        self._submitting = set[asyncio.Task[None]]()
        self._begun = False

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the wire: answers are the same, and so are their keys."""
        return self._wire.parameters

    async def send(self, request: WireRequest) -> Reply | Fault:
        """The next reply to this question; raises `MachineError` if nothing can be written down."""
        if not self._begun:
            self._begun = True
            for token in self._book.under_way(self._who):
                self._desk.follow(token)
        if request.key in self._asked:
            return await asyncio.shield(self._asked[request.key][1])
        outcome = asyncio.get_running_loop().create_future()
        self._asked[request.key] = (request, outcome)
        try:
            self._place(request.key)
            return await outcome
        finally:
            for known in (self._asked, self._collected, self._held):
                known.pop(request.key, None)

    def flush(self) -> None:
        """Submit what was collected."""
        keys, self._collected = self._collected, {}
        chunk, size = list[str](), 0
        for key, weight in keys.items():
            if chunk and (len(chunk) >= self._jobs.most_rows or size + weight > self._jobs.most_bytes):
                self._begin(chunk)
                chunk, size = [], 0
            chunk.append(key)
            size += weight
        if chunk:
            self._begin(chunk)

    def told(self, key: str) -> bool:
        """Whether the outcome of a question is there and whoever asked has not taken it yet."""
        return key in self._asked and self._asked[key][1].done()

    async def probe(self) -> Fault | None:
        """That of the wire, then whether there is a batch API."""
        return await self._wire.probe() or await self._jobs.probe()

    async def close(self) -> None:
        """Nobody waits any more; jobs under way stay on record."""
        working = list(self._submitting)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await self._desk.close()
        for _, outcome in list(self._asked.values()):
            outcome.cancel()
        await self._wire.close()

    def _place(self, key: str) -> None:
        """Settle where a waiting question's answer comes from."""
        replies, given = self._book.replies(key), self._given[key]
        if len(replies) > given:
            self._tell({key: replies[given]})
        elif (token := self._book.holder(key)) is not None:
            self._held[key] = token
            self._desk.follow(token)
        else:
            self._collected[key] = weight_of(self._asked[key][0])
            full = len(self._collected) >= self._jobs.most_rows
            if full or sum(self._collected.values()) >= self._jobs.most_bytes:
                self.flush()

    def _tell(self, outcomes: Mapping[str, Reply | Fault | Exception]) -> None:
        """Give whoever waits what came of the question."""
        for key, said in outcomes.items():
            _, outcome = self._asked.get(key, (None, None))
            if outcome is None or outcome.done():
                continue
            if isinstance(said, Exception):
                outcome.set_exception(said)
                continue
            self._given[key] += isinstance(said, Reply)
            outcome.set_result(said)

    def _begin(self, keys: list[str]) -> None:
        task = asyncio.ensure_future(self._submit(keys))
        self._submitting.add(task)
        task.add_done_callback(self._submitting.discard)

    async def _submit(self, keys: list[str]) -> None:
        try:
            async with self._book.turn():
                fresh = [key for key in keys if self._is_fresh(key)]
                if not fresh:
                    return
                token = secrets.token_hex(16)
                self._held.update(dict.fromkeys(fresh, token))
                fault = await self._desk.submit(token, [(key, self._asked[key][0]) for key in fresh])
                if fault is not None:
                    self._tell(dict.fromkeys(fresh, fault))
        except Exception as error:  # the record can't be written: whoever waits must hear it
            self._tell(dict.fromkeys(keys, error))

    def _heard(self, token: str, said: Outcomes | Exception) -> None:
        """A job has ended, or is not on record any more: another process ended it, or it never was one."""
        held = [key for key, holder in self._held.items() if holder == token]
        self._tell(dict.fromkeys(held, said) if isinstance(said, Exception) else said)
        for key in held:
            if key in self._asked and not self._asked[key][1].done():
                self._place(key)

    def _is_fresh(self, key: str) -> bool:
        """Whether nobody has answered or submitted it since it was collected."""
        if key not in self._asked:
            return False
        if self._book.holder(key) is None and len(self._book.replies(key)) <= self._given[key]:
            return True
        self._place(key)
        return False


def of_batches(settings: Settings) -> Settings:
    """Limits of a wire that waits for jobs: many questions at a time, and hours of patience."""
    return settings.model_copy(
        update={
            "concurrency": MOST_OPEN,
            "requests_per_min": None,
            "tokens_per_min": None,
            "max_wait_s": inf,
            "first_wait_s": settings.poll_s,
            "longest_wait_s": _LONGEST_WAIT * settings.poll_s,
        }
    )
