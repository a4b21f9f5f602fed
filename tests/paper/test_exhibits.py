import pytest

from dropmix.paper.exhibits import EXHIBITS, PRINTED_RATES, find_exhibits, plan
from dropmix.paper.printed import printed_records

# Runs of each exhibit, counted by hand: arms x 5 seeds.
RUNS = {
    "table1": 4 * 7 * 5,
    "table2": 5 * 5,
    "table3": 4 * 4 * 5,
    "table4": 5 * 5,
    "figure1": 3 * 5,
    "figure2": 3 * 5,
    "figure3": (1 + 3 * 11) * 5,
    "figure4": 0,  # drawn from what `dropmix label-info` writes
    "figure5": 3 * 5,
    "figure6": 2 * 5,
    "figure7": (1 + 11 + 9) * 5,  # alpha = 1 is the rate 0 of the other line
    "figure8": 2 * 3 * 5,
    "figure9": 3 * 5,
    "figure10": 3 * 5,
    "figure11": 3 * 5,
    "figure12": (1 + 3 * 11) * 5,
    "figure13": (1 + 3 * 11) * 5,
    "figure14": (1 + 3 * 11) * 5,
    "figure15": 0,
    "figure16": 3 * 5,
    "figure17": 3 * 5,
    "figure18": 3 * 5,
}


@pytest.mark.parametrize("name", RUNS)
def test_runs_of_each_exhibit(name: str) -> None:
    runs = plan([name])
    assert len({run.spec.folder_name for run in runs}) == len(runs) == RUNS[name]
    for recipe in {run.recipe for run in runs}:
        assert any(run.spec.arm.method == "vanilla" for run in runs if run.recipe == recipe)


def test_table1_is_28_arms_with_the_printed_rates() -> None:
    runs = plan(["table1"])
    found = {(run.network, run.spec.arm.method, run.spec.arm.rate) for run in runs}
    expected = set()
    for record in printed_records(1):
        expected.add((record["network"], record["method"], 0.0))
        if record["rate"]:
            expected.add((record["network"], record["method"], float(record["rate"])))
    assert found == expected
    assert len(found) == 28
    assert {run.spec.seed for run in runs} == set(range(5))
    assert {run.spec.train.epochs for run in runs} == {300}


@pytest.mark.parametrize("table", [1, 2, 4])
def test_printed_rates_are_those_of_the_tables(table: int) -> None:
    for record in printed_records(table):
        if record["rate"]:
            assert PRINTED_RATES[record["network"]][record["method"]] == float(record["rate"])


def test_a_run_that_serves_twice_counts_once() -> None:
    both = plan(["table1", "table3"])
    assert len(both) == RUNS["table1"]
    plain = [run for run in both if not run.spec.arm.rate]
    assert all(run.serves == ["table1", "table3"] for run in plain)
    assert len(plan(["all"])) < sum(RUNS.values())


def test_figure7_runs_smaller_alphas() -> None:
    alphas = {run.spec.arm.options["alpha"] for run in plan(["figure7"]) if run.spec.arm.method == "mixup"}
    assert alphas == {i / 10 for i in range(1, 11)}


def test_a_fingerprint_is_filled_in() -> None:
    assert {r.spec.data.fingerprint for r in plan(["table4"], fingerprints={"cifar10": "abc"})} == {"abc"}


def test_names_are_forgiving_and_errors_name_the_nearest() -> None:
    assert [e.name for e in find_exhibits(["Table 1", "Fig. 3", "fig3"])] == ["table1", "figure3"]
    assert len(find_exhibits(["all"])) == len(EXHIBITS)
    with pytest.raises(ValueError, match="Did you mean table1"):
        find_exhibits(["tabel1"])
