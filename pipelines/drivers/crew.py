"""The stages as Ray actors: who is started where, with what environment, and what a death means."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipelines.drivers import actors
from pipelines.drivers.gateway import needs_gateway
from pipelines.drivers.journal import now
from pipelines.drivers.tasks import TaskSpec
from pipelines.options import GenerateOptions
from pipelines.runtime import at_once
from pipelines.stages.messages import Finished, Reasoned, Refined, StageFault, Timed
from zdg_jax.errors import UserError, machine_error
from zdg_jax.grasps import Grasps
from zdg_jax.reasoning.models.settings import holds_secret, tables
from zdg_jax.status import Status

T = TypeVar("T")
NAMESPACE = "zdg"
#: Restarts are for ever: machines come and go. One call is given up after it has met this many deaths.
DEATHS = 2
_FORWARDED = ("ZDG_", "JAX_", "XLA_", "HF_", "TF_CPP_")


def connect(address: str | None) -> bool:
    """Connect to a cluster, or start a local one; True if it is local and ours.

    Raises:
      UserError: nobody answers there, or the local one does not come up within Ray's own limits.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.WARNING)
            return False
        at_once(end_leftovers)
        # "local" by name: without it Ray would join whatever cluster was last started on this machine.
        with marked():
            ray.init(
                "local", namespace=NAMESPACE, include_dashboard=_has_dashboard(), log_to_driver=False,
                logging_level=logging.ERROR,
            )  # fmt: skip
    except Exception as error:  # Ray says with a bare Exception that a node did not come up in time
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if address:
            expected, do = "a cluster that was started, and its token", "see docs/cluster.md"
        else:
            expected = "a local Ray that comes up within its own limit of 30 s"
            do = (
                "run it again when the machine has less to do; Ray's log lies in /tmp/ray/session_latest/logs"
            )
        end_leftovers()
        raise UserError(
            f"no Ray cluster at {address or 'this machine'} ({said[:200]})", expected, do
        ) from error
    except BaseException:  # a signal
        end_leftovers()
        raise
    return True


def disconnect(local: bool) -> None:
    """Leave the cluster; of one that is ours nothing stays. Args: local: what `connect` said."""
    try:
        ray.shutdown()
    finally:
        if local:
            end_leftovers()


def _has_dashboard() -> bool:
    import importlib.util

    return importlib.util.find_spec("aiohttp") is not None  # of ray[default]


def cannot_start(error: Exception) -> UserError:
    """What to say of an actor that Ray could not start."""
    last = [line for line in str(error).splitlines() if line.strip()][-1]
    return UserError(
        f"an actor that can't start ({last.strip()[:300]})", "a working installation on every node",
        "see docs/cluster.md",
    )  # fmt: skip


class RayCrew:
    """Implements `line.Crew`."""

    def __init__(self, options: GenerateOptions, on_actor: Callable[[str, int], None]) -> None:
        """Start everybody. Args:
        options: of the run.
        on_actor: told (stage, process id) of everyone who starts, again after a death.
        """
        resources = ray.cluster_resources()
        cpus, gpus = int(resources.get("CPU", 1)), int(resources.get("GPU", 0))
        # On a small machine nobody reserves a processor: they share.
        share = 1.0 if cpus >= 8 else 0.0
        self.preparers = options.preparers or max(1, cpus // 2)
        self.refiners = options.refiners or max(1, gpus)
        self.simulators = options.simulators or max(1, cpus // 2)
        count = options.reasoners or max(1, cpus // 4)
        self._gateway = _gateway(options) if needs_gateway(options.reasoner, options.route) else None
        where = {"scheduling_strategy": "SPREAD"}
        common = {"max_restarts": -1, "max_task_retries": DEATHS, **where}
        cpu = {"JAX_PLATFORMS": "cpu"}
        one = {**cpu, "OMP_NUM_THREADS": "1"}

        def start(kind: type, env: dict[str, str], many: dict[str, Any], *args: Any) -> Any:
            settings = {**common, **many, "runtime_env": {"env_vars": {**environment(), **env}}}
            return ray.remote(kind).options(**settings).remote(*args)

        self._prepare = _Pool(
            [start(actors.PrepareActor, one, {"num_cpus": share}, options) for _ in range(self.preparers)]
        )
        self._reason = _Pool(
            [
                start(
                    actors.ReasonActor, one,
                    {"num_cpus": share, "max_concurrency": options.in_flight + 8},
                    options, self._gateway,
                )
                for _ in range(count)
            ]
        )  # fmt: skip
        device: dict[str, Any] = {"num_gpus": 1, "num_cpus": share} if gpus else {"num_cpus": share}
        on_gpu = {"XLA_CLIENT_MEM_FRACTION": os.environ.get("XLA_CLIENT_MEM_FRACTION", "0.9")}
        all_cpus = {**cpu, "OMP_NUM_THREADS": str(max(1, cpus))}
        refiners = [
            start(actors.RefineActor, on_gpu if gpus else all_cpus, device, options)
            for _ in range(self.refiners)
        ]
        self._refine = _Pool(refiners)
        self._simulate = _Pool(
            [start(actors.SimulateActor, one, {"num_cpus": share}, options) for _ in range(self.simulators)]
        )
        self._on_actor = on_actor
        self._name = secrets.token_hex(8)
        self.slots = 1
        self.refined_on: dict[str, Any] = {}

    async def begin(self) -> None:
        """Wait until everybody is there.

        Raises:
          UserError: somebody can't start; the reason is Ray's.
        """
        pools = {"prepare": self._prepare, "reason": self._reason, "refine": self._refine}
        pools["simulate"] = self._simulate
        try:
            for stage, pool in pools.items():
                for told in await asyncio.gather(*(actor.hello.remote() for actor in pool.actors)):
                    self._on_actor(stage, told["pid"])
                    self.slots = told.get("slots", self.slots)
                    self.refined_on = told.get("refined_on", self.refined_on)
            if self._gateway is not None:
                self._on_actor("gateway", (await self._gateway.hello.remote())["pid"])
        except RayError as error:
            raise cannot_start(error) from error

    async def prepare(self, task: TaskSpec) -> Timed[Any]:
        async with self._prepare.one() as actor:
            timed, ref = actor.prepare.options(num_returns=2).remote(task)
            done = await _told(timed)
        # The object itself stays in the object store; whoever needs it fetches it once.
        return done if isinstance(done.value, StageFault) else replace(done, value=ref)

    async def reason(self, task: TaskSpec, handle: Any) -> Timed[Reasoned]:
        async with self._reason.one() as actor:
            return await _told(actor.reason.remote(task, [handle]))

    async def refine(self, batch: Sequence[tuple[Reasoned, Any]]) -> Timed[list[Grasps]]:
        async with self._refine.one() as actor:
            return await _told(actor.refine.remote([said for said, _ in batch], [ref for _, ref in batch]))

    async def simulate(self, refined: Refined, handle: Any) -> Timed[Finished]:
        async with self._simulate.one() as actor:
            return await _told(actor.simulate.remote(refined, [handle]))

    async def gateway(self, reasoning: int) -> dict[str, Any]:
        if self._gateway is None:
            return {}
        with contextlib.suppress(RayActorError):
            return await self._gateway.state.remote(self._name, reasoning)
        return {}

    async def close(self, patience_s: float | int) -> None:
        """Let what was paid for come in, for so many seconds."""
        if self._gateway is not None:
            with contextlib.suppress(RayActorError, TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._gateway.drain.remote()


class _Pool:
    """Actors of one kind; each call goes to the one with least to do."""

    def __init__(self, actors: list[Any]) -> None:
        self.actors = actors
        self._busy = [0] * len(actors)

    @contextlib.asynccontextmanager
    async def one(self):
        i = min(range(len(self.actors)), key=self._busy.__getitem__)
        self._busy[i] += 1
        try:
            yield self.actors[i]
        finally:
            self._busy[i] -= 1


async def _told(ref: Awaitable[Timed[T]]) -> Timed[T]:
    """What an actor gave back; its death as a fault of the task."""
    begin = now()
    try:
        return await ref
    except RayActorError as error:
        said = str(error).strip().splitlines()[0]
        fault = StageFault("actor_died", f"the process died {DEATHS + 1} times over this task: {said}")
    except RayTaskError as error:
        machine = machine_error(error.cause)
        said = str(machine or str(error).strip().splitlines()[-1])
        fault = StageFault(Status.MACHINE_FAULT if machine else Status.STAGE_ERROR, said)
    except RayError as error:  # the object store is full, a node is gone with what it held
        said = str(error).strip().splitlines()[0]
        fault = StageFault(Status.MACHINE_FAULT, f"{type(error).__name__}: {said}")
    return Timed(fault, begin, now(), 0, {})


def environment() -> dict[str, str]:
    """What actors on other machines need of ours; no secrets, since Ray shows and logs it."""
    addresses = tables().address_names()
    return {
        name: value
        for name, value in os.environ.items()
        if (name.startswith(_FORWARDED) or name in addresses)
        and name != "JAX_PLATFORMS"
        and not holds_secret(name, value)
    }


def _gateway(options: GenerateOptions) -> Any:
    """The cluster's gateway for these settings: found, or started beside this driver.

    It is detached: it outlives a driver that is killed, takes in what is under way, and ends by itself.
    """
    names = (*tables().key_names(), *tables().address_names())
    keys = {name: os.environ[name] for name in names if os.environ.get(name)}
    name = actors.gateway_name({**environment(), **keys}, options)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(actors.GatewayActor).options(
        name=name, namespace=NAMESPACE, lifetime="detached", get_if_exists=True, num_cpus=0,
        max_restarts=-1, max_task_retries=-1, max_concurrency=4096, scheduling_strategy=here,
        runtime_env={"env_vars": {**environment(), "JAX_PLATFORMS": "cpu"}},
    ).remote(keys, options.max_usd, options.concurrency, options.batch_api)  # fmt: skip


# Processes of a local Ray that outlive it: a raylet that dies while it starts leaves its agents behind.
#
# Only a Ray that was started within `marked` is touched. Its processes inherit a mark in their environment
# and are below this process; agents wipe their environment, so they are known by a marked parent or, once
# that is dead, by having been handed to this process in its place. Linux only; elsewhere nothing is done.
MARK = "ZDG_RAY_MARK"
_PR_SET_CHILD_SUBREAPER = 36
_mark = ""


class _Process(NamedTuple):
    parent: int
    begun: str
    environ: bytes
    title: bytes


@contextmanager
def marked() -> Iterator[None]:
    """What is started within is ours to end; until `end_leftovers`, orphans below become our children."""
    global _mark
    before, _mark = os.environ.get(MARK), secrets.token_hex(8)
    os.environ[MARK] = _mark
    _adopt(True)
    try:
        yield
    finally:
        del os.environ[MARK]
        if before is not None:
            os.environ[MARK] = before


def end_leftovers() -> None:
    """Kill what is left of the Ray started within `marked`, if one was; gives up after five seconds."""
    global _mark
    if not _mark:
        return
    for _ in range(100):
        found = _ours()
        if not found:
            break
        for pid, process in found.items():
            _kill(pid, process)
        time.sleep(0.05)
    _mark = ""
    _adopt(False)


def _adopt(wanted: bool) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def _ours() -> dict[int, _Process]:
    """Living processes of our Ray."""
    living: dict[int, _Process] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            living[int(folder.name)] = _read(int(folder.name))
    root, known = os.getpid(), f"{MARK}={_mark}".encode()

    def ours(pid: int) -> bool:
        process = living.get(pid)
        if process is None or pid == root or not _below(pid, root, living):
            return False
        if known in process.environ.split(b"\0"):
            return True
        wiped = not process.environ.strip(b"\0") and process.title.startswith(b"ray::")
        return ours(process.parent) or (process.parent == root and wiped)

    return {pid: process for pid, process in living.items() if ours(pid)}


def _below(pid: int, root: int, living: dict[int, _Process]) -> bool:
    while pid in living:
        pid = living[pid].parent
        if pid == root:
            return True
    return False


def _read(pid: int) -> _Process:
    folder = Path(f"/proc/{pid}")
    state, parent, *more = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
    if state in "ZX":
        raise ProcessLookupError
    return _Process(
        int(parent), more[17], (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
    )


def _kill(pid: int, process: _Process) -> None:
    """By a handle, looked at again through it: the number may have gone to somebody else meanwhile."""
    if sys.platform != "linux":
        return
    with suppress(OSError, ValueError, IndexError):
        handle = os.pidfd_open(pid)
        try:
            if _read(pid).begun == process.begun:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
