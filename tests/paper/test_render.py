"""Every table and figure from synthetic runs: of the paper's own protocol, and of small substitutes."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from dropmix.audit.errors import AuditError
from dropmix.paper.claims_of_runs import group_claims
from dropmix.paper.exhibits import EXHIBITS, plan
from dropmix.paper.figures.catalog import FIGURES
from dropmix.paper.notes import NOTES
from dropmix.paper.printed import printed_records
from dropmix.paper.render import render_figure, render_table
from dropmix.paper.runs import find_groups, panels

K, N = 24, 20
GAIN = {"vanilla": 0.0, "mixup": 0.03, "cutmix": 0.06, "puzzlemix": 0.08}


def write_run(folder, spec, rng) -> None:
    """A finished run whose recalls follow its arm."""
    arm = spec["arm"]
    labels = np.repeat(np.arange(K), N)
    recall = np.linspace(0.5, 0.8, K) + GAIN[arm["method"]] - np.where(np.arange(K) < 5, 0.2 * (1 - arm["rate"]), 0.0)
    recall = np.linspace(0.5, 0.8, K) if arm["method"] == "vanilla" else recall
    right = rng.random(K * N) < recall[labels]
    p = np.where(right, 0.8, 0.3) + rng.uniform(0, 0.1, K * N)
    folder.mkdir(parents=True)
    table = pa.table(
        {
            "arm": [arm["name"]] * (K * N),
            "seed": pa.array([spec["seed"]] * (K * N), pa.int64()),
            "example_id": pa.array(np.arange(K * N)),
            "label": pa.array(labels, pa.int32()),
            "pred": pa.array(np.where(right, labels, (labels + 1) % K), pa.int32()),
            "p_true": pa.array(p, pa.float32()),
            "p_max": pa.array(p, pa.float32()),
        }
    )
    names = ["lamp", "dolphin", *(f"class {i}" for i in range(2, K))]
    meta = {"dropmix": json.dumps({"format": 1, "classes": names, "superclasses": None})}
    pq.write_table(table.replace_schema_metadata(meta), folder / "predictions.parquet")
    (folder / "spec.json").write_text(json.dumps(spec))
    (folder / "done").write_text("{}")


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """Table 1's WRN28-2 without CutMix at its rate and one seed of PuzzleMix, beside an empty grid."""
    root, rng = tmp_path_factory.mktemp("exact"), np.random.default_rng(0)
    for run in plan(["table1"], fingerprints={"cifar100": "abc"}):
        arm = run.spec.arm
        left_out = arm.name == "cutmix r=0.5" or (arm.name == "puzzlemix" and run.spec.seed == 3)
        if run.network == "WRN28-2" and not left_out:
            write_run(root / "grid" / run.spec.folder_name, run.spec.model_dump(mode="json"), rng)
    return root


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Vanilla, Mixup and CutMix, r = 0 and 0.3, two seeds, of a protocol that is not the paper's."""
    root, rng = tmp_path_factory.mktemp("small"), np.random.default_rng(1)
    for run in plan(["figure3"]):
        arm = run.spec.arm
        if arm.rate in (0.0, 0.3) and arm.method != "puzzlemix" and run.spec.seed < 2:
            spec = run.spec.model_dump(mode="json")
            spec["network"], spec["train"]["epochs"], spec["data"]["train_per_class"] = "wrn10-2", 5, 15
            write_run(root / run.spec.folder_name.rsplit("-", 1)[0], spec, rng)
    return root


@pytest.fixture(scope="module")
def exact_groups(exact):
    return find_groups([exact])[0]


@pytest.fixture(scope="module")
def small_groups(small):
    return find_groups([small])[0]


def test_missing_runs_are_named_and_not_invented(exact_groups):
    sheet = render_table(EXHIBITS["table1"], exact_groups)
    assert sheet.missing == [
        "PreActRN18: all 7 arms x 5 seeds",
        "PreActRN34: all 7 arms x 5 seeds",
        "PreActRN50: all 7 arms x 5 seeds",
        "WRN28-2: cutmix r=0.5 (all 5 seeds); puzzlemix (seed 3)",
    ]
    arms = {side.arm for side in sheet.sides}
    assert arms == {"Vanilla", "Mixup", "Mixup r=0.4", "CutMix", "PuzzleMix", "PuzzleMix r=0.2"}
    assert {side.network for side in sheet.sides} == {"WRN28-2"}


def test_printed_values_differences_and_verdicts(exact_groups):
    sheet = render_table(EXHIBITS["table1"], exact_groups)
    record = next(r for r in printed_records(1) if r["method"] == "mixup")
    found = {s.measure: s for s in sheet.sides if s.arm == "Mixup"}
    assert found["Acc"].printed == float(record["without_acc"])
    assert found["N_DC"].printed == float(record["without_n_dc"])
    assert found["ΔR_DC"].printed == float(record["without_ddc"])
    for side in sheet.sides:
        assert side.difference == pytest.approx(side.ours - side.printed)
        assert side.verdict == ("within" if side.range.low <= side.printed <= side.range.high else "outside")
    assert found["Acc"].verdict == "outside"


def test_a_table_in_every_format(exact_groups, tmp_path):
    sheet = render_table(EXHIBITS["table1"], exact_groups)
    assert sorted(p.name for p in sheet.write(tmp_path)) == ["table1.csv", "table1.md", "table1.tex"]
    rows = list(csv.DictReader(io.StringIO(sheet.csv())))
    assert sum(row["seed_noise"] == "missing" for row in rows) == len(sheet.missing)
    assert sum(bool(row["value"]) for row in rows) == len(sheet.sides)
    assert "## Printed beside ours: WRN28-2" in sheet.markdown()
    assert sheet.latex().count(r"\begin{tabular}") == sheet.latex().count(r"\end{tabular}") == 3


def test_a_terminal_of_80_characters_shows_every_number(exact_groups):
    sheet = render_table(EXHIBITS["table1"], exact_groups)
    out = io.StringIO()
    Console(file=out, width=80).print(sheet.terminal(80))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.rstrip().endswith(("within", "outside")) for line in lines) == len(sheet.sides)


def test_small_runs_stand_in_under_a_heading_that_says_so(small_groups):
    found, missing = panels(EXHIBITS["table1"], small_groups)
    heading = found[0].heading
    assert heading == (
        "ours (small), wrn10-2 on cifar100, 15 training images per class, 5 epochs, 2 seeds; beside the paper's WRN28-2"
    )
    assert any("cutmix r=0.5 (all 5 seeds)" in text and "mixup (has 2 of 5 seeds)" in text for text in missing)
    sheet = render_table(EXHIBITS["table1"], small_groups)
    assert "CutMix r=0.5, ours 0.3" in {side.arm for side in sheet.sides}
    assert any("another protocol" in note for note in sheet.notes)


def test_runs_of_the_papers_protocol_stand_in_for_no_other(exact_groups):
    assert panels(EXHIBITS["table4"], exact_groups)[0] == []
    assert not render_figure(EXHIBITS["figure9"], exact_groups, []).drawings


@pytest.mark.parametrize("name", [name for name in EXHIBITS if name.startswith("table")])
def test_every_table_renders_from_small_runs(name, small_groups):
    sheet = render_table(EXHIBITS[name], small_groups)
    assert sheet.sides
    assert sheet.missing
    assert sheet.name in sheet.markdown()


@pytest.mark.parametrize("name", ["figure1", "figure3", "figure5", "figure6", "figure7", "figure8", "figure11"])
def test_every_kind_of_figure_renders_from_small_runs(name, small_groups, tmp_path):
    figure = render_figure(EXHIBITS[name], small_groups, [])
    assert figure.drawings
    assert all("small" in drawing.caption for drawing in figure.drawings)
    paths = figure.write(tmp_path, ("png",))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_a_figure_of_a_method_that_was_not_run_is_not_drawn(small_groups):
    figure = render_figure(EXHIBITS["figure18"], small_groups, [])
    assert not figure.drawings
    assert any("puzzlemix (all 5 seeds)" in text for text in figure.missing)


def test_every_figure_has_a_plan_a_function_and_known_notes():
    assert set(FIGURES) == {name for name in EXHIBITS if name.startswith("figure")}
    assert set(NOTES) <= set(EXHIBITS)


def test_claims_of_a_folder(exact_groups):
    ((heading, found),) = group_claims(exact_groups).items()
    assert heading.startswith("wrn28-2 on cifar100, 300 epochs")
    assert {c.about for c in found if c.claim == "changes recall unevenly"} >= {"mixup", "cutmix", "puzzlemix r=0.2"}
    assert next(c for c in found if c.about == "mixup").verdict == "yes"


def test_no_runs_is_one_clear_line(tmp_path):
    with pytest.raises(AuditError, match="expected finished runs, got none"):
        find_groups([tmp_path])
    (tmp_path / "file").touch()
    with pytest.raises(AuditError, match="file: expected the folder of a grid, got a file"):
        find_groups([tmp_path / "file"])
    with pytest.raises(AuditError, match="got nothing there"):
        find_groups([tmp_path / "none"])


def test_label_information_is_drawn_from_what_label_info_wrote(small_groups, tmp_path):
    from dropmix.studies.label_files import write_label_information
    from dropmix.studies.label_information import LabelInformation

    nothing = render_figure(EXHIBITS["figure4"], small_groups, [tmp_path])
    assert (nothing.drawings, len(nothing.missing)) == ([], 1)
    assert "dropmix label-info" in nothing.missing[0]
    found = LabelInformation(
        np.array([0.0, 0.5, 1.0]),
        np.array([0, 0, 1]),
        np.array([1, 1, 0]),
        np.array([[0.9, 0.5, 0.0], [0.7, 0.3, 0.0], [0.8, 0.6, 0.1]]),
        ["a", "b"],
    )
    write_label_information(found, np.array([0.1, -0.1]), tmp_path / "label-information")
    (drawing,) = render_figure(EXHIBITS["figure4"], small_groups, [tmp_path]).drawings
    axes = drawing.figure.axes[0]
    lines = {tuple(np.round(line.get_ydata(), 6)) for line in axes.get_lines()}
    assert lines == {(0.8, 0.4, 0.0), (0.8, 0.6, 0.1)}  # the means over pairs, each once thin and once as its group's
    (tmp_path / "label-information" / "classes.csv").write_text("class\na\n")
    with pytest.raises(ValueError, match="Run it again"):
        render_figure(EXHIBITS["figure4"], small_groups, [tmp_path])
