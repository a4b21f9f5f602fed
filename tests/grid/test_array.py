"""The job array of docs/clusters.md: its very script, several at a time, until none asks to be put back."""

import os
import re
import subprocess
import sys
from pathlib import Path

from dropmix.grid.store import scan

PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"
RECIPE = "digits --train-per-class 6 --epochs 3 --methods cutmix --rates 0,0.5 --seeds 1"


def test_the_jobs_of_the_page_finish_a_grid_together(tmp_path):
    script = tmp_path / "array.sh"
    script.write_text(re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)[0])
    tools = tmp_path / "bin"
    tools.mkdir()
    put_back = tmp_path / "put-back"
    stand_ins = {
        "dropmix": f'exec {sys.executable} -c "from dropmix.cli import main; main()" "$@"',
        "scontrol": f'[ "$1" = requeue ] && echo "$2" >> {put_back}',
    }
    for name, line in stand_ins.items():
        (tools / name).write_text(f"#!/bin/bash\n{line}\n")
        (tools / name).chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "RECIPE": RECIPE,
        "OUT": str(tmp_path / "grid"),
        "LIMIT": "0s",  # the first time: no time at all, so that every task must ask to come back
        "SLURM_ARRAY_JOB_ID": "7",
    }

    waiting, rounds, statuses = {"0", "1"}, 0, []
    while waiting:
        rounds += 1
        assert rounds < 30
        put_back.write_text("")
        tasks = [
            subprocess.Popen(["bash", str(script)], env=environment | {"SLURM_ARRAY_TASK_ID": task})
            for task in sorted(waiting)
        ]
        ended = [task.wait() for task in tasks]
        statuses += ended
        environment["LIMIT"] = "30m"
        waiting = {line.split("_")[1] for line in put_back.read_text().split()}
        assert len(waiting) == ended.count(75)
    assert statuses[:2] == [75, 75]
    assert set(statuses) <= {0, 75}
    assert statuses[-1] == 0
    found = scan(tmp_path / "grid")
    assert [run.state for run in found] == ["done"] * 3
