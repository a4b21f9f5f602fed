"""Bad input at the command line: one line on standard error, exit status 2, nothing lost or half-written."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dropmix.cli import main


def assert_refused(answer: tuple[int, str, str], *words: str) -> None:
    status, _, err = answer
    assert status == 2
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("dropmix: ")
    assert all(word in lines[0] for word in words), lines[0]


def folder_of_images(root: Path, classes=("cat", "dog"), splits=("train", "test"), count: int = 3) -> Path:
    rng = np.random.default_rng(0)
    for split in splits:
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(root / split / name / f"{i}.png")
    return root


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], ["expected a recipe", "digits"]),
        (["run", "digitz"], ["recipe", "Did you mean 'digits'"]),
        (["run", "digits", "--methods", "cutmx"], ["method", "Did you mean 'cutmix'"]),
        (["run", "digits", "--set", "network=resnet19"], ["network", "Did you mean 'resnet18'"]),
        (["run", "digits", "--set", "data.name=digit"], ["digits"]),
        (["run", "digits", "--rates", "0,1.5"], ["[0, 1]", "1.5"]),
        (["run", "digits", "--rates", "-0.1"], ["[0, 1]", "-0.1"]),
        (["run", "digits", "--methods", "mixup(alpha=0)"], ["alpha", "> 0"]),
        (["run", "digits", "--methods", "mixup(alpha=-2)"], ["alpha", "-2"]),
        (["run", "digits", "--set", "train.epoch=3"], ["train.epoch", "no such setting"]),
        (["run", "digits", "--set", "train.lr=quick"], ["train.lr", "quick"]),
        (["run", "digits", "--seeds", "0"], ["seeds"]),
        (["run", "digits", "--seeds", "many"], ["--seeds", "integer"]),
        (["run", "digits", "--time-limit", "soon"], ["duration", "soon"]),
        (["run", "digits", "--preset", "papr"], ["preset", "papr"]),
        (["run", "digits", "--config", "none.yaml"], ["none.yaml"]),
        (["run", "cifar100-wrn28-2", "--data", "nowhere"], ["nowhere"]),
        (["run", "folder", "--data", "nowhere"], ["nowhere"]),
        (["run", "digits", "--train-per-class", "100000"], ["100000"]),
        (["run", "digits", "--unit", "class"], ["unit"]),
        (["status", "nowhere"], ["nowhere", "got nothing"]),
        (["report", "nowhere"], ["nowhere"]),
        (["audit", "nowhere"], ["nowhere"]),
        (["audit", "nowhere.parquet", "other.parquet"], ["nowhere.parquet"]),
        (["floor", "--classes", "0"], ["classes"]),
        (["floor", "--accuracy", "120"], ["accuracy"]),
        (["show", "cutmx"], ["Did you mean 'cutmix'"]),
        (["show", "cutmix", "none.png", "nothing.png"], ["none.png"]),
        (["show", "cutmix(beta=1)"], ["beta"]),
        (["frobnicate"], ["frobnicate"]),
        (["run", "digits", "--frobnicate"], ["--frobnicate"]),
    ],
)
def test_refused_with_one_line_and_nothing_written(dropmix, tmp_path, arguments, words):
    assert_refused(dropmix(*arguments), *words)
    assert not list(tmp_path.iterdir())


def test_no_gpu_where_one_was_asked_for(dropmix, monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert_refused(dropmix("run", "digits", "--device", "cuda"), "expected a CUDA GPU", "--device cpu")
    assert not list(tmp_path.iterdir())


def test_image_folder_with_an_empty_class(dropmix, tmp_path):
    data = folder_of_images(tmp_path / "data")
    (data / "train" / "bird").mkdir()
    assert_refused(dropmix("run", "folder", "--data", data), "bird")
    assert not (tmp_path / "runs").exists()


def test_image_folder_with_a_corrupt_picture(dropmix, tmp_path):
    data = folder_of_images(tmp_path / "data")
    (data / "train" / "dog" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert_refused(dropmix("run", "folder", "--data", data), "1.png")


def test_image_folder_whose_classes_differ(dropmix, tmp_path):
    data = folder_of_images(tmp_path / "data")
    (data / "test" / "dog").rename(data / "test" / "wolf")
    assert_refused(dropmix("run", "folder", "--data", data), "wolf")


def test_truncated_parquet(dropmix, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    table = pa.table({"image": [{"bytes": b"x", "path": "a"}] * 100, "label": [0, 1] * 50})
    for split in ("train", "test"):
        pq.write_table(table, data / f"{split}.parquet")
    whole = (data / "train.parquet").read_bytes()
    (data / "train.parquet").write_bytes(whole[: len(whole) // 2])
    assert_refused(dropmix("run", "parquet", "--data", data), "train.parquet")


def test_the_folder_of_another_grid(dropmix, tmp_path):
    from dropmix.grid.store import create_run
    from dropmix.recipes import get_recipe

    folder = create_run(tmp_path / "runs", get_recipe("digits").base)
    before = (folder / "spec.json").read_bytes()
    assert_refused(dropmix("run", "digits", "--epochs", "99", "--out", "runs"), "train.epochs", "another --out")
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [folder.name]
    assert (folder / "spec.json").read_bytes() == before


def test_out_that_is_a_file(dropmix, tmp_path):
    (tmp_path / "runs").write_text("mine")
    assert_refused(dropmix("run", "digits", "--out", "runs"), "runs")
    assert (tmp_path / "runs").read_text() == "mine"


def predictions(path: Path, arm: str, seed: int = 0, labels=(0, 0, 1, 1), ids=(0, 1, 2, 3)) -> Path:
    table = {"arm": [arm] * 4, "seed": [seed] * 4, "example_id": ids, "label": labels, "pred": (0, 1, 1, 0)}
    pq.write_table(pa.table(table), path)
    return path


def test_prediction_files_whose_labels_disagree(dropmix, tmp_path):
    base = predictions(tmp_path / "base.parquet", "vanilla")
    other = predictions(tmp_path / "mixup.parquet", "mixup", labels=(0, 1, 1, 1))
    assert_refused(dropmix("audit", base, other, "--out", "out"), "label")
    assert not (tmp_path / "out").exists()


def test_truncated_predictions(dropmix, tmp_path):
    base = predictions(tmp_path / "base.parquet", "vanilla")
    other = predictions(tmp_path / "mixup.parquet", "mixup")
    other.write_bytes(other.read_bytes()[:-20])
    assert_refused(dropmix("audit", base, other), "mixup.parquet")


def test_a_report_of_unfinished_runs(dropmix, tmp_path):
    from dropmix.grid.store import create_run
    from dropmix.recipes import get_recipe

    create_run(tmp_path / "runs", get_recipe("digits").base)
    assert_refused(dropmix("report", "runs"), "finished runs")
    assert not (tmp_path / "runs" / "report").exists()


def test_a_full_disk_is_one_line_and_the_run_can_go_on(dropmix, tmp_path, monkeypatch):
    short = ["run", "digits", "--train-per-class", "3", "--epochs", "1", "--seeds", "1", "--methods", "vanilla"]
    (tmp_path / "runs").mkdir()
    site = tmp_path / "sitecustomize.py"
    site.write_text("import os\ndef full(*_):\n    raise OSError(28, 'No space left on device')\nos.fsync = full\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    status, _, err = dropmix(*short, "--out", "runs")
    assert status == 1
    assert "failed: vanilla-s0-" in err
    assert "expected free disk space, got none" in err
    assert "Traceback" not in err
    assert not list((tmp_path / "runs").glob("*/*.tmp"))
    site.unlink()
    status, out, _ = dropmix(*short, "--out", "runs")
    assert (status, "1 of 1 runs done" in out) == (0, True)


def test_version_and_help(dropmix):
    status, out, _ = dropmix("--version")
    assert (status, out.split()[0]) == (0, "dropmix")
    status, out, _ = dropmix("--help")
    assert status == 0
    assert all(command in out for command in ("demo", "run", "status", "audit", "report", "--install-completion"))


def test_audit_prints_json_that_a_program_can_read(dropmix, tmp_path):
    base = predictions(tmp_path / "base.parquet", "vanilla")
    other = predictions(tmp_path / "mixup.parquet", "mixup")
    status, out, _ = dropmix("audit", base, other, "--json")
    assert status == 0
    found = json.loads(out)["comparisons"][0]
    assert (found["arm"], found["summary"]["n_degraded"], found["summary"]["n_tied"]) == ("mixup", 0, 2)


def test_fp16_on_a_cpu_is_refused_before_anything_is_trained(dropmix, tmp_path):
    asked = ["run", "digits", "--device", "cpu", "--out", tmp_path, "--set", "train.precision=fp16"]
    for more in ([], ["--dry-run"]):
        status, out, err = dropmix(*asked, *more)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "expected bf16 or fp32 on a CPU, got fp16" in err
    assert not [*tmp_path.iterdir()]


def test_bf16_where_the_hardware_lacks_it_is_warned_of_in_one_line(dropmix, monkeypatch):
    monkeypatch.setattr("dropmix.train.device.is_slow_in_bf16", lambda device: True)
    asked = ["run", "digits", "--epochs", "1", "--dry-run", "--methods", "vanilla"]
    assert dropmix(*asked)[2] == ""
    status, _, err = dropmix(*asked, "--set", "train.precision=bf16")
    assert status == 0
    assert err.count("\n") == 1
    assert "bf16" in err
    assert "train.precision=fp32" in err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "--config", "grid.yaml"], "dropmix: grid.yaml: expected a file, got nothing there. Check the path.\n"),
        (
            ["audit", "a.csv", "b.csv", "--level", "300"],
            "dropmix: --level: expected percent between 1 and 100, got 300.",
        ),
    ],
)
def test_errors_speak_the_units_and_paths_of_the_command_line(arguments, line, monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["dropmix", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(line)
