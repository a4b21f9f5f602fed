"""Slices against counts by hand, from every kind of source, and where nothing changed."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.audit import AuditError, audit_grid, audit_predictions, rule_holds


@pytest.fixture
def world(rng):
    """Four classes at three cameras; the treated arm loses class 2 at camera b."""
    labels, by = rng.integers(0, 4, 1200), rng.choice(["a", "b", "c"], 1200, p=[0.2, 0.4, 0.4])
    base, new = (np.where(rng.random((3, 1200)) < 0.85, labels, (labels + 1) % 4) for _ in range(2))
    hit = (labels == 2) & (by == "b")
    new[:, hit] = np.where(rng.random((3, hit.sum())) < 0.5, 3, new[:, hit])
    return labels, by, base, new


def of(world):
    labels, by, base, new = world
    arms = [{"labels": labels, "pred": pred, "camera": by} for pred in (base, new)]
    return audit_predictions(*arms, by="camera", refits=0)


def test_accuracies_of_slices_and_recalls_within_them(world):
    labels, by, base, new = world
    found = of(world).only
    assert found.slices["slice"] == ["a", "b", "c"]
    for i, name in enumerate("abc"):
        at = by == name
        assert found.slices["n"][i] == at.sum()
        assert found.slices["recall_baseline"][i] == pytest.approx((base == labels)[:, at].mean())
        assert found.slices["recall_treated"][i] == pytest.approx((new == labels)[:, at].mean())
    cells = found.slice_classes
    for name, label, change in zip(cells["slice"], cells["class"], cells["recall_change"]):
        at = (by == name) & (labels == int(label))
        assert change == pytest.approx((new == labels)[:, at].mean() - (base == labels)[:, at].mean())


def test_the_lost_class_is_found_where_it_is_lost(world):
    found = of(world)
    cells = found.only.slice_classes
    hurt = [(s, c) for s, c, word in zip(cells["slice"], cells["class"], cells["decision"]) if word == "hurt"]
    assert hurt == [("b", "2")]
    assert found.only.slices["n_hurt"].tolist() == [0, 1, 0]
    assert found.only.slices["n_hurt_low"].tolist() == [0, 1, 0]
    assert found.summary["decision"] == "do not ship"
    assert "b: 2 (" in found.verdict()
    assert rule_holds(found, "slice[b].n_hurt > 0 and n_slice_classes_hurt == 1")


def test_a_slice_that_is_hurt_is_not_shipped_though_every_class_is_safe(rng):
    """Camera b loses what the others gain, equally in every class."""
    labels, by = np.tile(np.arange(2), 2000), np.repeat(["a", "b"], [3400, 600])
    base = np.where(rng.random((4, 4000)) < 0.8, labels, 1 - labels)
    share = np.where(by == "b", 0.6, 0.88)
    new = np.where(rng.random((4, 4000)) < share, labels, 1 - labels)
    arms = [{"labels": labels, "pred": p} for p in (base, new)]
    plain, sliced = audit_predictions(*arms, refits=0), audit_predictions(*arms, by=by, refits=0)
    assert plain.summary["decision"] == "ship"
    assert sliced.summary["decision"] == "do not ship"
    assert sliced.verdict().startswith("Do not ship: 1 slice lost more than is tolerated: b")


def test_too_few_examples_are_said(rng):
    labels, by = np.repeat([0, 1], 300), np.where(np.arange(600) % 100 == 0, "rare", "usual")
    arms = [{"labels": labels, "pred": np.where(rng.random((3, 600)) < 0.8, labels, 1 - labels)} for _ in range(2)]
    found = audit_predictions(*arms, by=by, refits=0).only
    assert found.slices["decision"][0] == "too few examples"
    assert found.slices["n_too_few"].tolist() == [2, 0]


def test_neither_classes_nor_slices_may_have_enough_examples():
    labels, by = np.array([0, 1] * 6), ["a", "b", "c"] * 4
    base, new = (np.where(np.arange(12) % k == 0, 1 - labels, labels)[None] for k in (6, 5))
    verdict = audit_predictions((labels, base), (labels, new), by=by, refits=0).verdict()
    assert verdict.startswith("Undecided: every class has too few examples to be judged. 0 of 3 slices are shown")


def test_a_protected_slice_decides(world):
    labels, by, base, _ = world
    arms = [{"labels": labels, "pred": base, "camera": by}] * 2
    arms[1] = arms[1] | {"pred": np.roll(base, 1, axis=0)}
    found = audit_predictions(*arms, by="camera", protect=["a"], tolerance={"a": 0.2}, refits=0).only
    assert found.slices["protected"] == ["yes", "no", "no"]
    assert found.slices["tolerance"].tolist() == [0.2, 0.01, 0.01]
    assert found.slices["decision"][0] == "safe"
    # As with a protected class, what is not named must only not be hurt.
    assert set(found.classes["decision"]) != {"safe"}
    assert found.summary["decision"] == "ship"
    assert found.verdict().startswith("Ship: a lost no more than 20 points, and no class is shown to lose more.")


def test_new_images_of_a_protected_slice_decide_apart(world):
    labels, by, base, new = world
    arms = [{"labels": labels, "pred": pred, "camera": by} for pred in (base, new)]
    found = audit_predictions(*arms, by="camera", protect=["a"], tolerance={"a": 0.2}, refits=0).only
    words = {key: found.summary[key] for key in ("decision", "decision_population")}
    hurt = {key: "hurt" in [*found.slices[key], *found.slice_classes[key], *found.classes[key]] for key in words}
    assert words["decision"] == "do not ship"
    assert {key: word == "do not ship" for key, word in words.items()} == hurt


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz", "beside"])
def test_columns_of_files(world, tmp_path, kind):
    labels, by, base, new = world
    ids = np.arange(len(labels)) * 3
    paths = []
    for arm, pred in (("base", base), ("new", new)):
        path = tmp_path / f"{arm}.{'csv' if kind == 'beside' else kind}"
        long = {"seed": np.repeat([0, 1, 2], len(ids)), "id": np.tile(ids, 3), "label": np.tile(labels, 3)}
        long |= {"pred": pred.reshape(-1)} | ({} if kind == "beside" else {"camera": np.tile(by, 3)})
        if kind == "npz":
            np.savez(path, labels=labels, pred=pred, example_id=ids, camera=by)
        elif kind == "parquet":
            pq.write_table(pa.table(long), path)
        else:
            rows = zip(*long.values())
            path.write_text("\n".join([",".join(long), *(",".join(map(str, row)) for row in rows)]))
        paths.append(path)
    asked = "camera"
    if kind == "beside":  # another order, and examples that nobody predicted
        order = np.random.default_rng(0).permutation(len(ids))
        lines = [f"{ids[i]},{by[i]}" for i in order]
        (tmp_path / "about.csv").write_text("\n".join(["id,camera", *lines, "99999,z"]))
        asked = f"{tmp_path / 'about.csv'}:camera"
    found, known = audit_predictions(*paths, by=asked, refits=0).only, of(world).only
    assert found.slices["slice"] == known.slices["slice"]
    np.testing.assert_array_equal(found.slices["recall_change"], known.slices["recall_change"])
    assert found.slice_classes["decision"] == known.slice_classes["decision"]


def test_run_folders_with_the_column(tmp_path, rng, write_run, draw):
    labels = np.repeat(np.arange(4), 50)
    for arm, right in (("vanilla", 0.6), ("mixup", 0.7)):
        for seed in range(3):
            folder = tmp_path / f"{arm}-{seed}"
            write_run(folder, arm, seed, labels, draw(rng, labels, 1, right, 4)[0], classes=list("abcd"))
            table = pq.read_table(folder / "predictions.parquet")
            column = pa.array([f"site {i % 2}" for i in range(200)])
            pq.write_table(table.append_column("site", column), folder / "predictions.parquet")
    found = audit_grid(tmp_path, by="site", refits=0)
    assert found.only.slices["slice"] == ["site 0", "site 1"]
    assert len(found.only.slice_classes["slice"]) == 8
    with pytest.raises(AuditError, match="expected a column 'camera' for by"):
        audit_grid(tmp_path, by="camera", refits=0)


def test_missing_values_are_a_slice_and_disagreement_is_refused(tmp_path):
    rows = ["id,label,pred,site", *(f"{i},{i % 2},{i % 2},{'' if i < 3 else 'x'}" for i in range(40))]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    (tmp_path / "b.csv").write_text("\n".join([*rows[:-1], "39,1,0,x"]))
    found = audit_predictions(tmp_path / "a.csv", tmp_path / "b.csv", by="site", refits=0).only
    assert found.slices["slice"] == ["(none)", "x"]
    (tmp_path / "b.csv").write_text("\n".join([*rows[:-1], "39,1,0,y"]))
    with pytest.raises(AuditError, match="one slice per example, got 1 that differ"):
        audit_predictions(tmp_path / "a.csv", tmp_path / "b.csv", by="site", refits=0)


def test_it_is_written(world, tmp_path):
    found = of(world)
    found.report(tmp_path)
    held = json.loads((tmp_path / "audit.json").read_text())["comparisons"][0]
    assert [row["slice"] for row in held["slices"]] == ["a", "b", "c"]
    assert len(held["slice_classes"]) == 12
    lines = (tmp_path / "slices.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 + 12
    assert "slices.csv" in (tmp_path / "report.html").read_text()


def test_nothing_changed_is_seldom_called(rng):
    calls, misses, count = 0, 0, 40
    for _ in range(count):
        by, labels = rng.integers(0, 4, 1600), rng.integers(0, 10, 1600)
        rate = rng.beta(3, 1, 1600)
        arms = []
        for _ in range(2):
            site = rng.normal(0, 0.02, (3, 4))[:, by]  # a seed moves a whole slice
            arms.append(
                {"labels": labels, "pred": np.where(rng.random((3, 1600)) < rate + site, labels, (labels + 1) % 10)}
            )
        c = audit_predictions(*arms, by=by, refits=0).only
        calls += "hurt" in c.slices["decision"] or "hurt" in c.slice_classes["decision"]
        low, high = np.array(c.slices["recall_change_low"]), np.array(c.slices["recall_change_high"])
        misses += int(((low > 0) | (high < 0)).sum())
    assert calls <= 8  # two families at 10 %
    assert misses <= 0.17 * 4 * count


def test_slices_that_share_no_class_are_named_without_the_classes(draw):
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(4), 100)
    base, new = draw(rng, labels, 3, 0.9, 4), draw(rng, labels, 3, np.array([0.9, 0.5, 0.9, 0.9]), 4)
    parents = np.array(["left", "left", "right", "right"])[labels]
    words = audit_predictions((labels, base), (labels, new), by=parents, refits=0).verdict()
    assert "slice lost more than is tolerated: left" in words
    assert "within a slice" not in words


def test_many_slices_are_printed_in_part(draw, capsys):
    from rich.console import Console

    from dropmix.report.tables.slices import PRINTED, slice_table

    rng, labels = np.random.default_rng(0), np.tile(np.arange(2), 400)
    by = [f"a_camera_with_a_long_name_{i}" for i in range(20) for _ in range(40)]
    found = audit_predictions((labels, draw(rng, labels, 2, 0.9, 2)), (labels, draw(rng, labels, 2, 0.9, 2)), by=by)
    Console(width=80).print(slice_table(found.only))
    text = capsys.readouterr().out
    assert text.count("undecided") + text.count("safe") + text.count("hurt") == PRINTED
    assert "\u2026" not in text
    assert "8 more" in text


@pytest.mark.parametrize("width", [20, 40, 60, 80])
@pytest.mark.parametrize("plain", [False, True])
def test_names_and_decisions_of_slices_stand_whole_in_narrow_terminals(draw, capsys, width, plain):
    from rich.console import Console

    from dropmix.report.tables.classes import ascii_text
    from dropmix.report.tables.slices import slice_table

    rng, labels = np.random.default_rng(0), np.tile(np.arange(2), 120)
    names = ["north", "nördlich", "猫"]
    by = [names[i % 3] for i in range(240)]
    found = audit_predictions((labels, draw(rng, labels, 2, 0.9, 2)), (labels, draw(rng, labels, 2, 0.9, 2)), by=by)
    Console(width=width).print(slice_table(found.only, width, plain))
    text = capsys.readouterr().out
    assert all((ascii_text(name) if plain else name) in text for name in names)
    assert text.isascii() or not plain
    assert sum(text.count(word) for word in ("undecided", "safe", "too few examples")) == 3


def test_a_slice_of_several_labels_counts_examples_and_not_their_decisions():
    rng = np.random.default_rng(0)
    truth = (rng.random((120, 4)) < 0.4).astype(int)
    quality = rng.normal(1.5, 2, (2, 120, 1))
    right = rng.random((2, 3, 120, 1)) < 1 / (1 + np.exp(-quality[:, None]))
    scores = np.where(right == truth.astype(bool), 0.9, 0.1)
    by = np.repeat(["left", "right"], [80, 40])
    options = {"labels": truth, "by": by, "refits": 0, "tolerance": 0.0}
    found = audit_predictions(scores[0], scores[1], **options).only
    told = audit_predictions(scores[0], scores[1], group=np.arange(120), **options).only
    assert found.slices["n"].tolist() == told.slices["n"].tolist() == [80, 40]
    for end in ("low", "high", "low_population", "high_population"):
        assert np.allclose(found.slices[f"recall_change_{end}"], told.slices[f"recall_change_{end}"])
    assert re.search("measures? within a slice", found.verdict())
