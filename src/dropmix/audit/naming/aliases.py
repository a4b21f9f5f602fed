"""The usual names of what an audit needs, and how names are compared."""

import re

_LABEL = """label labels y_true true_label true_class true target targets label_ids y_test gt_label gt_labels truth
    label_id ground_truth gt actual reference references y obs observed actual_class actual_label true_labels
    true_classes label_true target_class target_label gt_class ground_truth_label expected_class expected_label
    targs"""
# Two of these may stand side by side: "prediction" is then rather a score.
_PRED = """pred preds y_pred predicted predicted_class predicted_label predicted_labels predicted_classes
    pred_label pred_labels pred_class pred_classes prediction_label prediction_class predictions_label
    predictions_class scored_labels label_pred y_hat yhat prediction predictions estimate predict"""
_ID = """example_id id ids example image_id sample_id filename imagename image_name file path filepath image_path image
    img uid key img_path img_name img_id image_file file_id row row_id row_index"""
_P_MAX = """p_max predicted_probability confidence probability prob prediction_score predicted_prob pred_confidence
    prediction_confidence predictions_confidence"""
ALIASES: dict[str, tuple[str, ...]] = {
    "arm": ("arm",),
    "seed": ("seed",),
    "example_id": tuple(_ID.split()),
    "label": tuple(_LABEL.split()),
    "pred": tuple(_PRED.split()),
    "p_true": ("p_true",),
    "p_max": tuple(_P_MAX.split()),
    "topk": ("topk",),
    "accept": ("accept", "acceptable", "acceptable_labels"),
}
"""By content, best first; compared as `bare` spells them."""
ALONE = ("label", "class", "category", "target", "index", "class_id", "label_id")
"""Names of predictions in a file without labels, such as a submission."""


def plain(name: str) -> str:
    """A column's name without case, spaces, dashes and characters that do not show."""
    return re.sub(r"[\s.-]+", "_", re.sub("[\u200b-\u200f\u2060\ufeff]", "", name).strip().lower())


def bare(name: str) -> str:
    """A `plain` name without marks between its words.

    Example:
        >>> bare("y_true"), bare("YTrue"), bare(".pred class")
        ('ytrue', 'ytrue', 'predclass')
    """
    return plain(name).replace("_", "")


IDS = frozenset(map(bare, ALIASES["example_id"]))
KEYS = ("labels", "pred", "probs", "logits", "p_true", "p_max", "topk", "example_id", "seeds", "classes")
KEYS += ("superclasses", "train_counts", "arm", "accept", "group", "by")
ALSO = {alias: key if key != "label" else "labels" for key, names in ALIASES.items() for alias in names}
ALSO |= {"seed": "seeds", "scores": "scores", "probabilities": "probs", "softmax": "probs", "class_names": "classes"}
ALSO |= {"groups": "group", **{key: key for key in KEYS}, **dict.fromkeys(("y_logits", "log_probs"), "logits")}
ALSO |= dict.fromkeys(("y_prob", "y_proba", "y_probs", "y_pred_proba", "y_pred_prob", "pred_probs"), "probs")
ALSO |= dict.fromkeys(("predict_proba", "pred_proba", "probas"), "probs")
ALSO |= dict.fromkeys(("y_score", "y_scores", "output", "outputs", "pred_scores"), "scores")
ALSO = {bare(name): key for name, key in ALSO.items()}
