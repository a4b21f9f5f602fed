"""Groups of examples (patients, clips): from a column, a file beside the predictions, or an array."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dropmix
from dropmix.audit import audit_grid
from dropmix.audit.errors import AuditError


@pytest.fixture
def study(tmp_path, rng):
    """Files of two arms of three seeds, and of who is on which picture: 3 classes, 24 patients of 5 pictures each."""
    patient = np.arange(72).repeat(5)
    label = np.repeat(list("abc"), 120)
    kept = rng.random((2, 3, 72)) < 0.8
    frames = []
    for arm, right in zip(("base", "mixup"), kept):
        pred = [np.where(r[patient], label, np.roll(label, 120)) for r in right]
        frames += [pd.DataFrame({"id": [f"{i}.png" for i in range(360)], "label": label, "pred": p}) for p in pred]
        rows = [f.assign(seed=s, patient=[f"P{i}" for i in patient]) for s, f in enumerate(frames[-3:])]
        pd.concat(rows).to_csv(tmp_path / f"{arm}.csv", index=False)
    about = pd.DataFrame({"id": frames[0]["id"], "who": [f"P{i}" for i in patient], "site": "north"})
    about.sample(frac=1, random_state=0).to_csv(tmp_path / "about.csv", index=False)
    return tmp_path


def audited(study, **more):
    return dropmix.audit_predictions(study / "base.csv", study / "mixup.csv", refits=0, **more).only


def test_a_column_another_file_and_an_array_say_the_same(study):
    alone, column = audited(study), audited(study, group="patient")
    assert "n_groups" not in alone.classes
    assert column.classes["n_groups"].tolist() == [24, 24, 24]
    order = pd.read_csv(study / "base.csv").drop_duplicates("id").sort_values("id")["patient"]
    frames = [pd.read_csv(study / f"{arm}.csv").sort_values(["seed", "id"]) for arm in ("base", "mixup")]
    arrays = [
        {"labels": f["label"][f.seed == 0].to_numpy(), "pred": f["pred"].to_numpy().reshape(3, -1)} for f in frames
    ]
    given = dropmix.audit_predictions(*arrays, refits=0, group=order.to_numpy()).only
    beside = audited(study, group=f"{study / 'about.csv'}:who")
    for other in (beside, given):
        np.testing.assert_allclose(other.classes["se_population"], column.classes["se_population"])
        assert other.classes["decision_population"] == column.classes["decision_population"]
    assert (column.classes["se_population"] > 1.1 * alone.classes["se_population"]).all()


def test_what_is_said_and_shown_counts_groups(study, dropmix_shell):
    asked = ("audit", "base.csv", "mixup.csv", "--group", "about.csv:who", "--protect", "a")
    out = dropmix_shell(*asked, "--summary", "s.md", "--out", "page")
    assert "groups of the class" in " ".join(out.split())
    assert ">120 in 24 groups</td>" in (study / "page" / "report.html").read_text()
    assert "120 in 24" in out
    assert "n in groups" in out
    assert "120 in 24 groups" in (study / "s.md").read_text()
    few = study / "few.csv"
    pd.read_csv(study / "about.csv").assign(who=lambda f: f["who"].str[:2]).to_csv(few, index=False)
    text = " ".join(dropmix_shell("audit", "base.csv", "mixup.csv", "--group", "few.csv:who").split())
    assert "Collect more groups of test examples of them" in text
    assert "Train more seeds" not in text


@pytest.fixture
def dropmix_shell(study, monkeypatch, capfd):
    from dropmix.cli import main

    def call(*words):
        monkeypatch.chdir(study)
        monkeypatch.setattr("sys.argv", ["dropmix", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert ended.value.code in ({0, None} | ({3} if "--protect" in words else set())), err
        return out

    return call


@pytest.mark.parametrize("gap", ["", "NA", " ", "unknown"])
def test_examples_without_a_group_are_counted_and_refused(study, gap):
    if gap.strip():
        for arm in ("base", "mixup"):
            frame = pd.read_csv(study / f"{arm}.csv")
            frame["patient"] = frame["patient"].where(frame["patient"] != "P7", gap)
            frame.to_csv(study / f"{arm}.csv", index=False)
        with pytest.raises(AuditError, match=rf"expected a group for every example, got none \('{gap}'\) for 5 of 360"):
            audited(study, group="patient")
    about = pd.read_csv(study / "about.csv")
    about.loc[:2, "who"] = gap
    about.to_csv(study / "about.csv", index=False)
    with pytest.raises(AuditError, match=r"expected a group for every example, got none \(.*\) for 3 of 360"):
        audited(study, group=f"{study / 'about.csv'}:who")
    with pytest.raises(AuditError, match=r"group for every example, got none \(.*\) for 1 of 2"):
        dropmix.audit_predictions(([0, 1], [0, 1]), ([0, 1], [1, 1]), group=["P1", None])


def test_other_faults_name_the_file_and_what_is_missing(study):
    pd.read_csv(study / "about.csv").iloc[5:].to_csv(study / "short.csv", index=False)
    with pytest.raises(AuditError, match=r"expected a group in .*short\.csv for every example, got none for 5"):
        audited(study, group=f"{study / 'short.csv'}:who")
    with pytest.raises(AuditError, match=r"about\.csv: expected a column 'whom' for group"):
        audited(study, group=f"{study / 'about.csv'}:whom")
    with pytest.raises(AuditError, match=r"expected a group in group for each of 1080 rows, got 3\. Save ids in both"):
        audited(study, group=["a", "b", "c"])
    mixed = pd.read_csv(study / "mixup.csv")
    mixed.loc[mixed["id"] == "7.png", "patient"] = "P70"
    mixed.to_csv(study / "mixup.csv", index=False)
    with pytest.raises(AuditError, match=r"expected one group per example, got 1 that differ .*P1 and P70"):
        audited(study, group="patient")


def test_a_mapping_of_ids_is_followed_and_ids_on_one_side_are_no_order(study):
    table = pd.read_csv(study / "about.csv")
    by_id, beside = dict(zip(table["id"], table["who"])), f"{study / 'about.csv'}:who"
    wanted = audited(study, group="patient").classes["se_population"]
    np.testing.assert_allclose(audited(study, group=by_id).classes["se_population"], wanted)
    frames = [pd.read_csv(study / f"{arm}.csv").query("seed == 0") for arm in ("base", "mixup")]
    arrays = [(f["label"].to_numpy(), f["pred"].to_numpy()) for f in frames]
    for given in (by_id, beside):
        with pytest.raises(AuditError, match=r"expected example ids, to find each group in .*, got none"):
            dropmix.audit_predictions(*arrays, refits=0, group=given)
        with pytest.raises(AuditError, match=r"expected example ids, to find each slice in .*, got none"):
            dropmix.audit_predictions(*arrays, refits=0, by=given)
    with pytest.raises(AuditError, match=r"expected one group per example, \(N,\), got shape \(2, 360\)"):
        audited(study, group=np.zeros((2, 360), int))


@pytest.mark.parametrize("more", [{}, {"by": {"night": np.arange(200) % 2, "site": ["north"] * 200}}])
def test_groups_saved_beside_several_labels_are_taken(tmp_path, rng, more):
    truth, home = (
        (rng.random((200, 2)) < 0.4).astype(int),
        {"truth": tmp_path / "truth.parquet", "classes": ["AF", "ST"]},
    )
    for arm in ("old", "new"):
        for seed in range(2):
            scores = np.clip(0.5 * truth + 0.5 * rng.random((200, 2)), 0, 1)
            beside = {"ids": np.arange(200), "group": np.arange(200) // 4} | more
            dropmix.save_predictions(tmp_path / arm / f"{seed}.parquet", truth, probs=scores, **beside, **home)
    sources = {"labels": tmp_path / "truth.parquet", "refits": 0}
    audit = dropmix.audit_predictions(tmp_path / "old", tmp_path / "new", **sources)
    assert [*audit.classes["class"]][:1] == ["AF sensitivity"]
    assert max(audit.classes["n_groups"]) <= 50
    assert any("count as one" in note for note in audit.notes)
    alone = dropmix.audit_predictions(tmp_path / "old", tmp_path / "new", **sources, group="none")
    assert "n_groups" not in alone.classes or max(alone.classes["n_groups"]) > 50


def test_several_labels_per_example_take_their_groups_from_a_file(tmp_path, rng):
    truth = (rng.random((200, 2)) < 0.4).astype(int)
    scores = np.clip(0.5 * truth + 0.5 * rng.random((2, 3, 200, 2)), 0, 1)
    pd.DataFrame({"patient": np.arange(200) // 4}).to_csv(tmp_path / "who.csv", index=False)  # in the order of the rows
    asked = {"labels": truth, "classes": ["AF", "ST"], "refits": 0}
    alone = dropmix.audit_predictions(*scores, **asked).only
    grouped = dropmix.audit_predictions(*scores, **asked, group=f"{tmp_path / 'who.csv'}:patient").only
    assert (np.asarray(grouped.classes["n_groups"]) < np.asarray(alone.classes["n"])).all()
    assert (np.asarray(grouped.classes["n_groups"]) <= 50).all()


def test_the_groups_of_runs_are_taken_unless_others_are_named(tmp_path, rng, draw, write_run):
    labels, ids = np.repeat(np.arange(3), 60), np.array([f"{i}.png" for i in range(180)], object)
    own = {"data": {"name": "folder", "group": "who.csv:patient"}}
    for arm in ("vanilla", "mixup"):
        for seed in range(2):
            pred = draw(rng, labels, 1, 0.8, 3)[0]
            write_run(tmp_path / f"{arm}-{seed}", arm, seed, labels, pred, ids, spec=own)
    before = audit_grid(tmp_path, refits=0)
    assert "n_groups" not in before.classes
    assert any("data.group=who.csv:patient, but these runs did not write the groups" in n for n in before.notes)
    for path in tmp_path.glob("*/predictions.parquet"):
        pq.write_table(pq.read_table(path).append_column("group", pa.array(np.arange(180) // 5)), path)
    found = audit_grid(tmp_path, refits=0)
    assert found.classes["n_groups"].tolist() == [12, 12, 12]
    assert any("Examples of one group count as one" in note for note in found.notes)
    assert "n_groups" not in audit_grid(tmp_path, refits=0, group="none").classes
    pd.DataFrame({"id": ids, "clip": np.arange(180) // 3}).to_csv(tmp_path / "clips.csv", index=False)
    named = audit_grid(tmp_path, refits=0, group=f"{tmp_path / 'clips.csv'}:clip")
    assert named.classes["n_groups"].tolist() == [20, 20, 20]


def test_saved_groups_that_say_unknown_are_refused(tmp_path, rng):
    labels, group = np.tile([0, 1], 100), np.array([f"P{i // 8}" for i in range(200)], object)
    group[:40] = "Unknown"
    for arm in ("base", "mixup"):
        pred = np.where(rng.random(200) < 0.8, labels, 1 - labels)
        dropmix.save_predictions(tmp_path / f"{arm}.parquet", labels, pred, ids=np.arange(200), group=group)
    sources = tmp_path / "base.parquet", tmp_path / "mixup.parquet"
    with pytest.raises(AuditError, match=r"got none \('Unknown'\) for 40 of 200\. .* by dropmix audit --group none"):
        dropmix.audit_predictions(*sources, refits=0)
    assert "n_groups" not in dropmix.audit_predictions(*sources, refits=0, group="none").classes


def test_groups_that_were_saved_are_taken_and_said(tmp_path, rng):
    labels = np.tile([0, 1], 100)
    for arm in ("base", "mixup"):
        for seed in range(2):
            pred = np.where(rng.random(200) < 0.8, labels, 1 - labels)
            saved = {"ids": np.arange(200), "seed": seed, "group": np.arange(200) // 8}
            dropmix.save_predictions(tmp_path / arm / f"{seed}.parquet", labels, pred, **saved)
    sources = tmp_path / "base", tmp_path / "mixup"
    audit = dropmix.audit_predictions(*sources, refits=0)
    assert audit.classes["n_groups"].tolist() == [25, 25]
    assert any("Examples of one group count as one" in note for note in audit.notes)
    asked = dropmix.audit_predictions(*sources, refits=0, group="group")
    assert asked.classes["n_groups"].tolist() == [25, 25]
    assert not any("count as one" in note for note in asked.notes)
    assert "n_groups" not in dropmix.audit_predictions(*sources, refits=0, group="none").classes
    mapping = {"labels": labels, "pred": labels, "group": np.arange(200) // 8}
    assert "n_groups" in dropmix.audit_predictions(mapping, mapping | {"pred": 1 - labels}, refits=0).classes
    alone = dropmix.audit_predictions(mapping, mapping | {"pred": 1 - labels}, refits=0, group="none")
    assert "n_groups" not in alone.classes
    frame = pd.DataFrame({"id": range(200), "label": labels, "pred": labels, "group": "treated"})
    assert "n_groups" not in dropmix.audit_predictions(frame, frame.assign(pred=1 - labels), refits=0).classes
