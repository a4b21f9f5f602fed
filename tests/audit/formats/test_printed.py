"""Classes as print and savetxt write them are the classes; errors name the line whatever ends it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.audit import AuditError
from dropmix.audit.inputs.sources import read

LABEL, PRED = np.arange(60) % 3, (np.arange(60) // 7) % 3
FORMS = {
    "torch": "tensor({})",
    "torch on a GPU": "tensor({}, device='cuda:0')",
    "torch, one element": "tensor([{}])",
    "torch, float": "tensor({}.)",
    "torch with a gradient": "tensor({}., grad_fn=<MaxBackward0>)",
    "numpy 2": "np.int64({})",
    "numpy 2, uint8": "np.uint8({})",
    "numpy array": "array({})",
    "numpy array with a type": "array([{}], dtype=int32)",
    "tensorflow": "tf.Tensor({}, shape=(), dtype=int64)",
    "jax": "Array({}, dtype=int32)",
    "list": "[{}]",
    "tuple": "({},)",
    "blank before": " {}",
    "blank after": "{} ",
    "float": "{}.0",
    "savetxt": "{:.18e}",
}


def table(folder, label, pred, end="\n", name="a.csv"):
    quoted = [f'"{a}","{b}"' for a, b in zip(label, pred)]
    (folder / name).write_bytes(end.join(["label,pred", *quoted, ""]).encode())
    return folder / name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("plain", [True, False])
def test_printed_numbers_are_numbers(tmp_path, form, plain):
    label = [str(c) if plain else FORMS[form].format(c) for c in LABEL]
    (arm,) = read(table(tmp_path, label, [FORMS[form].format(c) for c in PRED]), "x")
    assert arm.class_names is None
    np.testing.assert_array_equal(arm.labels, LABEL)
    np.testing.assert_array_equal(arm.pred[0], PRED)


@pytest.mark.parametrize("form", ["np.str_('{}')", "b'{}'"])
def test_printed_names_are_names(tmp_path, form):
    names = np.array(["cat", "dog, big", "fox"])
    (arm,) = read(table(tmp_path, names[LABEL], [form.format(n) for n in names[PRED]]), "x")
    assert arm.class_names == tuple(names)
    np.testing.assert_array_equal(arm.pred[0], PRED)


def test_printed_arrays_name_their_classes_as_files_do():
    (arm,) = read({"labels": LABEL, "pred": [f"tensor({c})" for c in PRED]}, "x")
    np.testing.assert_array_equal(arm.pred[0], PRED)


@pytest.mark.parametrize(
    "names", [["tensor(a)", "b", "c"], ["f(1)", "f(2)", "f(3)"], ["[1, 2]", "x", "y"], ["1 a", "2", "3"]]
)
def test_names_that_only_look_printed_stay(tmp_path, names):
    names = np.array(names)
    (arm,) = read(table(tmp_path, names[LABEL], names[PRED]), "x")
    assert sorted(arm.class_names) == sorted(names)


@pytest.mark.parametrize("numbers", [[-1, 1, 3], [-1, 0, 1], [-10, -5, 5]])
@pytest.mark.parametrize("kind", ["csv", "parquet", "arrays", "floats", "one as text", "with a class list"])
def test_signed_numbers_are_classes(tmp_path, numbers, kind):
    numbers = np.array(numbers)
    label, pred, classes = numbers[LABEL], numbers[PRED], None
    if kind == "csv":
        source = table(tmp_path, label, pred)
    elif kind == "parquet":
        source = pa.table({"label": label, "pred": pred.astype(np.int16)})
    elif kind == "with a class list":
        source, classes = {"labels": label, "pred": pred}, [str(n) for n in numbers[::-1]]
    else:
        given = {"arrays": pred, "floats": pred.astype(float), "one as text": pred.astype(str)}[kind]
        source = {"labels": label, "pred": given}
    (arm,) = read(source, "x", classes)
    assert arm.class_names == tuple(classes or map(str, numbers))
    assert [arm.class_names[c] for c in arm.pred[0]] == [str(n) for n in pred]
    assert [arm.class_names[c] for c in arm.labels] == [str(n) for n in label]


@pytest.mark.parametrize("where", ["labels", "pred"])
def test_a_negative_number_that_marks_a_missing_class_is_refused(where):
    source = {"labels": LABEL, "pred": PRED}
    with pytest.raises(AuditError, match="got -1"):
        read(source | {where: np.where(np.arange(60) == 4, -1, source[where])}, "x")


def test_text_in_bytes_of_one_length_is_text(tmp_path):
    names = np.array([b"cat", b"dog", b"fox"])
    columns = {key: pa.array(names[codes].tolist(), pa.binary(3)) for key, codes in (("label", LABEL), ("pred", PRED))}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    (arm,) = read(tmp_path / "a.parquet", "x")
    assert arm.class_names == ("cat", "dog", "fox")
    np.testing.assert_array_equal(arm.pred[0], PRED)


def test_a_list_of_two_is_no_class(tmp_path):
    with pytest.raises(AuditError, match="expected one class per row in pred, got a list"):
        read(table(tmp_path, LABEL, [f"[{c} 1]" for c in PRED]), "x")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_errors_name_the_line_whatever_ends_it(tmp_path, end):
    path = table(tmp_path, LABEL, PRED, end)
    raw = path.read_bytes().replace(b'"', b"")
    lines = raw.split(end.encode())
    path.write_bytes(end.encode().join([*lines[:40], b'"' + lines[40], *lines[41:]]))
    with pytest.raises(AuditError, match="a quote that opens in line 41 and does not close"):
        read(path, "x")
    path.write_bytes(end.encode().join([*lines[:40], b"\x00" + lines[40], *lines[41:]]))
    with pytest.raises(AuditError, match="a zero byte in line 41"):
        read(path, "x")
