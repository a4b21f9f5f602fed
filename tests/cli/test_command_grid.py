"""A grid of anyone's program through `dropmix run --config`: trained, killed, resumed, audited."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
DROPMIX = [sys.executable, "-c", "from dropmix.cli import main; main()"]


def configured(place: Path, example: str = "sklearn_grid", **changes: object) -> Path:
    """An example's configuration in a folder of its own, with this interpreter for `python`."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "train.py").write_text((EXAMPLES / example / "train.py").read_text())
    content = yaml.safe_load((EXAMPLES / example / "grid.yaml").read_text()) | changes
    content["command"] = content["command"].replace("python ", f"{sys.executable} ", 1)
    (place / "grid.yaml").write_text(yaml.safe_dump(content))
    return place / "grid.yaml"


def written(place: Path, program: str, **changes: object) -> Path:
    """A configuration whose program is a few lines of Python that see `folder`, `seed` and `rate`."""
    place.mkdir(parents=True, exist_ok=True)
    head = "import sys, time, pathlib\nfolder, seed, rate = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]\n"
    (place / "p.py").write_text(head + program)
    content = {
        "recipe": "command",
        "command": f"{sys.executable} p.py {{folder}} {{seed}} {{rate}}",
        "arms": {"vanilla": {"rate": 0}, "mixed": {"rate": 1}},
        "seeds": 1,
        "predictions": "out.csv",
    }
    (place / "grid.yaml").write_text(yaml.safe_dump(content | changes))
    return place / "grid.yaml"


@pytest.mark.slow
def test_timm_is_trained_and_audited(dropmix, tmp_path):
    pytest.importorskip("timm")
    config = configured(tmp_path / "program", "timm_grid", seeds=2)
    assert "6 of 6 runs done" in dropmix("run", "--config", config, "--out", tmp_path / "runs")[1]
    status, text, _ = dropmix("audit", tmp_path / "runs", "--out", tmp_path / "audit")
    assert (status, "Mixup" in text) == (0, True)


@pytest.mark.slow
def test_scikit_learn_is_trained_killed_resumed_and_audited(dropmix, tmp_path):
    config, cut, alone = configured(tmp_path / "program"), tmp_path / "cut", tmp_path / "alone"
    command = [*DROPMIX, "run", "--config", str(config), "--out", str(cut)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(cut.glob("mixup-s0*/place.pkl")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.05)
    process.kill()
    process.wait()
    while "running" in dropmix("status", cut)[1]:  # the program itself lives on and keeps the lock until it ends
        time.sleep(0.2)
    assert "9 of 9 runs done" in dropmix("run", "--config", config, "--out", cut, "--workers", 2)[1]
    assert "9 of 9 runs done" in dropmix("run", "--config", config, "--out", alone, "--workers", 2)[1]
    for run in alone.iterdir():
        assert (cut / run.name / "predictions.csv").read_text() == (run / "predictions.csv").read_text()
    status, _, _ = dropmix("audit", cut, "--out", tmp_path / "audit")
    assert status == 0
    audit = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert [c["arm"] for c in audit["comparisons"]] == ["mixup", "mixup r=0.4"]
    assert all(c["summary"]["accuracy_baseline"] > 0.9 for c in audit["comparisons"])
    assert all(c["summary"]["seeds_treated"] == 3 for c in audit["comparisons"])


def test_a_failure_shows_the_last_lines_and_does_not_stop_the_others(dropmix, tmp_path):
    program = "assert rate == '0', 'no such rate'\n(folder / 'out.csv').write_text('label,pred\\n0,0\\n1,1\\n')\n"
    config = written(tmp_path / "p", program)
    status, out, err = dropmix("run", "--config", config, "--out", tmp_path / "o")
    assert status == 1
    assert "1 of 2 runs done" in out
    assert "ended with status 1" in err
    assert "AssertionError: no such rate" in err
    assert "failed" in dropmix("status", tmp_path / "o")[1]


def test_a_grid_is_audited_whatever_tables_stand_beside_its_runs(dropmix, tmp_path):
    program = "(folder / 'out.csv').write_text('label,pred\\n' + '0,0\\n1,1\\n' * 20)\n"
    runs = tmp_path / "o"
    assert dropmix("run", "--config", written(tmp_path / "p", program), "--out", runs)[0] == 0
    (runs / "look-alikes.csv").write_text("name,group,looks_like\na.png,1,b.png\n")  # as `run` writes it
    status, text, err = dropmix("audit", runs, "--out", tmp_path / "audit")
    assert (status, (tmp_path / "audit" / "audit.json").is_file()) == (0, True), text + err


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("pass", "expected a file, got nothing there"),
        ("(folder / 'out.csv').write_text('a,b\\n1,2\\n')", "got 'a', 'b'. Let the program write the true classes"),
        ("(folder / 'out.csv').write_text('pred\\n1\\n2\\n')", "Let the program write the true classes"),
        ("(folder / 'out.csv').write_text('')", "got an empty file"),
        ("(folder / 'out.csv').write_text('seed,label,pred\\n7,0,0\\n')", "expected seed 0, got 7"),
        ("(folder / 'out.csv').write_text('arm,label,pred\\nother,0,0\\n')", "got 'other'"),
    ],
)
def test_predictions_that_cannot_be_this_run_are_a_failure(dropmix, tmp_path, program, words):
    status, _, err = dropmix("run", "--config", written(tmp_path / "p", program), "--out", tmp_path / "o")
    assert status == 1
    assert words in err
    assert "--" not in err  # options of audit, which run does not take


OTHERS = {
    "fewer rows": ("label,pred", "rows = rows[:-1] if seed else rows", "equally many examples"),
    "another order": ("label,pred", "rows = rows[::-1] if rate == '1' else rows", "identical labels"),
    "other ids": ("example_id,label,pred", "rows = rows[1:] if seed else rows", "got 1 missing, example_id 0"),
    "other labels": ("example_id,label,pred", "rows = [(9, 1, 1), *rows[:9], *rows[10:]] if seed else rows", "one lab"),
}


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("kind", OTHERS)
def test_a_run_of_other_examples_than_the_others_is_a_failure(dropmix, tmp_path, kind, workers):
    head, change, words = OTHERS[kind]
    program = (
        f"rows = [(i, i * i * i // 7 % 3, i * i * i // 7 % 3) for i in range(40)]\n{change}\n"
        f"rows = [row[-{head.count(',') + 1}:] for row in rows]\n"
        f"(folder / 'out.csv').write_text('{head}\\n' + ''.join(','.join(map(str, row)) + '\\n' for row in rows))\n"
    )
    config, out = written(tmp_path / "p", program, seeds=2), tmp_path / "o"
    status, _, err = dropmix("run", "--config", config, "--out", out, "--workers", workers)
    assert status == 1
    assert words in err
    assert "Let every run predict the same test examples" in err
    assert len([*out.glob("*/done")]) == 2
    (tmp_path / "p" / "p.py").write_text((tmp_path / "p" / "p.py").read_text().replace(change, "pass"))
    for done in out.glob("*/done"):
        done.parent.joinpath("done").unlink()  # as the message says
    status, shown, err = dropmix("run", "--config", config, "--out", out)
    assert (status, "4 of 4 runs done" in shown) == (0, True), err


def test_exit_status_75_means_call_me_again(dropmix, tmp_path):
    program = (
        "mark = folder / 'mark'\nif not mark.exists():\n    mark.touch(); sys.exit(75)\n"
        "(folder / 'out.csv').write_text('label,pred\\n0,0\\n1,1\\n')\n"
    )
    config = written(tmp_path / "p", program)
    status, out, _ = dropmix("run", "--config", config, "--out", tmp_path / "o")
    assert (status, "2 left" in out) == (75, True)
    status, out, _ = dropmix("run", "--config", config, "--out", tmp_path / "o")
    assert (status, "2 of 2 runs done" in out) == (0, True)


def test_a_time_limit_asks_the_program_to_leave(tmp_path):
    program = (
        "import signal\n"
        "def leave(*_):\n    (folder / 'asked').touch(); sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, leave)\n(folder / 'ready').touch()\ntime.sleep(60)\n"
    )
    config = written(tmp_path / "p", program)
    for seconds in ("3", "12", "40"):  # on a busy machine the first may be over before the program has started
        out = tmp_path / seconds
        command = [*DROPMIX, "run", "--config", str(config), "--out", str(out), "--time-limit", f"{seconds}s"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 75
        if list(out.glob("*/ready")):
            break
    assert len(list(out.glob("*/ready"))) == len(list(out.glob("*/asked"))) == 1


def test_sigterm_reaches_the_program_and_one_worker_sees_one_gpu(tmp_path):
    program = "import os\n(folder / 'ready').write_text(os.environ['CUDA_VISIBLE_DEVICES'])\ntime.sleep(60)\n"
    config = written(tmp_path / "p", program)
    command = [*DROPMIX, "run", "--config", str(config), "--out", str(tmp_path / "o"), "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not (ready := list((tmp_path / "o").glob("*/ready"))):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=20) == 75
    assert [path.read_text() for path in ready] == [""]


def test_what_only_the_program_knows_is_refused(dropmix, tmp_path):
    config = written(tmp_path / "p", "pass")
    for extra in (["--epochs", 3], ["--set", "train.lr=1"], ["--methods", "mixup"]):
        status, _, err = dropmix("run", "--config", config, "--out", tmp_path / "o", *extra)
        assert status == 2
        assert "expected this setting in the command itself" in err
    assert dropmix("run", "command", "--out", tmp_path / "o")[0] == 2
    status, out, _ = dropmix("run", "--config", config, "--out", tmp_path / "o", "--seeds", 2, "--dry-run")
    assert (status, "4 runs, 4 to do" in out) == (0, True)
    assert not (tmp_path / "o").exists()


def test_ray_is_refused_before_anything_is_called(dropmix, tmp_path):
    config = written(tmp_path / "program", "pathlib.Path(sys.argv[0] + '.called').touch()\n")
    status, out, err = dropmix("run", "--config", config, "--out", tmp_path / "runs", "--executor", "ray")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "expected local for the recipe command" in err
    assert sorted(path.name for path in (tmp_path / "program").iterdir()) == ["grid.yaml", "p.py"]
