"""The schema of audit.json, and the meaning of every number in it.

python -m dropmix.audit.schema > docs/audit.schema.json
"""

import json

from dropmix.audit.result import SCHEMA_VERSION

# Numbers with a twin that ends in _population: new seeds and new examples, in place of new seeds on these examples.
INFERRED = {
    "heterogeneity_p": "p value of Cochran's test that all classes change alike",
    "heterogeneity_tau": "sd over classes of the true changes (DerSimonian-Laird)",
    "heterogeneity_i2": "share of the variance of the changes that is not noise",
    "floor_n_degraded": "classes that would look degraded if all classes changed alike",
    "floor_n_degraded_low": "lower end of its 95 % band",
    "floor_n_degraded_high": "upper end of its 95 % band",
    "floor_mean_degraded_change": "mean change of the classes that look degraded then",
    "n_degraded_estimate": "estimated number of classes whose true change is below -margin",
    "n_degraded_estimate_low": "lower end of its interval",
    "n_degraded_estimate_high": "upper end of its interval",
    "mean_degraded_change_estimate": "estimated mean of their true changes",
    "mean_degraded_change_estimate_low": "lower end of its interval",
    "mean_degraded_change_estimate_high": "upper end of its interval",
}
EXACT = {
    "mean_degraded_change": "mean recall change of the degraded classes",
    "sd_degraded_change": "its sd over classes, ddof 0",
    "mean_improved_change": "mean recall change of the improved classes",
    "sd_improved_change": "its sd over classes, ddof 0",
    "accuracy_baseline": "mean over seeds, over all examples (micro)",
    "accuracy_treated": "mean over seeds, over all examples (micro)",
    "accuracy_baseline_sd": "sd over seeds, ddof 0",
    "accuracy_treated_sd": "sd over seeds, ddof 0",
    "gain": "accuracy_treated - accuracy_baseline",
    "accuracy_baseline_macro": "mean class recall, where classes differ in size",
    "accuracy_treated_macro": "mean class recall, where classes differ in size",
    "gain_macro": "mean recall change, where classes differ in size",
    "worst_class_baseline": "lowest class recall",
    "worst_class_treated": "lowest class recall",
    "bottom_tenth_baseline": "mean recall of the lowest tenth of classes",
    "bottom_tenth_treated": "mean recall of the lowest tenth of classes",
    "margin": "loss beyond which a class counts as truly degraded",
    "confidence_change_improved": "mean confidence change of the improved classes",
    "confidence_change_degraded": "mean confidence change of the degraded classes",
    "confidence_change_difference": "degraded minus improved",
    "confidence_change_difference_low": "lower end of Welch's interval over classes",
    "confidence_change_difference_high": "upper end of Welch's interval over classes",
    "seed_variance_ratio": "variance of class recall over seeds / what independent flips would give",
    "seed_covariance": "pooled covariance of the arms' class recalls over shared seeds",
    "split_n_degraded": "classes that look degraded on half the seeds, mean over splits",
    "split_chosen_change": "their mean change on those seeds",
    "split_other_change": "their mean change on the other seeds",
    "split_still_degraded": "share of them that look degraded on the other seeds too",
    "within_superclass_change": "change in the share of examples taken for another class of their superclass",
    "across_superclass_change": "change in the share of examples taken for a class of another superclass",
}
COUNTS = {
    "n_classes": "classes with examples, M",
    "n_examples": "examples, N",
    "seeds_baseline": "S0",
    "seeds_treated": "S1",
    "n_degraded": "classes whose mean recall is lower by any amount (the paper's N_DC)",
    "n_improved": "classes whose mean recall is higher by any amount",
    "n_tied": "classes whose mean recall is the same",
    "shared_seeds": "seeds that both arms have, when they are paired",
    "n_called": "classes called degraded at the stated FDR",
    "n_called_improved": "classes called improved",
    "n_called_population": "as n_called, for new examples too",
    "n_called_improved_population": "as n_called_improved, for new examples too",
}
TEXTS = {
    "confidence_kind": "p_true or p_max: what confidence is",
    "procedure": "empirical Bayes, or tests of each class where they are few",
}
RESCUE = {
    "rescue_n_degraded": "classes that the first arm degrades on half its seeds, mean over splits",
    "rescue_lost": "their mean change under the first arm on the other seeds",
    "rescue_given_back": "their mean change from the first arm to the second, on the other seeds",
    "rescue_others": "the same for the other classes",
}
CLASS_INFERRED = {
    "p_degraded": "P(true change < -margin)",
    "p_improved": "P(true change > margin)",
    "recall_change_estimate": "estimate of the true change (shrunken; as observed with few classes)",
    "recall_change_estimate_low": "lower end of its approximate interval",
    "recall_change_estimate_high": "upper end of its approximate interval",
}
CLASS_NUMBERS = {
    "recall_baseline": "mean over seeds",
    "recall_treated": "mean over seeds",
    "recall_change": "recall_treated - recall_baseline",
    "confidence_baseline": "mean over examples and seeds",
    "confidence_treated": "mean over examples and seeds",
    "baseline_noise_share": "the baseline's part of the variance of the change",
    "se_fixed_test": "standard error of the change for new seeds on these examples",
    "se_population": "standard error of the change for new seeds and new examples",
    "floor_change": "change expected at this class's place among the sorted changes if all classes changed alike",
    "floor_change_low": "lower end of its 95 % band",
    "floor_change_high": "upper end of its 95 % band",
    "precision_baseline": "true among predicted",
    "precision_treated": "true among predicted",
    "false_negatives_change": "examples of the class missed, treated minus baseline, mean over seeds",
    "false_positives_change": "examples wrongly given the class, treated minus baseline, mean over seeds",
    "partner_share": "the partner's share of all examples that moved to other classes",
    "partner_change": "examples that moved to the partner, as a fraction of the class",
    "partner_back": "the same seen from the partner; below 0: it takes and gives nothing back",
}
CLASS_OPTIONAL = {
    "within_superclass_change": "as in the summary",
    "across_superclass_change": "as in the summary",
    "mcnemar_p": "exact McNemar test, with one seed in both arms",
}
CLASS_TEXTS = {
    "class": "name",
    "status": "degraded, improved or tied, as observed, decided on integers",
    "call": "degraded or improved where called at the stated FDR, else empty",
    "call_population": "as call, for new examples too",
    "partner": "class that gained most of this class's examples",
}


def schema() -> dict:
    """JSON Schema (2020-12) of audit.json.

    Example:
        >>> schema()["properties"]["schema_version"]
        {'const': 1}
    """
    twin = {f"{key}_population": f"{text}; for new examples too" for key, text in INFERRED.items()}
    numbers = _fields(EXACT | INFERRED | twin, ["number", "null"])
    summary = numbers | _fields(COUNTS, ["integer"]) | _fields(TEXTS, ["string", "null"])
    class_twin = {f"{key}_population": f"{text}; for new examples too" for key, text in CLASS_INFERRED.items()}
    fields = _fields(CLASS_NUMBERS | CLASS_INFERRED | class_twin, ["number", "null"])
    fields |= _fields(CLASS_TEXTS, ["string"]) | _fields({"n": "examples"}, ["integer"])
    texts = {"type": "array", "items": {"type": "string"}}
    list_of_numbers = {"type": "array", "items": {"type": "number"}}
    comparison = {
        "group": {"type": "string", "description": "network or data, where a folder holds several; else empty"},
        "baseline": {"type": "string"},
        "arm": {"type": "string"},
        "summary": _object(summary, _fields(RESCUE, ["number", "null"])),
        "reasons": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "why a number of the summary, or of a column (classes.<column>), is null",
        },
        "classes": {"type": "array", "items": _object(fields, _fields(CLASS_OPTIONAL, ["number", "null"]))},
        "recalls_baseline": {"type": "array", "items": list_of_numbers, "description": "seeds x classes"},
        "recalls_treated": {"type": "array", "items": list_of_numbers, "description": "seeds x classes"},
        "accuracies_baseline": list_of_numbers,
        "accuracies_treated": list_of_numbers,
        "notes": texts,
    }
    source = _fields({"path": "as given", "sha256": "of the file", "arm": "name"}, ["string"])
    source["seeds"] = {"type": "array", "items": {"type": "integer"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dropmix audit",
        "description": "Fractions throughout: 0.01 is one percentage point. A number that has no value is null.",
        **_object(
            {
                "schema_version": {"const": SCHEMA_VERSION},
                "dropmix": {"type": "string", "description": "version that wrote the file"},
                "inputs": {"type": "array", "items": _object(source)},
                "settings": {"type": "object"},
                "class_names": texts,
                "comparisons": {"type": "array", "minItems": 1, "items": _object(comparison)},
                "arm_pairs": {"type": "array", "items": {"type": "object"}},
                "notes": texts,
            }
        ),
    }


def _fields(descriptions: dict[str, str], kinds: list[str]) -> dict:
    kind = kinds[0] if len(kinds) == 1 else kinds
    return {key: {"type": kind, "description": text} for key, text in descriptions.items()}


def _object(required: dict, optional: dict | None = None) -> dict:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1))
