"""CSV of programs and people: accuracy and recalls are those of scikit-learn, or the file is refused."""

import pytest
from sklearn.metrics import accuracy_score

from dropmix.audit import AuditError

from .programs import (
    BEST,
    CLASSES,
    COUNT,
    LABEL,
    LOGITS,
    NAMES,
    ONE_HOT,
    PRED,
    PROBS,
    SAID,
    TRUE,
    arms,
    check,
    quoted,
    text,
)

FORMS = """p({})|P (species={})|{}_score|{} confidence|prob[{}]|softmax_{}|y_prob_{}|Probability:Class={}|{}.prob|p{}
Scored Probabilities_{}|pred_prob_{}|pred_{}|predictions_{}|class_{}|out_{}|%{}|{}""".replace("\n", "|").split("|")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("unit", [1, 100, "%"])
def test_probability_columns_whatever_they_are_called(tmp_path, form, unit):
    write = (lambda v: f"{100 * v:.6f}%") if unit == "%" else (lambda v: f"{unit * v:.8f}")
    scores = [[*map(write, column)] for column in PROBS.T]
    order = [2, 0, 3, 1]
    for true, names in ((TRUE, CLASSES), (LABEL, range(4))):
        heads = ["filename", "label", *(form.format([*names][k]) for k in order)]
        (arm,) = arms(tmp_path, "a.csv", text(heads, NAMES, true, *(scores[k] for k in order)))
        check(arm)
        assert arm.p_true is not None


@pytest.mark.parametrize("form", ["pred_{}", "p_{}", "{}"])
def test_a_one_in_the_column_of_the_predicted_class(tmp_path, form):
    (arm,) = arms(tmp_path, "a.csv", text(["label", *map(form.format, CLASSES)], TRUE, *ONE_HOT[PRED].T))
    check(arm)
    assert arm.p_max is None


def test_logits_under_the_names_of_the_classes(tmp_path):
    check(arms(tmp_path, "a.csv", text(["label", *CLASSES], TRUE, *LOGITS.T))[0])
    with pytest.raises(AuditError, match="expected columns label and pred"):  # one of them may be no class
        arms(tmp_path, "b.csv", text(["label", *CLASSES, "loss"], TRUE, *LOGITS.T, BEST))
    check(arms(tmp_path, "c.csv", text(["label", *CLASSES, "loss"], TRUE, *PROBS.T, BEST))[0])


def test_features_are_no_scores(tmp_path):
    content = text(["label", *(f"feat_{k}" for k in range(4))], LABEL, *LOGITS.T)
    with pytest.raises(AuditError, match="expected columns label and pred"):
        arms(tmp_path, "a.csv", content)


@pytest.mark.parametrize("names", [CLASSES, range(4)])
def test_true_classes_in_one_column_each(tmp_path, names):
    """As in Kaggle's and ISIC's files: the truth has a column of 0 and 1 per class."""
    truth = text(["image", *map(str, names)], NAMES, *ONE_HOT[LABEL].T)
    for head, columns in ((["image", *map(str, names)], PROBS.T), (["image", "pred"], [[[*names][k] for k in PRED]])):
        check(arms(tmp_path, "a.csv", text(head, NAMES, *columns), truth)[0])


NUMBERED = [[f"{i + 1}:{CLASSES[i]}" for i in values] for values in (LABEL, PRED)]
ERRORS = ["+" * (a != b) for a, b in zip(TRUE, SAID)]
WEKA = text("inst#,actual,predicted,error,prediction", range(COUNT), *NUMBERED, ERRORS, BEST.round(3))
NUMBERS = quoted(range(1, COUNT + 1))


@pytest.mark.parametrize(
    "content",
    [
        WEKA,
        text('"","pred","obs"', NUMBERS, quoted(SAID), quoted(TRUE)),
        text('"pred","obs"', NUMBERS, quoted(SAID), quoted(TRUE)),  # R's write.table: no name for the names of rows
        text('"pred" "obs"', NUMBERS, quoted(SAID), quoted(TRUE), mark=" "),
        text(".pred_class,truth,.pred_cat,.pred_dog", SAID, TRUE, BEST, BEST),
        text("truth,.pred_cat,.pred_dog,.pred_fox,.pred_yak", TRUE, *PROBS.T),
        text("YTest,YPred", TRUE, SAID),
        text("TrueLabel,PredictedLabel,Score", TRUE, SAID, BEST),
        text("species,prediction_label,prediction_score,label", TRUE, SAID, BEST, TRUE),
        text("#id,label,pred", NAMES, TRUE, SAID),
        text("# label,pred", TRUE, SAID),
        text("# label pred", LABEL, PRED, mark=" "),
        text("% label;pred", TRUE, SAID, mark=";"),
        "# made by eval.py\n# lr=0.1, seed=3\n" + text("id,label,pred", NAMES, TRUE, SAID),
        "#TYPE System.Management.Automation.PSCustomObject\n" + text('"id","label","pred"', NAMES, TRUE, SAID),
        "Predictions of model 3\n\n" + text("id,label,pred", NAMES, TRUE, SAID),
        "Predictions of model 3,,\n" + text("id,label,pred", NAMES, TRUE, SAID),
        text("id,label,pred", NAMES, TRUE, [f"{s}," for s in SAID]),
        text("id, label, pred", NAMES, [f" {t}" for t in TRUE], [f" {s}" for s in SAID]),
        text("id , label , pred", [f"{n} " for n in NAMES], [f" {t}  " for t in TRUE], [f"  {s}" for s in SAID]),
        text('"id", "label", "pred"', NAMES, [f' "{t}"' for t in TRUE], [f' "{s}"' for s in SAID]),
    ],
)
def test_csv_of_other_programs(tmp_path, content):
    (arm,) = arms(tmp_path, "a.csv", content)
    check(arm)
    titles = arm.class_names or ("cat", "dog", "fox", "yak")
    assert [t.split(":")[-1] for t in titles] == CLASSES


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-8-sig"])
def test_utf_16_with_and_without_a_mark(tmp_path, encoding):
    check(arms(tmp_path, "a.csv", text("id,label,pred", NAMES, TRUE, SAID).encode(encoding))[0])


PLAIN = text("id,label,pred", NAMES, TRUE, SAID)
BARE = text("label,pred", TRUE, SAID)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN + PLAIN, "got it again after 40 rows"),
        (PLAIN + "\ufeff" + PLAIN, "got it again after 40 rows"),
        (BARE + BARE, "got it again after 40 rows"),
        (PLAIN + "Total,40,25\n", "a last row that sums up: Total, 40, 25"),
        (BARE + "accuracy,0.58\n", "a last row that sums up: accuracy, 0.58"),
        (BARE + "Mean:,0.58\n", "a last row that sums up"),
        (text("label,pred,x", [*TRUE[:-1], "nan"], SAID, SAID), "label without gaps, got 1 empty value, in row 40"),
        (
            text("label,pred,x", [*TRUE[:-1], "?"], SAID, SAID),
            r"if '\?' is a class, give the class list \(--classes FILE\)",
        ),
        (text("label,pred", TRUE, BEST), "label and pred of one type"),
        (text("label,pred_0,pred_1", TRUE, BEST, BEST), "one type"),
        (text("id,.row,label,pred", ["Fold1"] * COUNT, range(COUNT), TRUE, SAID), "--columns example_id=NAME"),
    ],
)
def test_rows_that_are_no_predictions_are_told(tmp_path, content, message):
    with pytest.raises(AuditError, match=message):
        arms(tmp_path, "a.csv", content)


@pytest.mark.parametrize("word", ["total", "mean", "accuracy"])
def test_a_last_row_of_a_class_called_as_a_sum_is_read(tmp_path, word):
    (arm,) = arms(tmp_path, "a.csv", PLAIN + f"last.png,{word},{SAID[0]}\n")
    assert len(arm.labels) == COUNT + 1
    assert word in arm.class_names


@pytest.mark.parametrize("word", ["NA", "-", "?", "None", "null", "n/a"])
def test_a_class_called_as_a_gap_is_read_with_a_class_list(tmp_path, word):
    content = text("id,label,pred", NAMES, [word if t == "yak" else t for t in TRUE], ["dog"] * COUNT)
    with pytest.raises(AuditError, match="give the class list"):
        arms(tmp_path, "a.csv", content)
    (arm,) = arms(tmp_path, "a.csv", content, classes=[word, "cat", "dog", "fox"])
    assert (arm.labels == 0).sum() == [*TRUE].count("yak")


def test_classes_called_as_sums_are_read(tmp_path):
    names = {"cat": "total", "dog": "mean", "fox": "sum", "yak": "acc"}
    true, said = [names[t] for t in TRUE], [names[s] for s in SAID]
    (arm,) = arms(tmp_path, "a.csv", text("label,pred", true, said))
    assert accuracy_score(arm.labels, arm.pred[0]) == accuracy_score(LABEL, PRED)
