"""One run from options to exit status: checks first, then the line, then the card."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.drivers.files import Folder
from pipelines.drivers.journal import Journal
from pipelines.drivers.line import Line, Stopped
from pipelines.drivers.show import Dashboard, Meter, Show
from pipelines.drivers.tasks import TaskSpec, TaskTable, read_tasks
from pipelines.options import GenerateOptions
from pipelines.provenance import versions
from pipelines.runtime import instead
from pipelines.stages.write import Output
from zdg_jax.api import close_reasoner, make_reasoner
from zdg_jax.errors import MachineError, UserError, machine_error
from zdg_jax.hands import load_hand
from zdg_jax.reasoning.models.batch_collector import MOST_OPEN
from zdg_jax.reasoning.models.remote import RemoteReasoner
from zdg_jax.reasoning.protocol import Reasoner
from zdg_jax.status import Status

if TYPE_CHECKING:
    from pipelines.drivers.crew import RayCrew


TICK_S = 0.5
DRAIN_S = 4.0  # what is under way may come in for so long when the run is interrupted


@dataclass(frozen=True)
class GenerateResult:
    """What came of a run: `why` is "" if every task is written."""

    why: str
    done: int
    total: int
    ok: int
    out: str


def generate(options: GenerateOptions, show: Show | None = None) -> GenerateResult:
    """Do the table, or what is left of it.

    Raises:
      UserError: what an option, the table or the folder lacks; nothing was paid then.
    """
    options.check()
    check_batch(options)
    table = read_tasks(options.tasks, options.seed)
    folder = Folder(options.out)
    with folder.lock("generate"):
        return _generate(options, folder, table, show)


def _generate(
    options: GenerateOptions, folder: Folder, table: TaskTable, show: Show | None
) -> GenerateResult:
    output = Output(folder, options, load_hand(options.hand))
    output.begin(table.tasks)
    todo = [task for task in table.tasks if task.task_id not in output.done]
    meter = Meter(len(todo), len({t.object_key for t in todo}), len(table.tasks) - len(todo), options.num)
    show = show or Show(meter)
    if table.ignored:
        show.say(f"note: columns that mean nothing here: {', '.join(table.ignored)}")
    for note in output.notes:
        show.say(note)
    if len(todo) < len(table.tasks):
        show.say(f"{len(table.tasks) - len(todo)} of {len(table.tasks)} tasks are there already")
    if not todo:
        output.finish(len(table.tasks))
        return GenerateResult("", len(table.tasks), len(table.tasks), 0, options.out)
    # Address, key and model are looked at here, for nothing; answers are asked for at the gateway.
    reasoner = make_reasoner(
        options.reasoner, routes=options.route, max_usd=options.max_usd, check=True, batch=options.batch_api
    )
    admitted = tasks_in_reasoning(options, reasoner)
    close_reasoner(reasoner)
    journal = Journal(output.folder)
    show.say(f"{len(todo)} task{'s' * (len(todo) > 1)}: starting the processes, which takes a minute or so")
    why = ""
    try:
        why = _with_ray(options, admitted, table, todo, output, journal, meter, show)
        output.finish(len(table.tasks))
    except (OSError, MachineError) as error:
        machine = machine_error(error, options.out)
        if machine is None:
            raise
        why = why or f"{Status.MACHINE_FAULT}: {machine}"  # what stopped it, not what followed
    finally:
        journal.close()
    done = sum(task.task_id in output.done for task in table.tasks)
    return GenerateResult(why, done, len(table.tasks), meter.statuses["ok"], options.out)


def check_batch(options: GenerateOptions) -> None:
    """Refuse what makes no sense with `--batch-api`.

    Raises:
      UserError: nobody is asked over a wire, or a number of requests in flight is given.
    """
    from pipelines.drivers.gateway import needs_gateway

    if not options.batch_api:
        return
    if not needs_gateway(options.reasoner, options.route):
        got = f"--batch-api with --reasoner {options.reasoner}, who is asked for nothing"
        raise UserError(got, "a model of OpenAI or Gemini", "leave --batch-api out, or name one")
    if options.concurrency is not None:
        got = f"--batch-api with --concurrency {options.concurrency}"
        raise UserError(got, "--in-flight, the tasks whose questions share a job", "leave one of them out")


def tasks_in_reasoning(options: GenerateOptions, reasoner: Reasoner) -> int:
    """Tasks admitted to reasoning at a time.

    For batch jobs as many as `--in-flight` says: the more, the fewer jobs one after the other. Else twice as
    many as requests may be in flight keep them in flight. More would not be faster, and would all
    finish late: their questions take turns.
    """
    parts = [getattr(reasoner, "main", reasoner), *getattr(reasoner, "routes", {}).values()]
    limits = [part.concurrency for part in parts if isinstance(part, RemoteReasoner)]
    most = options.in_flight * (options.reasoners or 1)
    if options.batch_api:
        return min(most, MOST_OPEN)
    return min(most, 2 * (options.concurrency or max(limits))) if limits else most


def _with_ray(
    options: GenerateOptions,
    admitted: int,
    table: TaskTable,
    todo: list[TaskSpec],
    output: Output,
    journal: Journal,
    meter: Meter,
    show: Show,
) -> str:
    import ray

    from pipelines.drivers.crew import connect, disconnect

    local = connect(options.address)
    try:
        known = {**versions(), "ray": ray.__version__}
        journal.write(
            "start", tasks=len(todo), total=len(table.tasks), num=options.num, steps=options.steps,
            select=options.select, config_sha=options.config_sha(), versions=known,
            resources=ray.cluster_resources(),
        )  # fmt: skip
        why = asyncio.run(_run(options, admitted, todo, output, journal, meter, show))
        journal.write("end", why=why, **meter.snapshot())
        return why
    finally:
        disconnect(local)


async def _run(
    options: GenerateOptions,
    admitted: int,
    todo: list[TaskSpec],
    output: Output,
    journal: Journal,
    meter: Meter,
    show: Show,
) -> str:
    from pipelines.drivers.crew import RayCrew

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    with instead(lambda: loop.call_soon_threadsafe(stop.set)):
        crew = RayCrew(options, lambda stage, pid: journal.write("actor", stage=stage, pid=pid))
        starting = asyncio.create_task(crew.begin())
        interrupted = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            return "interrupt"
        starting.result()
        output.agree(crew.refined_on)
        line = Line(crew, output, options, journal, meter, admitted)
        with show.running():
            ticking = asyncio.create_task(_tick(crew, line, journal, meter, show))
            working = asyncio.create_task(line.run(todo))
            everybody = {working, interrupted, ticking}
            await asyncio.wait(everybody, return_when=asyncio.FIRST_COMPLETED)
            why = ""
            if not working.done():
                why = "interrupt" if interrupted.done() else ""
                working.cancel()
            try:
                await working
            except asyncio.CancelledError:
                pass
            except Stopped as stopped:
                why = stopped.why
            finally:
                ticking.cancel()
                await asyncio.wait({ticking})
                await crew.close(DRAIN_S)
                interrupted.cancel()
            if not why and not ticking.cancelled() and (error := ticking.exception()) is not None:
                raise error  # the log can't be written
        show.update(last=True)
        return why


async def _tick(crew: RayCrew, line: Line, journal: Journal, meter: Meter, show: Show) -> None:
    dashboard = Dashboard()
    while True:
        meter.gateway = await crew.gateway(line.reasoning) or meter.gateway
        journal.write("tick", **meter.snapshot())
        dashboard.update(meter)
        show.update()
        await asyncio.sleep(TICK_S)
