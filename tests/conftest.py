"""One configuration for every test: CPU, strict shapes, no network, no provider keys, own caches."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Before anything imports jax or reads the environment; subprocesses inherit it.
# pytest-xdist's workers share their parent's: a hand or an object is built once.
_WORKER = "PYTEST_XDIST_WORKER" in os.environ
_CACHE = Path(os.environ["ZDG_CACHE_DIR"] if _WORKER else tempfile.mkdtemp(prefix="zdg-tests-"))
os.environ["ZDG_CACHE_DIR"] = str(_CACHE)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["HF_HUB_OFFLINE"] = "1"
# Dozens of processes import the same files: without bytecode each of them compiles all again, for seconds.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Ray's own limits, far beyond what a slow machine needs.
for _limit in (
    "gcs_server_port_wait_time_s", "gcs_server_request_timeout_seconds", "py_gcs_connect_timeout_s",
    "gcs_rpc_server_connect_timeout_s", "gcs_rpc_server_reconnect_timeout_s",
    "worker_register_timeout_seconds",
):  # fmt: skip
    os.environ[f"RAY_{_limit}"] = "900"
for _limit in ("agent_register_timeout_ms", "health_check_timeout_ms"):
    os.environ[f"RAY_{_limit}"] = "900000"
# Its workers give way to whatever else the machine does (nice 15): a test would wait until that has ended.
for _setting in ("worker_niceness",):
    os.environ[f"RAY_{_setting}"] = "0"
for _key in [k for k in os.environ if k.endswith(("_API_KEY", "_API_TOKEN")) or k.startswith("GOOGLE_")]:
    del os.environ[_key]

# Every client of a provider reads the machine's 250 kB of authorities (40 ms, hundreds of clients); no test
# speaks TLS, so one authority is enough.
import certifi
import platformdirs

_AUTHORITY = _CACHE / "authority.pem"
if not _WORKER:
    _CERT_END = "-----END CERTIFICATE-----\n"
    _AUTHORITY.write_text(Path(certifi.where()).read_text("utf-8").split(_CERT_END)[0] + _CERT_END, "utf-8")
os.environ["SSL_CERT_FILE"] = str(_AUTHORITY)

from pipelines.runtime import cpu_signature


def _compiled() -> Path:
    """Compiled functions outlive the session: a second run of the suite takes seconds, not minutes."""
    folder = Path(platformdirs.user_cache_dir(f"zdg-jax-tests/{cpu_signature()}"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:  # a home that can't be written costs time, and no test
        return _CACHE / "xla"


os.environ["JAX_COMPILATION_CACHE_DIR"] = str(_compiled())

import hypothesis
import jax

from tests.network_guard import blocked

# A slow machine is no fault of a test.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def pytest_unconfigure() -> None:
    if not _WORKER:
        shutil.rmtree(_CACHE, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Plain `-n` deals whole stretches of tests, so that few modules' fixtures are made on every worker."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_collection_finish() -> None:
    # What is imported and collected stays: each of some twenty full collections would walk it again, 0.4 s.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    with blocked() as tries:
        yield
    if tries:
        pytest.fail(f"network tries in a test: {tries}")
