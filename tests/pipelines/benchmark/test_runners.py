"""Who runs the groups: what a worker's death costs, and that the number of workers changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.benchmark import work
from pipelines.benchmark.__main__ import main
from pipelines.benchmark.group import Group, Units, WorkerDied
from pipelines.benchmark.rows import Crew
from pipelines.benchmark.unit import UnitOptions, failed, unit_path, written
from pipelines.benchmark.work import groups_of
from sim_eval.benchmark.instructions import instructions
from tests.waiting import PATIENCE_S

MUGS = [i for i in instructions("zoo") if i.category == "mug"]
OPTIONS = UnitOptions()


class Fake:
    """A worker whose process dies over some objects."""

    def __init__(self, out: Path, deadly: str) -> None:
        self.out, self.deadly, self.deaths = out, deadly, 0

    def run(self, group: Group) -> Units:
        if group.object == self.deadly:
            self.deaths += 1
            raise WorkerDied("killed")
        done = failed("no_grasp", "made up")
        return [written(self.out, row, i, OPTIONS, done) for i, row in group.units]

    def close(self) -> None: ...


def test_the_command_line_imports_nothing_heavy():
    said = "import sys, pipelines.benchmark.__main__; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"  # XLA's log is silenced before it is loaded


def test_units_of_one_object_go_together_and_finished_ones_not_at_all():
    groups = groups_of(MUGS, ("ours", "wo_refine"), {("ours", MUGS[0].id)})
    assert [len(g.units) for g in groups] == [1, 2, 2, 2]
    assert groups[0].units == ((MUGS[0], "wo_refine"),)
    assert all(len({i.object for i, _ in g.units}) == 1 for g in groups)


def test_a_group_that_kills_its_process_twice_is_given_up_alone(tmp_path):
    groups = groups_of(MUGS, ("ours", "wo_refine"), set())
    crew = [Fake(tmp_path, MUGS[1].object) for _ in range(2)]
    seen: list[str] = []
    work._share_out(groups, crew, OPTIONS, tmp_path, lambda units: seen.extend(u["status"] for u in units))
    assert sorted(seen) == ["no_grasp"] * 6 + ["worker_died"] * 2
    assert sum(worker.deaths for worker in crew) == work.TRIES
    stored = json.loads(unit_path(tmp_path, "ours", MUGS[1]).read_text())
    assert stored["status_reason"] == "2 processes died over this object: killed"


def test_a_fault_of_the_run_itself_ends_it(tmp_path):
    class Broken(Fake):
        def run(self, group: Group) -> Units:
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        work._share_out(
            groups_of(MUGS, ("ours",), set()), [Broken(tmp_path, "")], OPTIONS, tmp_path, lambda _: None
        )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--workers", "2"], "--runner processes or ray"),
        (["--workers", "0"], "1 to "),
    ],
)
def test_workers_that_do_not_fit_are_refused(tmp_path, capsys, given, said):
    assert main(["--out", str(tmp_path), *given]) == 2
    assert said in capsys.readouterr().err


def test_the_environment_of_workers_does_not_stay(tmp_path):
    before = dict(os.environ)
    with work._processes(Crew("processes", 3), OPTIONS, tmp_path) as workers:
        assert len(workers) == 3
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert dict(os.environ) == before


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["processes", "ray"])
def test_runners_agree(tmp_path, runner):
    given = ["--set", "zoo", "--reasoner", "oracle", "--only", MUGS[0].id, "--rows", "ours,wo_refine"]
    given += ["--num", "4", "--keep", "1", "--pictures", "0"]
    command = [sys.executable, "-m", "pipelines.benchmark", *given, "--out", str(tmp_path / runner)]
    # in a process of its own, as a user would: Ray and pools are not started from under JAX's threads
    subprocess.run([*command, "--runner", runner, "--workers", "1"], check=True, timeout=PATIENCE_S)
    assert main([*given, "--out", str(tmp_path / "here")]) == 0
    for row in ("ours", "wo_refine"):
        one, other = (
            json.loads((tmp_path / k / "units" / row / f"{MUGS[0].id}.json").read_text())["grasps"]
            for k in ("here", runner)
        )
        assert one == other
        assert len(one) == 1
