"""Folders of predictions as people have them: a folder per seed, lists of classes beside, several damaged files."""

import json

import pytest

from dropmix.audit import AuditError, audit_predictions

LABEL = ["cat", "dog", "fox"] * 8
CODE = {"cat": "0", "dog": "1", "fox": "2"}


def write(path, wrong=1, label=LABEL, pred=LABEL):
    """A file of predictions of which `wrong` are those of the next example."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pred = [pred[(i + 1) % len(pred)] if i < wrong else p for i, p in enumerate(pred)]
    rows = [f"{i},{a},{b}" for i, (a, b) in enumerate(zip(label, pred, strict=True))]
    path.write_text("\n".join(["id,label,pred", *rows, ""]))
    return str(path)


def told(result):
    return " ".join(note for c in result.comparisons for note in c.notes)


@pytest.mark.parametrize("form", ["s{}/preds.csv", "seed_{}/test.csv", "run{}/out.csv", "version_{}/predictions.csv"])
def test_a_folder_per_seed_is_one_arm(tmp_path, form):
    for arm, wrong in (("vanilla", 1), ("mixup", 3)):
        for seed in range(3):
            write(tmp_path / arm / form.format(seed), wrong + seed)
    result = audit_predictions(tmp_path / "vanilla", tmp_path / "mixup", refits=0)
    assert [(c.baseline, c.arm) for c in result.comparisons] == [("vanilla", "mixup")]
    assert result.comparisons[0].summary["seeds_treated"] == 3
    assert [source["seeds"] for source in result.inputs] == [[0], [1], [2]] * 2


def test_folders_per_seed_with_files_of_several_arms_are_refused(tmp_path):
    for seed in range(2):
        for arm in ("cutmix", "mixup"):
            write(tmp_path / f"all/s{seed}/{arm}.csv", seed + 1)
    base = write(tmp_path / "vanilla.csv")
    with pytest.raises(AuditError, match=r"all: expected a folder with files of one arm, got files of cutmix, mixup"):
        audit_predictions(base, tmp_path / "all")


def test_files_further_down_are_pointed_at(tmp_path):
    base = write(tmp_path / "vanilla.csv")
    deep = write(tmp_path / "mixup/2024-01-01/12-00/preds.csv")
    with pytest.raises(AuditError, match=rf"further down lies {deep}\. Give the folders that hold the files"):
        audit_predictions(base, tmp_path / "mixup")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("classes.txt", "cat\ndog\nfox\n"),
        ("class_names.json", '["cat", "dog", "fox"]'),
        ("id2label.json", '{"0": "cat", "1": "dog", "2": "fox"}'),
        ("class_to_idx.json", '{"cat": 0, "dog": 1, "fox": 2}'),
        ("config.json", '{"id2label": {"0": "cat", "1": "dog", "2": "fox"}, "model_type": "vit"}'),
    ],
)
def test_a_list_of_classes_beside_is_no_file_of_predictions_and_its_option_is_named(tmp_path, name, content):
    numbers = [CODE[c] for c in LABEL]
    for arm, wrong in (("vanilla", 1), ("mixup", 3)):
        write(tmp_path / f"{arm}.csv", wrong, numbers, numbers)
    (tmp_path / name).write_text(content)
    result = audit_predictions(tmp_path, refits=0)
    assert f"To read it: --classes {tmp_path / name}." in told(result)
    assert {*result.classes["class"]} == {"0", "1", "2"}
    named = audit_predictions(tmp_path, classes=tmp_path / name, refits=0)
    assert {*named.classes["class"]} == {*CODE}
    assert "--classes" not in told(named)
    for arm in ("vanilla", "mixup"):
        write(tmp_path / f"{arm}.csv", 1, LABEL, numbers)
    with pytest.raises(AuditError, match=rf"give the class list \(--classes {tmp_path / name}\)"):
        audit_predictions(tmp_path)
    assert {*audit_predictions(tmp_path, classes=tmp_path / name, refits=0).classes["class"]} == {*CODE}


def test_several_lists_of_classes_are_not_chosen_from(tmp_path):
    numbers = [CODE[c] for c in LABEL]
    for arm in ("vanilla", "mixup"):
        write(tmp_path / f"{arm}.csv", 1 + len(arm), numbers, numbers)
    (tmp_path / "classes.txt").write_text("cat\ndog\nfox\n")
    (tmp_path / "id2label.json").write_text(json.dumps({"0": "fox", "1": "dog", "2": "cat"}))
    assert "--classes" not in told(audit_predictions(tmp_path, refits=0))


@pytest.mark.parametrize("form", ["list", "mapping", "folder"])
def test_all_damaged_files_are_named_at_once_and_equal_faults_once(tmp_path, form):
    files = {arm: [tmp_path / f"{arm}/{arm}-s{seed}.parquet" for seed in range(3)] for arm in ("vanilla", "mixup")}
    for file in (file for of_arm in files.values() for file in of_arm):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"PAR1 cut short")
    text = tmp_path / "mixup" / "mixup-s3.csv"
    text.write_text('label,pred\n0,"0\n')
    files["mixup"].append(text)
    given = {
        "list": (files["vanilla"], files["mixup"]),
        "mapping": (files["vanilla"], {"mixup": files["mixup"]}),
        "folder": (tmp_path / "vanilla", tmp_path / "mixup"),
    }
    with pytest.raises(AuditError) as told:
        audit_predictions(*given[form])
    assert all(str(file) in str(told.value) for of_arm in files.values() for file in of_arm)
    assert str(told.value).count("Parquet magic bytes not found") == 1


@pytest.mark.parametrize("form", ["list", "mapping", "folder"])
def test_damaged_labels_are_named_beside_damaged_predictions(tmp_path, form):
    sound, torn = write(tmp_path / "vanilla" / "s0.csv"), tmp_path / "mixup" / "s0.csv"
    empty = write(tmp_path / "mixup" / "s1.csv", 2)
    torn.parent.mkdir(exist_ok=True)
    torn.write_text("id,label,pred\n0,cat,cat\n1,ca")
    open(empty, "w").close()
    mixup = {"list": [torn, empty], "mapping": {"mixup": [torn, empty]}, "folder": tmp_path / "mixup"}[form]
    names = tmp_path / "classes.txt"
    names.write_text("\n")
    with pytest.raises(AuditError) as told:
        audit_predictions(sound, mixup, labels=tmp_path / "y.csv", classes=names, by=f"{tmp_path / 'by.csv'}:camera")
    assert all(str(tmp_path / name) in str(told.value) for name in ("y.csv", "by.csv", "classes.txt"))
    assert str(torn) in str(told.value)
    assert empty in str(told.value)
    assert sound not in str(told.value)


@pytest.mark.parametrize("label", [[0, 0, 1, 1] * 2, [0, 0, 1, 1] * 25, [0, 0, 1] * 2, ([0] * 19 + [1]) * 2])
def test_labels_that_repeat_are_no_stacked_seeds(tmp_path, label):
    for arm, wrong in (("vanilla", 1), ("mixup", 4)):
        pred = [1 - v if i < wrong else v for i, v in enumerate(label)]
        rows = [f"{a},{b}" for a, b in zip(label, pred, strict=True)]
        (tmp_path / f"{arm}.csv").write_text("\n".join(["label,pred", *rows, ""]))
    result = audit_predictions(tmp_path / "vanilla.csv", tmp_path / "mixup.csv", refits=0)
    assert sum(result.classes["n"]) == len(label)


def test_slices_by_superclass_name_the_option(tmp_path):
    base, new = write(tmp_path / "vanilla.csv"), write(tmp_path / "mixup.csv", 3)
    with pytest.raises(AuditError, match=r"cameras\.csv: expected a file, got nothing there"):
        audit_predictions(base, new, by=f"{tmp_path / 'cameras.csv'}:camera")
    with pytest.raises(AuditError, match=r"superclass of each class \(--superclasses FILE\)\. The same holds of"):
        audit_predictions(base, new, by="superclass")


def test_the_audit_notes_which_file_is_which_seed(tmp_path):
    files = {arm: [write(tmp_path / f"{arm}/{name}.csv", len(arm + name)) for name in "xy"] for arm in ("van", "mix")}
    result = audit_predictions({"vanilla": files["van"], "mixup": files["mix"]}, refits=0)
    assert {source["path"]: source["seeds"] for source in result.inputs} == {
        path: [seed] for of_arm in files.values() for seed, path in enumerate(of_arm)
    }
