"""Valid files that must be read, and files without meaning that must be refused: arms, gaps, packed, damaged."""

import gzip
import json
import os
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from dropmix.audit import AuditError, audit_grid, audit_predictions

NAMES = ("cat", "dog", "fox")
LABELS = np.arange(60) % 3


@pytest.fixture
def rows(rng):
    """Columns of one run, all different from call to call."""

    def rows(names=NAMES, ids=lambda i: f"i{i:03d}"):
        pred = np.where(rng.random(60) < 0.8, LABELS, rng.integers(0, 3, 60))
        texts = np.array(names)
        return {"id": [ids(i) for i in range(60)], "label": texts[LABELS].tolist(), "pred": texts[pred].tolist()}

    return rows


def write(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values()))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def audit(*sources, **options):
    return audit_predictions(*sources, refits=0, **options).only


@pytest.mark.parametrize("names", [("vanilla", "mixup"), ("before", "after"), ("best", "last"), ("resnet", "vit")])
def test_words_in_a_folder_are_arms_and_no_seeds(tmp_path, rows, names):
    for folder in ("fold1", "fold2"):
        for name in names:
            write(tmp_path / folder / f"{name}.csv", rows())
    with pytest.raises(AuditError, match="expected a folder with files of one arm"):
        audit(tmp_path / "fold1", tmp_path / "fold2")


def test_debris_in_a_folder_of_predictions_is_no_file_of_it(tmp_path, rows):
    for arm in ("vanilla", "mixup"):
        for seed in (0, 1):
            write(tmp_path / arm / f"seed{seed}.csv", rows())
        for name in ("~$seed0.csv", "._seed0.csv", ".~lock.seed0.csv#", "Thumbs.db", "desktop.ini", ".DS_Store"):
            (tmp_path / arm / name).write_bytes(b"x")
    assert audit(tmp_path / "vanilla", tmp_path / "mixup").summary["seeds_treated"] == 2
    with pytest.raises(AuditError, match=r"got none \(2 folders are no runs .*mixup, vanilla.*Give the folder of each"):
        audit_grid(tmp_path)


def test_words_in_a_folder_are_parts_where_examples_differ(tmp_path, rows):
    write(tmp_path / "base.csv", rows())
    whole = rows()
    for name, part in (("morning", slice(0, 25)), ("evening", slice(25, None))):
        write(tmp_path / "mixup" / f"{name}.csv", {k: v[part] for k, v in whole.items()})
    assert audit(tmp_path / "base.csv", tmp_path / "mixup").summary["n_examples"] == 60


@pytest.mark.parametrize("link", [os.link, os.symlink, lambda a, b: b.write_bytes(a.read_bytes())])
def test_a_copy_is_no_arm(tmp_path, rows, link):
    base, mixup = write(tmp_path / "vanilla.csv", rows()), write(tmp_path / "mixup.csv", rows())
    link(mixup, tmp_path / "cutmix.csv")
    with pytest.raises(AuditError, match=r"each run once, got .*mixup.csv and .*cutmix.csv with the same bytes"):
        audit_predictions(base, [mixup, tmp_path / "cutmix.csv"], refits=0)


@pytest.mark.parametrize("gap", ["NA", "N/A", "#N/A", "-", "--", "?", ".", "nan", "NULL", "\u00a0", "\u200b"])
@pytest.mark.parametrize("names", [NAMES, ("0", "1", "2")])
def test_a_prediction_that_says_nothing_is_an_error_with_its_rows(tmp_path, rows, gap, names):
    base, bad = write(tmp_path / "a.csv", rows(names)), rows(names)
    bad["pred"][3] = bad["pred"][7] = gap
    with pytest.raises(AuditError, match=r"b\.csv: expected pred without gaps, got 2 .*row 4, 8"):
        audit(base, write(tmp_path / "b.csv", bad))


def test_what_looks_like_a_gap_is_a_class_where_it_is_a_label(tmp_path, rows):
    names = ("NA", "-", "?")
    found = audit(write(tmp_path / "a.csv", rows(names)), write(tmp_path / "b.csv", rows(names)))
    assert sorted(found.classes["class"]) == sorted(names)
    listed = rows()
    listed["pred"][3] = "NA"
    listed = write(tmp_path / "c.csv", listed)
    assert audit(write(tmp_path / "d.csv", rows()), listed, classes=[*NAMES, "NA"]).summary["n_classes"] == 3


@pytest.mark.parametrize("ending", [".csv.gz", ".csv", ".TSV.GZ", ".json.gz"])
def test_packed_files_are_read_whatever_their_name(tmp_path, rows, ending):
    plain = [write(tmp_path / f"{name}.csv", rows()) for name in "ab"]
    packed = [tmp_path / f"{path.stem}{ending}" for path in plain]
    expected = audit(*plain).classes["recall_change"]
    for path, other in zip(plain, packed):
        content = path.read_bytes()
        if ending == ".json.gz":
            table = csv.read_csv(path)
            content = str(table.to_pylist()).replace("'", '"').encode()
        other.write_bytes(gzip.compress(content))
    np.testing.assert_array_equal(audit(*packed).classes["recall_change"], expected)
    assert audit(*packed).arm == "b"


def test_packed_bombs_and_torn_archives_are_refused(tmp_path, rows):
    base = write(tmp_path / "a.csv", rows())
    with gzip.GzipFile(tmp_path / "b.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"label,pred\n")
        for _ in range(300):
            file.write(b"0,0\n" * 250_000)
    with pytest.raises(AuditError, match=r"b\.csv\.gz: expected text whose size fits its file"):
        audit(base, tmp_path / "b.csv.gz")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(base.read_bytes())[:-9])
    with pytest.raises(AuditError, match=r"c\.csv\.gz: expected a readable gzip file"):
        audit(base, tmp_path / "c.csv.gz")


@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
def test_zero_bytes_in_text_are_an_error_with_their_line(tmp_path, rows, at):
    base, other = write(tmp_path / "a.csv", rows()), write(tmp_path / "b.csv", rows())
    content = other.read_bytes()
    place = len("id,label,pred\n") + int(at * (len(content) - len("id,label,pred\n")))
    other.write_bytes(content[:place] + b"\0\0" + content[place:])
    line = content[:place].count(b"\n") + 1
    with pytest.raises(AuditError, match=rf"b\.csv: expected text, got a zero byte in line {line}\b"):
        audit(base, other)


@pytest.mark.parametrize("content", ["\n\n\n", ",", ",,\n,,\n", " \n", "\ufeff\n", "sep=,\n"])
def test_an_empty_header_is_said(tmp_path, rows, content):
    (tmp_path / "b.csv").write_text(content)
    with pytest.raises(AuditError, match=r"b\.csv: expected a header line with the names of columns"):
        audit(write(tmp_path / "a.csv", rows()), tmp_path / "b.csv")


def saved(folder, name, **arrays):
    np.savez(folder / f"{name}.npz", **arrays)
    return folder / f"{name}.npz"


@pytest.mark.parametrize(
    "shape",
    [
        lambda a: a[:, None],
        lambda a: a.astype("S"),
        lambda a: a.astype(">i4"),
        lambda a: a.astype(np.float16),
        lambda a: a.astype("U"),
    ],
)
def test_arrays_as_frameworks_have_them(tmp_path, rng, shape):
    preds = [np.where(rng.random(60) < 0.8, LABELS, rng.integers(0, 3, 60)) for _ in range(2)]
    plain = audit(*({"labels": LABELS, "pred": p} for p in preds)).classes["recall_change"]
    files = [saved(tmp_path, f"m{i}", labels=shape(LABELS), pred=shape(p), loss=p * 0.5) for i, p in enumerate(preds)]
    np.testing.assert_array_equal(audit(*files).classes["recall_change"], plain)


def test_bytes_and_decimals_of_other_writers(tmp_path, rows):
    base, other = rows(), rows()
    expected = audit(write(tmp_path / "a.csv", base), write(tmp_path / "b.csv", other)).classes["recall_change"]
    table = {key: pa.array(values, pa.string()).cast(pa.binary()) for key, values in other.items()}
    pq.write_table(pa.table(table), tmp_path / "b.parq")
    np.testing.assert_array_equal(audit(tmp_path / "a.csv", tmp_path / "b.parq").classes["recall_change"], expected)
    whole = pa.table({"label": pa.array(LABELS), "pred": pa.array(LABELS)})
    pq.write_table(whole, tmp_path / "c.parquet")
    pq.write_table(
        pa.table({k: whole[k].cast(pa.decimal128(38, 0)) for k in ("label", "pred")}), tmp_path / "d.parquet"
    )
    assert audit(tmp_path / "c.parquet", tmp_path / "d.parquet").summary["accuracy_treated"] == 1


def test_a_spreadsheet_is_told_what_to_do(tmp_path, rows):
    (tmp_path / "b.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(AuditError, match="Save the sheet as CSV"):
        audit(write(tmp_path / "a.csv", rows()), tmp_path / "b.xlsx")


@pytest.mark.parametrize(
    ("one", "other", "advice"),
    [
        (lambda i: f"test/é{i}.jpg", lambda i: unicodedata.normalize("NFD", f"test/é{i}.jpg"), "looks the same"),
        (lambda i: f"test/a/{i}.jpg", lambda i: f"test\\a\\{i}.jpg", "Write slashes alike"),
        (lambda i: f"data/test/{i}.jpg", lambda i: f"{i}.jpg", "names of files"),
        (lambda i: f"{i}.JPG", lambda i: f"{i}.jpg", "the same way"),
    ],
)
def test_ids_that_are_written_otherwise_get_advice(tmp_path, rows, one, other, advice):
    files = write(tmp_path / "a.csv", rows(ids=one)), write(tmp_path / "b.csv", rows(ids=other))
    for pair in (files, files[::-1]):
        with pytest.raises(AuditError, match=advice):
            audit(*pair)


def test_class_names_that_print_alike_across_files_are_told_apart(tmp_path, rows):
    names = [[unicodedata.normalize(form, n) for n in ("café", "dog", "fox")] for form in ("NFC", "NFD")]
    files = [write(tmp_path / f"{i}.csv", rows(tuple(n))) for i, n in enumerate(names)]
    with pytest.raises(AuditError, match=r"looks the same but has other characters .*xe9.*u0301"):
        audit(*files)


def test_arms_of_one_and_of_two_seeds_write_whole_files(tmp_path, rows):
    base = write(tmp_path / "vanilla.csv", rows())
    one, two = write(tmp_path / "mixup.csv", rows()), [write(tmp_path / f"cutmix-s{i}.csv", rows()) for i in range(2)]
    for order in ([one, *two], [*two, one]):
        found = audit_predictions(base, order, refits=0)
        lines = found.to_csv(tmp_path / "classes.csv").read_text().splitlines()
        assert len(lines) == 7
        assert len({line.count(",") for line in lines}) == 1
        assert '"mcnemar_p"' in lines[0].split(",")


def test_rows_of_empty_cells_end_a_spreadsheet_and_gaps_do_not(tmp_path, rows):
    one, other = write(tmp_path / "one.csv", rows()), write(tmp_path / "other.csv", rows())
    plain = audit(one, other).summary
    one.write_text(one.read_text() + ",,\n , ,\n")
    assert audit(one, other).summary == plain
    one.write_text(one.read_text() + "i999,,\n")
    with pytest.raises(AuditError, match="without gaps, got"):
        audit(one, other)


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.ndjson"])
@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0b"])
def test_lines_of_json_end_at_line_feeds_alone(tmp_path, rows, name, mark):
    paths = [tmp_path / folder / name for folder in ("vanilla", "mixup")]
    for path in paths:
        table = rows(names=("cat", f"dog{mark}x", "fox"))
        path.parent.mkdir()
        lines = [json.dumps(dict(zip(table, row)), ensure_ascii=False) for row in zip(*table.values())]
        path.write_text("\n".join(lines), encoding="utf-8")
    assert f"dog{mark}x" in audit(*paths).classes["class"]


def test_numbers_beside_text_in_json_are_named(tmp_path, rows):
    for name, value in (("one", "dog"), ("other", 3)):
        table = rows()
        table["pred"][4] = value
        table_rows = [dict(zip(table, row)) for row in zip(*table.values())]
        (tmp_path / f"{name}.json").write_text(json.dumps({"schema": {"fields": []}, "data": table_rows}))
    with pytest.raises(AuditError, match=r"other\.json: expected numbers or text in 'pred', got .* and 3"):
        audit(tmp_path / "one.json", tmp_path / "other.json")


def test_arms_stacked_without_their_column_get_advice(tmp_path, rows):
    one, other = rows(), rows()
    both = {key: one[key] + other[key] for key in one} | {"seed": [0] * 120, "method": ["a"] * 60 + ["b"] * 60}
    path = write(tmp_path / "both.csv", both)
    with pytest.raises(AuditError, match="If 2 runs are stacked: --columns arm=NAME,seed=NAME"):
        audit(path)
    found = audit_predictions(path, columns={"arm": "method"}, reference="a", refits=0)
    assert [c.arm for c in found.comparisons] == ["b"]


def test_runs_without_errors_are_no_copies(tmp_path, rows):
    perfect = [write(tmp_path / f"plain-s{s}.csv", rows() | {"pred": rows()["label"]}) for s in range(2)]
    others = [write(tmp_path / f"mixup-s{s}.csv", rows()) for s in range(2)]
    assert audit(perfect, others).summary["accuracy_baseline"] == 1
    os.link(perfect[0], tmp_path / "plain-s2.csv")
    with pytest.raises(AuditError, match="each run once"):
        audit([*perfect, tmp_path / "plain-s2.csv"], others)


def test_a_class_that_one_source_lacks_is_named(tmp_path, rows):
    whole = rows()
    cut = {key: [v for v, label in zip(values, whole["label"]) if label != "dog"] for key, values in rows().items()}
    with pytest.raises(AuditError, match=r"20 missing, all of dog among them.*--intersect"):
        audit(write(tmp_path / "a.csv", whole), write(tmp_path / "b.csv", cut))


def test_marks_that_do_not_show_are_no_part_of_a_column_s_name(tmp_path, rows):
    one, other = rows(), rows()
    paths = [write(tmp_path / "one.csv", one), write(tmp_path / "other.csv", {"\u200bid": other.pop("id"), **other})]
    assert audit(*paths).summary["n_examples"] == 60


@pytest.mark.parametrize("pattern", ["{} (seed {}).csv", "{} [run {}].csv", "{}(fold{}).csv"])
def test_seeds_in_brackets(tmp_path, rows, pattern):
    paths = [write(tmp_path / pattern.format(arm, s), rows()) for arm in ("vanilla", "mixup") for s in (0, 1)]
    found = audit_predictions(paths, refits=0)
    assert [(c.baseline, c.arm) for c in found.comparisons] == [("vanilla", "mixup")]
