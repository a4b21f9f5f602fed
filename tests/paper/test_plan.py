import shlex

import pytest
import typer.main

from dropmix.cli import app
from dropmix.cli.options import grid_of
from dropmix.paper.exhibits import plan
from dropmix.paper.plan import commands, costs


@pytest.mark.parametrize(("name", "preset"), [("table4", "paper"), ("table4", "released-code"), ("figure7", "paper")])
def test_commands_make_the_planned_runs(name: str, preset: str) -> None:
    run = typer.main.get_command(app).commands["run"]  # pyright: ignore[reportAttributeAccessIssue]
    made = set()
    for line in commands([name], preset):
        given = run.make_context("run", shlex.split(line)[2:]).params
        wanted = {k: given[k] for k in ("recipe", "preset", "methods", "rates") if given[k] is not None}
        made |= {spec.hash for spec in grid_of(wanted, [], {}).runs}
    assert made == {planned.spec.hash for planned in plan([name], preset)}


def test_flops_count_training_evaluation_and_saliency() -> None:
    runs = [run for run in plan(["table1"]) if run.network == "WRN28-2" and run.spec.seed == 0]
    found = {run.spec.arm.name: cost.flops for run, cost in zip(runs, costs(runs))}
    assert all(cost.seconds is None for cost in costs(runs))
    forward = 1.285e9 / 3  # an image and step of the standard form cost 1.285 GFLOP
    train, evaluation = 300 * 50_000, (29 + 10) * 10_000  # every tenth epoch to the 290th, and the last ten
    assert found["vanilla"] == pytest.approx(forward * (3 * train + evaluation), rel=2e-3)
    assert found["mixup r=0.4"] == found["vanilla"]
    assert found["puzzlemix"] == pytest.approx(forward * (6 * train + evaluation), rel=2e-3)
    assert found["puzzlemix r=0.2"] == pytest.approx(forward * (5.4 * train + evaluation), rel=2e-3)
