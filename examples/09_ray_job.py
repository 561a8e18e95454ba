"""09. A table of tasks to a dataset: on this machine, or as a job on a standing Ray cluster.

    python examples/09_ray_job.py                            # a local cluster, ends with the run
    python examples/09_ray_job.py http://HEAD:8265           # pip install 'zdg-jax[cluster]'; docs/cluster.md

The same command goes on after a stop, and pays no model twice.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

TASKS = (
    {"object": "zoo:mug/0", "task": "drink from it"},
    {"object": "zoo:mug/0", "task": "hand it over"},
    {"object": "zoo:hammer/0", "task": "hammer a nail"},
)


def words(out: str, num: int, steps: int) -> list[str]:
    """The words of `zdg generate`; on a cluster both paths must be seen by all nodes, or lie in a bucket."""
    table = Path(out) / "tasks.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["object", "task"])
        writer.writeheader()
        writer.writerows(TASKS)
    settings = {"num": num, "keep": 2, "steps": steps, "select": "gravity", "hypotheses": 1}
    told = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return ["--tasks", str(table), "--out", f"{out}/data", *told]


def main(
    address: str = "", out: str = "out/example09", num: int = 32, keep: int = 4, steps: int = 600
) -> int:
    told = words(out, num, steps)
    if address:
        from ray.job_submission import JobSubmissionClient

        client = JobSubmissionClient(address)
        job = client.submit_job(
            entrypoint=f"python -m pipelines.generate {' '.join(told)}", runtime_env={"working_dir": "."}
        )
        print(f"submitted: ray job logs {job} --address {address} --follow")
        return 0
    from zdg_jax.pipelines import generate

    code = generate.main(told)
    print(f"look at {out}/data/README.md; python examples/07_into_pytorch_and_datasets.py {out}/data")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
