"""Many batches through stages in this process, each stage in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def overlapped(
    items: Sequence[Any], stages: Sequence[Callable[[Any], Any]], ahead: int = 2, at_once: int = 1
) -> None:
    """Every item through every stage, in order; a failure anywhere ends all and is raised here.

    Args:
      items: given to the first stage.
      stages: each is given what the one before it returns.
      ahead: items that a stage may be ahead of the next.
      at_once: items that are in the first stage at a time; they leave it in order all the same.
    """
    first, *others = stages
    with ThreadPoolExecutor(at_once) as pool:
        _in_turn(items, [lambda item: pool.submit(first, item), Future.result, *others], ahead)


def _in_turn(items: Sequence[Any], stages: Sequence[Callable[[Any], Any]], ahead: int) -> None:
    end = object()
    queues: list[queue.Queue[Any]] = [queue.Queue(ahead) for _ in stages]
    failed: list[BaseException] = []

    def work(number: int) -> None:
        following = queues[number + 1] if number + 1 < len(queues) else None
        while (item := queues[number].get()) is not end:
            if failed:
                continue
            try:
                value = stages[number](item)
            except BaseException as error:
                failed.append(error)
                continue
            if following is not None:
                following.put(value)
        if following is not None:
            following.put(end)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(stages))]
    for thread in threads:
        thread.start()
    for item in items:
        queues[0].put(item)
    queues[0].put(end)
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
