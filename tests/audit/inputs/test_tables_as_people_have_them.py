"""CSV and other tables as programs and people write them: read rightly, or refused in one clear line."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.audit import AuditError, audit_predictions
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.sources import read

LABEL, PRED = ["cat", "dog", "fox", "cat"], ["cat", "fox", "fox", "dog"]


def listed(values):
    """An array that has to be there, as a list."""
    assert values is not None
    return values.tolist()


def names(arm):
    """Labels and predictions of one arm as names, row by row."""
    title = arm.class_names or [str(i) for i in range(100)]
    return [title[i] for i in arm.labels], [[title[i] for i in row] for row in arm.pred]


def one(tmp_path, text, name="a.csv", encoding="utf-8", **options):
    (tmp_path / name).write_bytes(text.encode(encoding))
    (arm,) = read(tmp_path / name, "x", reading=Reading(**options))
    return arm


def lines(*columns, mark=",", head=("label", "pred")):
    return "\n".join([mark.join(head), *(mark.join(row) for row in zip(*columns))]) + "\n"


@pytest.mark.parametrize(
    "head",
    [
        ("y_true", "y_pred"),
        ("Target", "Prediction"),
        ("label_ids", "predictions"),
        ("True Label", "Predicted Label"),
        ("ground-truth", "predicted"),
        (" label ", "pred "),
        ("truth", ".pred_class"),
        ("truth", "estimate"),
    ],
)
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_usual_names_and_marks(tmp_path, head, mark):
    assert names(one(tmp_path, lines(LABEL, PRED, mark=mark, head=head))) == (LABEL, [PRED])


@pytest.mark.parametrize("name", ["a.CSV", "a.Txt", "a.TSV"])
@pytest.mark.parametrize(
    ("encoding", "end"),
    [("utf-8", "\n"), ("utf-8", "\r\n"), ("utf-8", "\r"), ("utf-8-sig", "\r\n"), ("utf-16", "\n"), ("utf-16", "\r\n")],
)
def test_endings_encodings_and_line_ends(tmp_path, name, encoding, end):
    assert names(one(tmp_path, lines(LABEL, PRED).replace("\n", end), name, encoding)) == (LABEL, [PRED])


def test_windows_encoding_by_name(tmp_path):
    text = lines(["Bär", "Wal"], ["Wal", "Wal"])
    with pytest.raises(AuditError, match=r"expected text in utf-8, got byte 0xe4 in line 2.*--encoding cp1252"):
        one(tmp_path, text, encoding="cp1252")
    (arm,) = read(tmp_path / "a.csv", "x", reading=Reading(encoding="cp1252"))
    assert names(arm) == (["Bär", "Wal"], [["Wal", "Wal"]])


@pytest.mark.parametrize(
    "classes",
    [
        ("true", "false"),
        ("NA", "EU"),
        ("2024-01-01", "2024-01-02"),
        ("3", "other"),
        ("12:00", "13:00"),
        ("007", "008"),
        ("null", "void"),
        ("1e5", "inf"),
        ("None", "some"),
    ],
)
def test_class_names_that_look_like_types_stay_text(tmp_path, classes):
    a, b = classes
    assert names(one(tmp_path, lines([a, b, b], [b, b, a]))) == ([a, b, b], [[b, b, a]])


def test_numbers_beside_a_name_in_another_arm_are_names(tmp_path):
    (tmp_path / "a.csv").write_text(lines(["1", "2", "3"], ["1", "2", "2"]))
    (tmp_path / "b.csv").write_text(lines(["1", "2", "3"], ["1", "other", "3"]))
    found = audit_predictions(tmp_path / "a.csv", tmp_path / "b.csv", refits=0)
    assert sorted(found.class_names) == ["1", "2", "3", "other"]
    assert found.summary["accuracy_treated"] == pytest.approx(2 / 3)


SAVETXT = tuple(f"{value:.18e}" for value in range(3))


@pytest.mark.parametrize("values", [("0", "1", "2"), ("0.0", "1.0", "2.0"), ("0", "1.0", "2."), SAVETXT])
def test_whole_numbers_are_class_numbers(tmp_path, values):
    arm = one(tmp_path, lines(values, values[::-1]))
    assert arm.labels.tolist() == [0, 1, 2]
    assert arm.pred.tolist() == [[2, 1, 0]]


@pytest.mark.parametrize(
    ("label", "pred", "message"),
    [
        (LABEL, ["cat", "", "fox", ""], r"pred without gaps, got 2 empty values, in row 2, 4"),
        (["0", "1", "2"], ["0", "nan", "NaN"], "got 2 empty values, in row 2, 3"),
        (["a", "b", "a"], ["a", "nan", "b"], "got 1 empty value, in row 2"),
        (LABEL, ["cat", "none", "fox", "NONE"], "got 2 'NONE', 'none' values, in row 2, 4"),
        (["0", "1", "2"], ["0", "Null", "2"], "got 1 empty value, in row 2"),
        (LABEL, ["cat", "-1", "fox", "dog"], "got 1 '-1' value, in row 2"),
        (["cat", "dog", "-100", "dog"], ["cat", "dog", "fox", "dog"], "got 1 '-100' value, in row 3"),
        (["0", "1", "2"], ["cat", "dog", "cat"], "label and pred of one type"),
        (["caf\u00e9", "b"], ["cafe\u0301", "b"], "looks the same"),
        (["Cat", "Dog"], ["cat", "dog"], "Write both the same way"),
        (["0", "1"], ["0.5", "1"], "class numbers, got 0.5"),
        (SAVETXT[:2], ["5.000e-01", SAVETXT[1]], "class numbers, got 5.000e-01"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, label, pred, message):
    with pytest.raises(AuditError, match=message):
        one(tmp_path, lines(label, pred))


def test_a_file_without_a_header_is_told(tmp_path):
    with pytest.raises(AuditError, match=r"a\.csv: expected a header line .* got 'cat', 'cat'. Add it at the top"):
        one(tmp_path, "cat,cat\ndog,cat\n")


def test_columns_are_named_and_the_found_ones_told(tmp_path):
    text = lines(LABEL, PRED, head=("wahr", "vorhergesagt"))
    with pytest.raises(AuditError, match="got 'wahr', 'vorhergesagt'"):
        one(tmp_path, text)
    assert names(one(tmp_path, text, columns={"label": "wahr", "pred": "Vorhergesagt"})) == (LABEL, [PRED])
    with pytest.raises(AuditError, match="expected a column 'x' for pred, got 'wahr', 'vorhergesagt'"):
        one(tmp_path, text, columns={"label": "wahr", "pred": "x"})
    with pytest.raises(AuditError, match="expected keys among arm, seed"):
        one(tmp_path, text, columns={"labels": "wahr"})


def test_unnamed_and_doubled_columns_that_nobody_needs(tmp_path):
    rows = [f"{i},{a},{b},x,y,{i}" for i, (a, b) in enumerate(zip(LABEL, PRED))]
    assert names(one(tmp_path, "\n".join([",label,pred,note,note,", *rows]))) == (LABEL, [PRED])
    with pytest.raises(AuditError, match="each column once, got 'pred' twice"):
        one(tmp_path, "label,pred,pred\n" + "a,b,b\n" * 3)


def test_a_line_of_excel_and_empty_lines(tmp_path):
    assert names(one(tmp_path, "sep=;\n" + lines(LABEL, PRED, mark=";") + "\n\n")) == (LABEL, [PRED])


def test_decimal_commas(tmp_path):
    text = lines(LABEL, PRED, ["0,5", "0,25", "1", "0,75"], mark=";", head=("label", "pred", "p_max"))
    assert listed(one(tmp_path, text).p_max) == [[0.5, 0.25, 1.0, 0.75]]


@pytest.mark.parametrize("head", ["p_{}", "prob_{}", "{}", "Probability {}"])
def test_probability_columns(tmp_path, head):
    """A class that never occurs in the test set has a column too."""
    rows = ["fox,0.1,0.7,0.2", "cat,0.8,0.1,0.1", "fox,0.1,0.1,0.8"]
    arm = one(tmp_path, "\n".join(["label," + ",".join(head.format(c) for c in ("cat", "dog", "fox")), *rows]))
    assert names(arm) == (["fox", "cat", "fox"], [["dog", "cat", "fox"]])
    assert arm.correct().tolist() == [[False, True, True]]
    assert listed(arm.p_true)[0] == pytest.approx([0.2, 0.8, 0.8])
    assert listed(arm.p_max)[0] == pytest.approx([0.7, 0.8, 0.8])


def test_logit_columns_and_sigmoid_columns(tmp_path):
    arm = one(tmp_path, "label,logit_0,logit_1\n0,2.0,0.0\n1,-1.0,0.5\n")
    assert arm.pred.tolist() == [[0, 1]]
    assert listed(arm.p_true)[0] == pytest.approx([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-1.5))])
    with pytest.raises(AuditError, match=r"sum to 1 in every row.*several labels.*--labels"):
        one(tmp_path, "label,p_0,p_1\n0,0.9,0.8\n1,0.2,0.9\n")


def test_a_column_for_every_true_class(tmp_path):
    with pytest.raises(AuditError, match="none for yak"):
        one(tmp_path, "label,p_cat,p_dog\nyak,0.5,0.5\ncat,0.4,0.6\n")
    with pytest.raises(AuditError, match=r"none for yak|got 2 columns|class list"):
        one(tmp_path, "label,p_cat,p_dog\ncat,0.5,0.5\ncat,0.4,0.6\n", classes=["cat", "dogs"])


def test_a_column_per_seed_and_per_arm(tmp_path):
    text = lines(LABEL, PRED, LABEL, head=("label", "pred_0", "pred_1"))
    assert names(one(tmp_path, text)) == (LABEL, [PRED, LABEL])
    (tmp_path / "b.csv").write_text(lines(LABEL, PRED, LABEL, head=("label", "pred_vanilla", "pred_mixup")))
    arms = {a.arm: names(a)[1] for a in read(tmp_path / "b.csv", "x")}
    assert arms == {"vanilla": [PRED], "mixup": [LABEL]}


@pytest.mark.parametrize("ids", [True, False])
def test_stacked_seeds_are_refused(tmp_path, ids):
    label = [*LABEL * 5, "cat"]
    pred = [*PRED * 5, "fox"]
    number = [str(i) for i in range(21)]
    head = ("id", "label", "pred") if ids else ("label", "pred")
    columns = [number * 3, label * 3, pred * 3][0 if ids else 1 :]
    with pytest.raises(AuditError, match=r"the same 21 examples 3 times.*Add a column seed"):
        one(tmp_path, lines(*columns, head=head))


def test_labels_of_another_file(tmp_path):
    (tmp_path / "truth.csv").write_text("id,breed\n" + "".join(f"i{i},{c}\n" for i, c in enumerate([*LABEL, "yak"])))
    for head in (("id", "prediction"), ("id", "label"), ("Id", "Category")):
        arm = one(tmp_path, lines([f"i{i}" for i in (3, 1, 0)], [PRED[i] for i in (3, 1, 0)], head=head),
                  labels=tmp_path / "truth.csv")  # fmt: skip
        assert names(arm) == ([LABEL[i] for i in (0, 1, 3)], [[PRED[i] for i in (0, 1, 3)]])
    with pytest.raises(AuditError, match=r"truth.csv for every example, got none for 1: z9"):
        one(tmp_path, lines(["z9"], ["cat"], head=("id", "pred")), labels=tmp_path / "truth.csv")


def test_acceptable_labels_and_groups(tmp_path):
    text = lines(LABEL, PRED, ["cat;dog", "dog", "", "dog"], ["p1", "p1", "p2", "p2"],
                 head=("label", "pred", "accept", "patient"))  # fmt: skip
    arm = one(tmp_path, text, group="patient")
    assert listed(arm.group) == ["p1", "p1", "p2", "p2"]
    assert listed(arm.accept) == [[0, 1], [1, -1], [-1, -1], [1, -1]]
    (tmp_path / "real.json").write_text(json.dumps([[0, 1], [1], [], [0]]))
    arm = one(tmp_path, lines(LABEL, PRED), accept=tmp_path / "real.json")
    assert listed(arm.accept) == [[0, 1], [1, -1], [-1, -1], [0, -1]]
    with pytest.raises(AuditError, match="for 4 examples, got 1"):
        one(tmp_path, lines(LABEL, PRED), accept=[[0]])


def test_class_lists_as_file_array_and_json(tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\nfox\n")
    (tmp_path / "names.json").write_text(json.dumps({"2": ["n3", "fox"], "0": ["n1", "cat"], "1": ["n2", "dog"]}))
    text = lines(["0", "2"], ["1", "2"])
    for classes in (tmp_path / "names.txt", tmp_path / "names.json", np.array(["cat", "dog", "fox"])):
        assert names(one(tmp_path, text, classes=classes)) == (["cat", "fox"], [["dog", "fox"]])
    with pytest.raises(AuditError, match="numbered from 1: subtract 1"):
        one(tmp_path, lines(["1", "2", "3"], ["1", "2", "2"]), classes=["cat", "dog", "fox"])


def test_class_lists_are_joined_by_name(tmp_path):
    """Two files of one arm whose class numbers mean different animals."""
    for seed, classes in ((0, ["cat", "yak", "zebra"]), (1, ["cat", "zebra"])):
        table = pa.table({"id": [1, 2], "seed": [seed] * 2, "label": [0, classes.index("zebra")],
                          "pred": [0, classes.index("zebra")]})  # fmt: skip
        meta = {"dropmix": json.dumps({"format": 1, "classes": classes})}
        pq.write_table(table.replace_schema_metadata(meta), tmp_path / f"{seed}.parquet")
    (arm,) = read(tmp_path, "x")
    assert names(arm) == (["cat", "zebra"], [["cat", "zebra"]] * 2)


def test_shards_of_mixed_types(tmp_path):
    kinds = [
        (pa.int32(), pa.string()),
        (pa.int64(), pa.large_string()),
        (pa.uint8(), pa.dictionary(pa.uint8(), pa.string())),
    ]
    for i, (number, text) in enumerate(kinds):
        made = (
            pa.array(["a", "b"]).dictionary_encode().cast(text)
            if pa.types.is_dictionary(text)
            else pa.array(["a", "b"], text)
        )
        pq.write_table(
            pa.table({"id": pa.array([i, i + 10], number), "label": made, "pred": made}), tmp_path / f"part-{i}.parquet"
        )
    (arm,) = read(tmp_path, "x")
    assert arm.arm == tmp_path.name
    assert arm.pred.shape == (1, 6)
    assert listed(arm.example_id) == [0, 1, 2, 10, 11, 12]


def test_json_rows_arrays_and_reports(tmp_path):
    rows = [{"label": a, "pred": b} for a, b in zip(LABEL, PRED)]
    for name, text in (
        ("a.json", json.dumps(rows)),
        ("b.json", json.dumps({"y_true": LABEL, "y_pred": PRED})),
        ("c.jsonl", "\n".join(map(json.dumps, rows))),
    ):
        assert names(one(tmp_path, text, name)) == (LABEL, [PRED])
    report = {"cat": {"precision": 1, "recall": 0.5, "f1-score": 0.6, "support": 4}, "accuracy": 0.5}
    with pytest.raises(AuditError, match="got a classification report"):
        one(tmp_path, json.dumps(report), "r.json")
    for text in ("[" * 100_000, "{", '{"label": 1e400}', "3"):
        with pytest.raises(AuditError, match=r"d\.json"):
            one(tmp_path, text, "d.json")
