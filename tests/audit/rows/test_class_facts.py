"""What is known of each class: superclasses and training counts, from files as people have them."""

import csv
import json

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_predictions
from dropmix.audit.inputs.arrays import read_mapping
from dropmix.audit.inputs.given import Reading
from dropmix.audit.rows.class_facts import by_superclass

NAMES = ["cat", "dog", "oak", "elm"]
PARENTS = {"cat": "animal", "dog": "animal", "oak": "tree", "elm": "tree"}
COUNTS = {"cat": 500, "dog": 40, "oak": 7, "elm": 0}


def audited(names=NAMES, **options):
    """An audit of four classes of thirty examples, one of which is lost."""
    labels = np.repeat(np.arange(4), 30)
    base = np.array([labels, np.where(np.arange(120) % 10, labels, (labels + 1) % 4)])
    new = np.where((labels == 3) & (np.arange(120) % 3 == 0), 2, base)
    source = {"labels": labels} | ({} if names is None else {"classes": names})
    return audit_predictions(source | {"pred": base}, source | {"pred": new}, refits=0, **options)


def facts(audit):
    return {row["class"]: (row["superclass"], row["n_train"]) for row in audit.only.rows()}


def test_unknown_is_null_with_a_reason():
    audit = audited()
    assert set(facts(audit).values()) == {(None, None)}
    assert audit.only.reasons["classes.superclass"] == "no superclasses were given"
    assert "neither recorded nor given" in audit.only.reasons["classes.n_train"]


@pytest.mark.parametrize("kind", ["mapping", "csv", "bare csv", "tsv", "json", "list", "inverted json", "odd header"])
def test_every_form_says_the_same(tmp_path, kind):
    order = ["elm", "cat", "oak", "dog"]
    parents, counts = [[(n, held[n]) for n in order] for held in (PARENTS, COUNTS)]
    heads = {"csv": ("class", "superclass"), "tsv": ("class", "superclass"), "odd header": ("Art", "Gruppe")}.get(kind)
    given = {"superclasses": PARENTS, "train_counts": COUNTS}
    if kind == "list":
        given = {"superclasses": [*PARENTS.values()], "train_counts": np.array([*COUNTS.values()])}
    elif kind.endswith("json"):
        inverted = {p: [n for n in order if PARENTS[n] == p] for p in ("tree", "animal")}
        (tmp_path / "s.json").write_text(json.dumps(inverted if kind == "inverted json" else dict(parents)))
        (tmp_path / "n.json").write_text(json.dumps(dict(counts)))
        given = {"superclasses": tmp_path / "s.json", "train_counts": str(tmp_path / "n.json")}
    elif kind != "mapping":
        for name, rows in (("s", parents), ("n", counts)):
            with (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8-sig") as file:
                csv.writer(file, delimiter="\t" if kind == "tsv" else ",").writerows(
                    [*([heads] if heads else []), *rows]
                )
        given = {"superclasses": tmp_path / "s.csv", "train_counts": tmp_path / "n.csv"}
    audit = audited(**given)
    assert facts(audit) == {name: (PARENTS[name], COUNTS[name]) for name in NAMES}
    assert not any("s." in note or "n." in note for note in audit.notes)


def test_numbers_are_the_names_of_classes_without_names(tmp_path):
    (tmp_path / "s.csv").write_text("2,b\n0,a\n3,b\n1,a\n")
    assert [v for v, _ in facts(audited(None, superclasses=tmp_path / "s.csv")).values()] == ["a", "a", "b", "b"]
    assert [n for _, n in facts(audited(None, train_counts={3: 1, 0: 2, 1: 5, 2: 9})).values()] == [2, 5, 9, 1]


def test_class_numbers_beside_names_are_taken_and_said(tmp_path):
    (tmp_path / "s.csv").write_text("id,superclass\n2,tree\n0,animal\n3,tree\n1,animal\n")
    audit = audited(superclasses=tmp_path / "s.csv")
    assert {name: parent for name, (parent, _) in facts(audit).items()} == PARENTS
    assert any("numbers in the class list, cat being 0" in note for note in audit.notes)


def test_columns_are_chosen_by_name_and_codes_are_spoken(tmp_path):
    path = tmp_path / "about.csv"
    path.write_text("class,n,code,word,realm\ncat,5,0,beast,x\ndog,6,0,beast,x\noak,7,1,plant,x\nelm,8,2,plant,x\n")
    assert facts(audited(train_counts=path))["oak"] == (None, 7)
    assert facts(audited(superclasses=f"{path}:realm"))["oak"] == ("x", None)
    with pytest.raises(AuditError, match=r"expected two columns.*about.csv:COLUMN"):
        audited(superclasses=path)
    path.write_text(path.read_text().replace("code", "superclass"))
    assert [v for v, _ in facts(audited(superclasses=path)).values()] == ["beast", "beast", "plant (1)", "plant (2)"]


def test_superclasses_that_are_called_like_a_class(tmp_path):
    path = tmp_path / "about.csv"
    path.write_text("wnid,name\nn1,dog\nn1,dog\nn2,oak\nn2,oak\n")
    assert [v for v, _ in facts(audited(superclasses=f"{path}:name")).values()] == ["dog", "dog", "oak", "oak"]


def test_a_file_may_hold_many_more_classes(tmp_path):
    path = tmp_path / "n.csv"
    rows = [*COUNTS.items(), *((f"species {i}", i) for i in range(500))]
    path.write_text("".join(f"{name},{number}\n" for name, number in rows))
    audit = audited(train_counts=path)
    assert [n for _, n in facts(audit).values()] == [*COUNTS.values()]
    assert any("500 classes are not in the audit" in note for note in audit.notes)


def test_what_is_missing_or_beyond_the_audit_is_said():
    audit = audited(superclasses={"cat": "animal", "oak": "tree", "elm": "tree"}, train_counts=COUNTS | {"yak": 3})
    assert facts(audit)["dog"] == (None, 40)
    assert "superclasses: no superclass for 1 of 4 classes: dog." in audit.notes
    assert "train_counts: 1 class is not in the audit: yak." in audit.notes
    row = audit.by_class["dog"]
    assert row["within_superclass_change"] is None
    assert audit.by_class["elm"]["within_superclass_change"] == pytest.approx(1 / 3)
    assert audit.summary["within_superclass_change"] is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_counts": {**COUNTS, "cat": -1}}, "whole numbers of training examples from 0, got -1"),
        ({"train_counts": {**COUNTS, "cat": 2.5}}, "got 2.5"),
        ({"train_counts": {**COUNTS, "cat": "many"}}, "got many"),
        ({"train_counts": [1, 2, 3]}, "expected one per class, 4, got 3"),
        ({"superclasses": {"cat": "a", "dgo": "a", "oak": "b", "elm": "b"}}, "got dgo. Did you mean 'dog'"),
        ({"superclasses": {"x": "a", "y": "b"}}, "got x, y. It lacks cat, dog, oak and 1 more"),
        ({"superclasses": "nosuch.csv"}, "nothing there"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(AuditError, match=message) as error:
        audited(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat,a\ndog,a\ncat,b\noak,b\nelm,b\n", "two for cat"),
        ("cat,a\ndog\noak,b\n", "others in row 2"),
        ("feline,a\ncanine,a\nquercus,b\nulmus,b\n", r"expected the classes of the audit \(cat"),
        ("superclass\na\na\nb\n", "3 rows without a column of classes"),
        ("\n\n", "expected a row per class, got none"),
    ],
)
def test_files_that_cannot_be_meant_are_refused(tmp_path, text, message):
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(AuditError, match=message) as error:
        audited(superclasses=path)
    assert str(path) in str(error.value)


def test_a_grid_knows_them(tmp_path, write_run):
    import pyarrow.parquet as pq

    rng, labels = np.random.default_rng(0), np.repeat(np.arange(4), 20)
    for arm in ("vanilla", "mixup"):
        for seed in (0, 1):
            folder = tmp_path / "runs" / f"{arm}-{seed}"
            write_run(folder, arm, seed, labels, rng.permutation(labels), classes=NAMES)
            table = pq.read_table(folder / "predictions.parquet")
            about = {"format": 1, "classes": NAMES, "superclasses": [*PARENTS.values()], "train_counts": [9, 8, 7, 6]}
            pq.write_table(
                table.replace_schema_metadata({"dropmix": json.dumps(about)}), folder / "predictions.parquet"
            )
    from dropmix.audit import audit_grid

    audit = audit_grid(tmp_path / "runs", refits=0)
    assert facts(audit) == dict(zip(NAMES, zip(PARENTS.values(), (9, 8, 7, 6))))
    assert facts(audit_grid(tmp_path / "runs", refits=0, train_counts=COUNTS))["elm"] == ("tree", 0)


def test_superclasses_as_slices():
    audit = audited(superclasses=PARENTS, by="superclass", protect=["animal"])
    rows = {row["slice"]: row for row in audit.only.to_dict()["slices"]}
    assert {name: row["n"] for name, row in rows.items()} == {"animal": 60, "tree": 60}
    assert rows["tree"]["recall_change"] == pytest.approx(
        np.mean([audit.by_class[name]["recall_change"] for name in ("oak", "elm")])
    )
    assert rows["animal"]["protected"] == "yes"
    with pytest.raises(AuditError, match="expected an array 'superclass' for by"):
        audited(by="superclass")
    with pytest.raises(AuditError, match="expected classes with superclasses, got none"):
        by_superclass([read_mapping({"labels": [0, 1], "pred": [0, 1]}, "unknown", Reading())])


def test_labels_of_which_an_example_may_have_several():
    rng = np.random.default_rng(0)
    truth = (rng.random((200, 2)) < 0.4).astype(int)
    scores = [np.clip(truth * 0.5 + rng.random((2, 200, 2)) / 2, 0, 1) for _ in range(2)]
    audit = audit_predictions(
        *scores, labels=truth, classes=["AF", "ST"], train_counts={"ST": 11, "AF": 30}, superclasses=["rhythm", "wave"]
    )
    assert facts(audit)["ST average precision"] == ("wave", 11)
    assert facts(audit)["AF specificity"] == ("rhythm", 30)


def test_a_file_with_a_row_per_class_and_no_class(real_data):
    where = real_data("predictions/imagenet-x")
    audit = audit_predictions(
        *(where / f"{name}.csv" for name in ("ResNet50", "ViT")),
        labels=where / "filename_label.csv",
        superclasses=where / "metaclasses.csv",
        refits=0,
    )
    rows = audit.by_class
    assert rows["0"]["superclass"] == "fish"  # tench
    assert rows["207"]["superclass"] == "dog"  # golden retriever
    assert sum(row["superclass"] == "dog" for row in rows.values()) == 118
    assert len({row["superclass"] for row in rows.values()}) == 100
    assert any("in the order of the class list" in note for note in audit.notes)
