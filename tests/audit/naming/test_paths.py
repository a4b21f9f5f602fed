"""Arms and seeds by paths: read where they are clear, refused where a part may be either."""

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_predictions

LABELS = np.array(["cat", "dog", "fox"])[np.arange(60) % 3]


def write(folder, names):
    """A file per name, right more often for names with "mix"; every run is another."""
    rng, paths = np.random.default_rng(0), []
    for name in names.split("; "):
        hit = rng.random(60) < (0.8 if "mix" in name.lower() else 0.5)
        pred = np.where(hit, LABELS, rng.choice(["cat", "dog", "fox"], 60))
        paths.append(folder / f"{name}.csv")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        rows = [f"i{i},{a},{b}" for i, (a, b) in enumerate(zip(LABELS, pred))]
        paths[-1].write_text("\n".join(["id,label,pred", *rows, ""]))
    return [str(path) for path in paths]


SEEDS = [
    "vanilla; vanilla (1); mixup; mixup (1)",
    "vanilla; vanilla2; mixup; mixup2",
    "vanilla; vanilla_1; vanilla_2; mixup; mixup_1; mixup_2",
    "vanilla_final; vanilla_final2; mixup_final; mixup_final2",
    "Vanilla-S0; vanilla-s1; Mixup-S0; mixup-s1",
    "a/Vanilla seed 1; a/vanilla seed 2; b/mixUp seed 1; b/mixup seed 2",
    "vanilla/version_0/p; vanilla/version_1/p; mixup/version_0/p; mixup/version_1/p",
]


@pytest.mark.parametrize("names", SEEDS)
def test_files_that_number_the_runs_of_each_arm_are_seeds(tmp_path, names):
    paths = write(tmp_path, names)
    found = audit_predictions(paths[0], paths[1:], refits=0).only
    assert found.summary["seeds_baseline"] == found.summary["seeds_treated"] == len(paths) // 2
    assert found.summary["accuracy_treated"] > found.summary["accuracy_baseline"] + 0.1


EITHER = [
    "resnet50_vanilla_a; resnet50_vanilla_b; resnet50_mixup_a; resnet50_mixup_b",
    "vanilla/a; vanilla/b; mixup/a; mixup/b",
    "m0_vanilla; m1_vanilla; m0_mixup; m1_mixup",
    "vanilla_1of2; vanilla_2of2; mixup_1of2; mixup_2of2",
    "vanilla/9f3a1; vanilla/77be2; mixup/0c4d3; mixup/5a6b4",
    "run-20240101_12-ab/vanilla; run-20240101_13-cd/vanilla; run-20240102_12-ef/mixup; run-20240102_13-gh/mixup",
    "vit_b_16; vit_b_32; vit_mixup_16; vit_mixup_32",
    "vanilla; mixup; mixup_2",
]


@pytest.mark.parametrize("names", EITHER)
def test_files_that_may_be_arms_or_seeds_are_refused(tmp_path, names):
    paths = write(tmp_path, names)
    with pytest.raises(AuditError, match=r"which may be either\. Give a mapping of names to files"):
        audit_predictions(paths[0], paths[1:], refits=0)
    mixed = {"mixup": [path for path in paths if "mix" in path.removeprefix(str(tmp_path))]}
    assert audit_predictions([path for path in paths if path not in mixed["mixup"]], mixed, refits=0).only


ARMS = [
    "vanilla; mixup; mixup2",
    "resnet18/vanilla; resnet18/mixup; resnet50/vanilla; resnet50/mixup",
    "resnet18_vanilla; resnet18_mixup; resnet50_vanilla; resnet50_mixup",
    "vanilla_best; vanilla_last; mixup_best; mixup_last",
    "vanilla; resnet; resnet50; resnet101",
    "a; b; c; d",
    "val/vanilla; val/mixup; test/vanilla; test/mixup",
]


@pytest.mark.parametrize("names", ARMS)
def test_files_of_other_names_are_arms(tmp_path, names):
    paths = write(tmp_path, names)
    assert len(audit_predictions(paths[0], paths[1:], refits=0).comparisons) == len(paths) - 1
