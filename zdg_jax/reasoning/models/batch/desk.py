"""Jobs of one provider and model: submitted once, found again after a kill, followed to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from zdg_jax.errors import MachineError
from zdg_jax.reasoning.models.batch.book import JobBook, Who
from zdg_jax.reasoning.models.batch.jobs import IN_DOUBT, Ended, Jobs
from zdg_jax.reasoning.models.faults import PASSING, plain_fault
from zdg_jax.reasoning.models.settings import Settings
from zdg_jax.reasoning.models.wire import Fault, FaultKind, Reply, WireRequest

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
