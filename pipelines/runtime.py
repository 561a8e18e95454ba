"""Set-up of a process, also of one that only imports `zdg_jax`: compiled code, logging, signals."""

from __future__ import annotations

import ctypes
import hashlib
import json
import logging
import os
import platform
import select
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zdg_jax.errors import UserError, machine_error, name_error, printable

# Ctrl-C and SIGTERM: the first ends a command in order, the second at once.
SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Told to the watching thread, no signal's number: a KeyboardInterrupt was lost.
_LOST = 255


class Heed:
    """What a command does about signals; `number` is the first one that came, 0 before."""

    def __init__(self, said: str) -> None:
        self.number = 0
        self.instead: Callable[[], object] | None = None
        self._said, self._count, self._own = said, 0, 0

    @property
    def status(self) -> int:
        """Exit status."""
        return 128 + (self.number or signal.SIGINT)

    def handle(self, number: int, _frame: Any) -> None:
        """In the main thread, once it runs Python again."""
        self.number = self.number or number
        if self.instead is None:
            raise KeyboardInterrupt
        self.instead()

    def watch(self, told: socket.socket) -> None:
        """In a thread of its own: compiling or simulating may keep the main one for long."""
        while data := told.recv(64):
            for number in data:
                if number == _LOST:
                    time.sleep(0.05)  # until the callback that swallowed it is over
                    self._own += 1
                    signal.pthread_kill(_main_thread(), self.number)  # a real one: it also ends a sleep
                    continue
                if number not in SIGNALS:
                    continue
                if self._own:
                    self._own -= 1
                    continue
                self.number = self.number or number
                self._count += 1
                if self._count > 1:
                    self._end(number)

    def swallowed(self, tell: socket.socket, before: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """What `sys.unraisablehook` is within: Python drops what callbacks of weak references and of the
        garbage collector raise, and `__del__`; a KeyboardInterrupt that came there is raised again."""

        def hook(lost: Any) -> None:
            if self.number and self.instead is None and issubclass(lost.exc_type, KeyboardInterrupt):
                with suppress(OSError):
                    tell.send(bytes([_LOST]))
            else:
                before(lost)

        return hook

    def _end(self, number: int) -> None:
        os.write(2, f"{self._said}: stopped at once\n".encode())
        for do in _before_the_end:
            with suppress(Exception):
                do()
        processes = sys.modules.get("multiprocessing")  # whose workers would wait for this one for ever
        for child in processes.active_children() if processes else ():
            child.kill()
        os._exit(128 + number)


_heed: Heed | None = None
_before_the_end: list[Callable[[], None]] = []


def at_once(do: Callable[[], None]) -> None:
    """Do this too when a second signal ends the process; it has no time for more than killing."""
    if do not in _before_the_end:
        _before_the_end.append(do)


def interrupted_status() -> int:
    """What a command that was stopped in order exits with: 130 after Ctrl-C, 143 after SIGTERM."""
    return (_heed or Heed("zdg")).status


@contextmanager
def heeded(said: str) -> Iterator[Heed]:
    """Within, the first SIGINT or SIGTERM is a KeyboardInterrupt in the main thread; a second ends it all.

    After it, if one came, either of them ends the process as the system does. Elsewhere than in the main
    thread nothing is changed.

    Args:
      said: what the command calls itself.
    """
    global _heed
    heed = Heed(said)
    if threading.current_thread() is not threading.main_thread() or _heed is not None:
        yield heed
        return
    told, tell = socket.socketpair()
    tell.setblocking(False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    wakeup = signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    _take(heed)
    hook = sys.unraisablehook
    sys.unraisablehook = heed.swallowed(tell, hook)
    watching = threading.Thread(target=heed.watch, args=(told,), daemon=True, name="signals")
    watching.start()
    _heed = heed
    try:
        yield heed
    finally:
        _heed = None
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL if heed.number else before[number] or signal.SIG_DFL)
        sys.unraisablehook = hook
        signal.set_wakeup_fd(wakeup)
        tell.close()
        watching.join()
        told.close()


@contextmanager
def instead(do: Callable[[], object]) -> Iterator[Heed]:
    """Within, the first signal calls `do` in the main thread; takes the handlers back from libraries.

    Args:
      do: returns quickly.
    """
    heed = _heed or Heed("zdg")
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heed.instead = do
    _take(heed)
    try:
        yield heed
    finally:
        heed.instead = None
        if _heed is None:
            for number in SIGNALS:
                signal.signal(number, before[number] or signal.SIG_DFL)


def _main_thread() -> int:
    ident = threading.main_thread().ident
    assert ident is not None
    return ident


def _take(heed: Heed) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, heed.handle)


def program(
    name: str,
    command: Any,
    argv: Sequence[str] | None = None,
    work: Callable[[Any], int] = lambda options: options.run(),
    description: str | None = None,
) -> int:
    """Read a command line and do what it says; what a person can mend is one line on stderr.

    Args:
      name: what the command calls itself.
      command: dataclass of its options, or a union of those of its subcommands.
      argv: words; the process's by default.
      work: given the options; their own `run` by default.
      description: of the help; the dataclass's docstring by default.
    Returns: what `work` returns; 2 after such an error, 130 after Ctrl-C, 143 after SIGTERM, 141 when nobody
      reads what it prints.
    """
    import tyro

    os.environ.setdefault("MUJOCO_GL", "disable")  # nothing of ours draws by it, and its libraries take long
    if logging.lastResort is not None:  # what writes where nobody has set logging up
        logging.lastResort.setFormatter(_Shown())
    words = sys.argv[1:] if argv is None else list(argv)
    if name == "zdg" and words[:1] in (["--version"], ["-V"]):
        from zdg_jax import __version__

        print(f"zdg-jax {__version__}")
        return 0
    said = name if name == "zdg" else name.rpartition(".")[2]
    prog = name if name == "zdg" else f"python -m {name}"
    with heeded(said) as heed:
        try:
            return told_plainly(
                said, lambda: work(tyro.cli(command, prog=prog, description=description, args=argv))
            )
        except KeyboardInterrupt:
            _say_stopped(said)
        except SystemExit:  # Ray's own answer to SIGTERM, where it comes before ours
            if not heed.number:
                raise
            _say_stopped(said)
        return heed.status


def _say_stopped(said: str) -> None:
    # What was about to be awaited dies with the traceback, after this line, and would complain of it.
    warnings.filterwarnings("ignore", r"coroutine .* was never awaited", RuntimeWarning)
    print(f"{said}: stopped", file=sys.stderr)


class _Shown(logging.Formatter):
    """Records may quote a server or a file."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n")


def told_plainly(said: str, work: Callable[[], int]) -> int:
    """Do it; what a person can mend is one line on stderr, and 2 is returned."""
    try:
        try:
            return work()
        finally:  # what can't be written shows here, not when the interpreter ends
            if sys.stdout is not None:
                sys.stdout.flush()
    except UserError as error:
        print(f"{said}: {error}", file=sys.stderr)
        return 2
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return 128 + signal.SIGPIPE
        known = machine_error(error) or name_error(error)
        if known is None:
            raise
        print(f"{said}: {known}", file=sys.stderr)
        return 2


def _nobody_reads() -> bool:
    """Whether the reader of stdout has left, as `head` does; what is still to be written is dropped then."""
    watched = select.poll()
    watched.register(sys.stdout.fileno(), 0)
    if not any(event & select.POLLERR for _, event in watched.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def cpu_signature() -> str:
    """Short hash of this CPU's abilities: compiled code must not be read on another kind of CPU."""
    described = platform.machine() + platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    described += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(described.encode()).hexdigest()[:12]


_M_MMAP_THRESHOLD, _OWN_PAGES = -3, 2**20


def steady_memory() -> None:
    """Give every array of a megabyte and more pages of its own, which go back to the system with it.

    glibc raises that limit by itself to 32 MB: drawings and batches then share heaps that never shrink. Over
    150 tasks of one process 1.29 GB stay 1.29 GB, and were 1.9 GB and growing; processor time is the same.
    """
    known = getattr(os, "confstr_names", {})
    if "CS_GNU_LIBC_VERSION" in known and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if set_option is not None:
            set_option(_M_MMAP_THRESHOLD, _OWN_PAGES)


def start_jax() -> None:
    """Keep compiled functions between runs, so that the second command neither traces nor compiles again.

    The cache lies in `ZDG_CACHE_DIR` or the user's cache folder. `JAX_COMPILATION_CACHE_DIR`, or a folder
    that was given to JAX before, overrides: then JAX's own cache is all there is.
    """
    steady_memory()
    import jax

    from zdg_jax import stored
    from zdg_jax.cache import cache_dir

    logging.getLogger("jax").setLevel(logging.ERROR)
    if jax.config.jax_compilation_cache_dir is not None:  # by the variable, or by whoever imported us
        return
    try:
        folder = cache_dir("xla", cpu_signature())
        with tempfile.TemporaryFile(dir=folder):
            pass
        about = folder.stat()
        if hasattr(os, "getuid") and (about.st_uid != os.getuid() or about.st_mode & 0o022):
            return  # compiled code is run as it stands: not what others may have put there
    except OSError:  # a read-only home costs time, not the result
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    stored.keep_in(folder / "functions")


def setup() -> None:
    """What a script of yours should do first: keep compiled functions between runs.

    XLA's own log is quiet too, where `zdg_jax` is imported before jax.

    Examples:
      >>> import zdg_jax as zdg
      >>> zdg.setup()
    """
    start_jax()


def output_folder(path: str) -> Path:
    """Make the folder and prove that a file can be written there, before any work starts.

    Raises:
      UserError: it can't be made or written.
    """
    folder = Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(
            f"output folder {path} ({reason})", "a folder that can be written", "choose another --out"
        ) from error
    return folder


@contextmanager
def new_folder(path: str) -> Iterator[Path]:
    """`output_folder`, which goes again if it was made here and what ended by an error left nothing in it."""
    made = not Path(path).expanduser().exists()
    folder = output_folder(path)
    try:
        yield folder
    except BaseException:
        if made:
            with suppress(OSError):  # something lies in it
                folder.rmdir()
        raise


def folder_of(path: str | Path) -> Path:
    """The folder itself, or the one that a file lies in."""
    place = Path(path).expanduser()
    return place if place.is_dir() else place.parent


def report_writer(path: str | None) -> Callable[[dict[str, Any]], None]:
    """How to write a report to `path`; proves first that its folder can be written.

    Raises:
      UserError: it can't.
    """
    if path is None:
        return lambda _: None
    from pipelines.dataset import write_atomic

    target = Path(path).expanduser()
    output_folder(str(target.parent))

    def write(report: dict[str, Any]) -> None:
        write_atomic(target, json.dumps(report, indent=2).encode() + b"\n")

    return write
