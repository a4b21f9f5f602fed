"""Rates per class from a grid on a validation split: written, trained beside their controls, and compared."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, default_collate

from dropmix import DropMix
from dropmix.cli.studies.tailor import sentence
from dropmix.studies.tailor import Difference

TRAIN = ["--train-per-class", "20", "--epochs", "1", "--methods", "mixup", "--rates", "0", "--seeds", "3"]
ARMS = ["plain", "uniform", "tailored", "shuffled-1", "shuffled-2", "shuffled-3", "inverted"]


@pytest.fixture(scope="module")
def grids(tmp_path_factory):
    return tmp_path_factory.mktemp("tailor")


@pytest.fixture
def held(dropmix, grids):
    out = grids / "held"
    if not out.exists():
        assert dropmix("run", "digits", *TRAIN, "--validation", "0.4", "--out", out)[0] == 0
    return out


def test_rates_are_written_for_a_grid_and_for_a_loop(dropmix, held, grids):
    status, text, errors = dropmix("tailor", held, "--arm", "mixup", "--mean", "0.4", "--out", grids / "written")
    assert status == 0, errors
    arms = json.loads((grids / "written" / "arms.json").read_text())["arms"]
    assert list(arms) == ARMS
    assert arms["uniform"]["rate"] == pytest.approx(0.4, abs=1e-6)
    assert "2 more classes" in text
    assert "40, seeds 3 to 7" in text
    rates = list(arms["tailored"]["rates"].values())
    assert list(arms["tailored"]["rates"]) == [*"0123456789"]
    augment = DropMix("mixup", rate=rates, unit=arms["tailored"]["unit"], num_classes=10, seed=0)
    y = torch.arange(10).repeat(40)
    mixed, _ = augment(torch.rand(400, 1, 4, 4), y)
    assert mixed.shape == (400, 1, 4, 4)
    status, _, errors = dropmix("tailor", held, "--arm", "cutmix")
    assert (status, "--arm: expected one of mixup" in errors) == (2, True)
    status, _, errors = dropmix("tailor", held, "--arm", "mixup", "--mean", "1.4")
    assert (status, "floor <= mean rate" in errors) == (2, True)


def test_a_written_arm_holds_in_a_loop_of_ones_own(dropmix, held, grids, tmp_path):
    assert dropmix("tailor", held, "--arm", "mixup", "--mean", "0.4", "--out", tmp_path)[0] == 0
    page = (Path(__file__).parents[3] / "docs" / "choosing-a-rate.md").read_text()
    code = page.partition("# of your data set")[2].partition("```")[0].partition("\n")[2]
    arms = json.loads((tmp_path / "arms.json").read_text())
    arms["arms"]["tailored"]["withhold"] = ["8"]
    del arms["arms"]["tailored"]["rates"]["3"]  # as of a class that the split lacks
    (tmp_path / "arms.json").write_text(json.dumps(arms))
    around = {"json": json, "DropMix": DropMix, "classes": [*"0123456789"], "Path": lambda name: tmp_path / name}
    exec(code, around)
    augment, arm = around["augment"], arms["arms"]["tailored"]
    rates = [arm["rates"].get(c, arm["rate"]) for c in "0123456789"]

    pixels, targets = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    rows = TensorDataset(images, torch.tensor(targets))
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    optimizer, losses = torch.optim.SGD(net.parameters(), lr=0.5), []
    kept, seen = torch.zeros(10), torch.zeros(10)
    loader = DataLoader(
        rows,
        128,
        shuffle=True,
        drop_last=True,
        collate_fn=lambda b: (*augment(*default_collate(b)), default_collate(b)),
    )
    for _ in range(12):
        for x, soft, (plain, y) in loader:
            same = (x == plain).flatten(1).all(dim=1)
            alone = soft.gather(1, y[:, None])[:, 0] == 1
            seen += torch.bincount(y, minlength=10)
            kept += torch.bincount(y[same & alone], minlength=10)
            assert not soft[y != 8, 8].any()  # no partner is an eight
            loss = torch.nn.functional.cross_entropy(net(x), soft)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    # A sample that draws an eight, or itself, is not mixed either.
    share, lost = kept / seen, 1 / 10
    for c, rate in enumerate(rates):
        error = 4 * (0.25 / seen[c].item()) ** 0.5
        assert rate - error < share[c] < rate + (1 - rate) * 2 * lost + error, (c, rate, share[c])


def test_never_from_test_images_unasked(dropmix, tmp_path):
    assert dropmix("run", "digits", *TRAIN, "--out", tmp_path / "g")[0] == 0
    status, _, errors = dropmix("tailor", tmp_path / "g", "--arm", "mixup", "--out", tmp_path / "t")
    assert (status, "validation" in errors) == (2, True)
    assert not (tmp_path / "t").exists()


def test_a_grid_without_vanilla_is_told_what_to_do_by_every_command(dropmix, held, tmp_path):
    shutil.copytree(held, tmp_path / "g", ignore=shutil.ignore_patterns("vanilla*"))
    for words in (("tailor", "--arm", "mixup"), ("report",), ("audit",)):
        status, _, errors = dropmix(words[0], "g", *words[1:])
        assert (status, errors.count("\n")) == (2, 1)
        assert "finished runs of the arm 'vanilla', got only mixup" in errors
        assert "dropmix run command, or compare with another arm by dropmix audit --baseline." in errors


def test_other_arms_take_the_place_of_those_of_which_no_run_began(dropmix, held, tmp_path):
    call = ("tailor", held, "--arm", "mixup", "--seeds", "2", "--out", tmp_path, "--run", "--time-limit", "1s")
    for mean in ("0.4", "0.3"):
        status, text, errors = dropmix(*call, "--mean", mean)
        assert (status, "0 runs done, 16 left" in text) == (75, True), errors
        shown = dropmix("status", tmp_path)[1]
        assert f"-r{mean}-" in shown
        assert "16 runs: 16 left" in shown


def test_one_command_trains_the_arm_and_its_controls_and_answers(dropmix, held, grids):
    out = grids / "final"
    call = ("tailor", held, "--arm", "mixup", "--seeds", "2", "--out", out, "--run", "--workers", "1")
    status, text, errors = dropmix(*call)
    assert status == 0, errors
    assert "16 of 16 runs done" in text
    for control in ("vanilla", "plain", "uniform", "inverted", "shuffled (mean of 3)"):
        assert f"\n{control} " in text
    assert "95 % t intervals over 2 seeds. " in text
    said = json.loads((out / "report" / "tailored.json").read_text())
    arms = json.loads((out / "arms.json").read_text())["arms"]
    one = {d["against"]: d for d in said["differences"]}["uniform"]
    recalls = {}
    for run in out.glob("mixup-*/"):
        spec = json.loads((run / "spec.json").read_text())
        assert spec["data"]["validation"] == 0
        assert spec["seed"] in (3, 4)
        key = next((w[6:] for w in spec["arm"]["name"].split() if w.startswith("rates=")), None)
        assert spec["arm"].get("rates") == (arms[key]["rates"] if key else None)
        key = key or ("uniform" if spec["arm"]["rate"] else "plain")
        table = pq.read_table(run / "predictions.parquet").to_pydict()
        hits = [sum(p == y == int(c) for p, y in zip(table["pred"], table["label"])) for c in said["spared"]]
        sizes = [table["label"].count(int(c)) for c in said["spared"]]
        recalls.setdefault(key, []).append(sum(h / n for h, n in zip(hits, sizes)) / len(sizes))
    assert one["spared"] == pytest.approx(sum(recalls["tailored"]) / 2 - sum(recalls["uniform"]) / 2)
    # Again, it only answers; with other rates it refuses the folder.
    status, again, _ = dropmix(*call)
    assert (status, again.rpartition("Spared")[2]) == (0, text.rpartition("Spared")[2])
    status, _, errors = dropmix(*call, "--mean", "0.3")
    assert (status, "expected the arms that were trained there" in errors) == (2, True)


def test_a_grid_takes_arms_from_a_file(dropmix, grids, held, tmp_path):
    dropmix("tailor", held, "--arm", "mixup", "--out", grids / "written")
    short = ("--train-per-class", "20", "--epochs", "1", "--seeds", "1")
    file = tmp_path / "arms.yaml"
    file.write_text("arms:\n  careful: {method: cutmix, unit: sample, rates: {3: 1, 5: 0.5}, withhold: [8]}\n")
    status, text, errors = dropmix("run", "digits", *short, "--arms", file, "--out", tmp_path / "g")
    assert status == 0, errors
    names = sorted(json.loads(p.read_text())["arm"]["name"] for p in (tmp_path / "g").glob("*/spec.json"))
    assert names == ["cutmix r=0.15 unit=sample rates=careful withhold=careful", "vanilla"]
    assert dropmix("run", "digits", *short, "--arms", file, "--out", tmp_path / "g")[1].count("of 2 runs done") == 1
    status, text, errors = dropmix("run", "digits", *short, "--arms", grids / "written" / "arms.json", "--dry-run")
    assert status == 0, errors
    assert "8 runs, 8 to do" in text
    config = tmp_path / "c.yaml"
    config.write_text("recipe: digits\nmethods: mixup\nrates: [0, 0.2]\n" + file.read_text())
    status, text, errors = dropmix("run", "--config", config, *short, "--dry-run")
    assert status == 0, errors
    assert "4 runs, 4 to do" in text


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("arms: {a: {method: mixup, unit: sample, rates: {fox: 0.5}}}", [], "got 'fox'"),
        ("arms: {a: {method: mixup, rates: {3: 0.5}}}", [], "arms: a: DropMix: expected unit"),
        ("arms: {a: {method: mixup}}", ["--rates", "0.4"], "--rates: expected --methods beside it"),
        ("arms: {a b: {method: mixup, withhold: [3]}, a-b: {method: mixup, withhold: [4]}}", [], "two arms"),
        ("rates: {a: 0.5}", [], "expected arms by name under 'arms'"),
        ("arms: {a: 0.5}", [], "expected arms by name under 'arms'"),
        ("arms: {a: {method: wordmixup}}", [], "expected one for images"),
    ],
)
def test_files_that_do_not_fit_are_one_line(dropmix, tmp_path, text, more, message):
    (tmp_path / "arms.yaml").write_text(text)
    status, _, errors = dropmix("run", "digits", "--arms", tmp_path / "arms.yaml", *more, "--out", tmp_path / "g")
    assert (status, message in errors, errors.count("\n")) == (2, True, 1), errors
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    ("uniform", "shuffled", "said"),
    [
        ((0.01, 0.03), (0.01, 0.03), "Rates per class helped the spared classes: more than one rate"),
        ((-0.03, -0.01), (0.01, 0.03), "Rates per class did not help the spared classes"),
        (
            (-0.01, 0.01),
            (0.01, 0.03),
            "more than with shuffled rates, but it is not shown that they gain more than with one",
        ),
        (
            (0.01, 0.03),
            (-0.01, 0.01),
            "It is not shown that the choice of classes helps the spared ones: take one rate",
        ),
    ],
)
def test_the_answer_follows_the_intervals(uniform, shuffled, said):
    made = [
        Difference(name, *(sum(ends) / 2, *ends) * 4, seeds=4)
        for name, ends in (("uniform", uniform), ("shuffled", shuffled))
    ]
    assert said in sentence(made)
