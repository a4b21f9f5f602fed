"""Which files are arms and which are seeds: told by their content, role or path, or refused."""

import os
import shutil

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_predictions

LABELS = np.repeat(np.arange(4), 10)


@pytest.fixture
def write(tmp_path, rng, draw):
    """Writes files of one seed each, as CSV or npz, all different."""

    def write(*names, **columns):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pred = draw(rng, LABELS, 1, 0.7, 4)[0]
            if path.suffix == ".npz":
                np.savez(path, labels=LABELS, pred=pred, **columns)
            else:
                head = ",".join(["label", "pred", *columns])
                rows = [",".join(map(str, [a, b, *columns.values()])) for a, b in zip(LABELS, pred)]
                path.write_text("\n".join([head, *rows]) + "\n")
        return [tmp_path / name for name in names]

    return write


def arms(*sources, **options):
    found = audit_predictions(*sources, refits=0, **options)
    return [(c.baseline, c.summary["seeds_baseline"], c.arm, c.summary["seeds_treated"]) for c in found.comparisons]


def test_files_of_one_name_are_arms_by_their_folder(write):
    base, *rest = write("vanilla/preds.csv", "mixup/preds.csv", "cutmix/preds.csv")
    assert arms(base, rest) == [("vanilla", 1, "mixup", 1), ("vanilla", 1, "cutmix", 1)]


@pytest.mark.parametrize("kind", ["npz", "csv"])
@pytest.mark.parametrize(
    "pattern", ["{}-s{}.{}", "{}/seed{}.{}", "{}/run_{}/preds.{}", "seed={}/{}.{}", "{}{}.{}", "{} ({}).{}"]
)
def test_seeds_by_their_path(write, kind, pattern):
    turned = pattern.startswith("seed")
    names = [pattern.format(*((s, a) if turned else (a, s)), kind) for a in ("vanilla", "cutmix") for s in (0, 1)]
    base, *rest = write(*names)
    assert arms(base, rest) == [("vanilla", 2, "cutmix", 2)]


def test_seeds_of_hydra_and_in_brackets(write):
    base, *rest = write(*(f"multirun/12-00/aug={a},seed={s},lr=0.1/preds.csv" for a in ("no", "mixup") for s in (0, 1)))
    assert arms(base, rest) == [("aug=no,lr=0.1", 2, "aug=mixup,lr=0.1", 2)]
    base, *rest = write(*(f"{a}_alpha=0.{d}_s{s}.csv" for a, d in (("x", 2), ("y", 2), ("y", 4)) for s in (0, 1)))
    assert arms(base, rest) == [("x_alpha=0.2", 2, "y_alpha=0.2", 2), ("x_alpha=0.2", 2, "y_alpha=0.4", 2)]


UNCLEAR = [
    ["model_1.csv", "model_2.csv", "model_3.csv"],
    ["a.csv", "b_1.csv", "b_2.csv"],
    [f"{a}_2024010{s}_1200.csv" for a in ("vanilla", "mixup") for s in (1, 2)],
    [f"exp{n}_{a}_s{n % 2}_best.csv" for n, a in enumerate(["vanilla", "vanilla", "mixup", "mixup"])],
    [f"2024-01-0{n}/preds.csv" for n in (1, 2, 3)],
    ["vanilla.csv", "mixup (1).csv", "mixup (2).csv"],
]


@pytest.mark.parametrize("names", UNCLEAR, ids=lambda names: names[-1])
def test_numbers_that_may_be_seeds_or_arms_are_refused(write, names):
    base, *rest = write(*names)
    with pytest.raises(AuditError, match="which may be either"):
        arms(base, rest)


def test_two_files_are_baseline_and_treated_whatever_their_names(write):
    base, other = write("model_1.csv", "model_2.csv")
    assert arms(base, other) == [("model_1", 1, "model_2", 1)]
    base, other = write("vanilla-s0.csv", "vanilla-s1.csv")
    assert arms(base, other) == [("vanilla-s0", 1, "vanilla-s1", 1)]


def test_networks_with_numbers_in_their_names_are_arms(write):
    base, *rest = write("resnet18.csv", "resnet34.csv", "vit16.csv")
    assert [a[2] for a in arms(base, rest)] == ["resnet34", "vit16"]


def test_a_list_and_a_folder_are_one_arm(write, tmp_path):
    one, other = write("a/x-1.csv", "a/x-2.csv"), write("b/y-1.csv", "b/y-2.csv", "b/y-3.csv")
    assert arms(one, {"mixup": other})[0][1:] == (2, "mixup", 3)
    assert arms(tmp_path / "a", tmp_path / "b") == [("a", 2, "b", 3)]
    assert arms({"vanilla": one, "mixup": other}) == [("vanilla", 2, "mixup", 3)]


def test_a_folder_with_files_of_several_arms_is_refused(write, tmp_path):
    write("a/vanilla-s0.csv", "a/mixup-s0.csv")
    (other,) = write("b.csv")
    with pytest.raises(AuditError, match="files of one arm, got files of mixup, vanilla"):
        arms(other, tmp_path / "a")


def test_files_in_alphabetical_order_are_not_taken_for_baseline_first(write, tmp_path):
    files = write("mixup-s0.csv", "mixup-s1.csv", "vanilla-s0.csv", "vanilla-s1.csv")
    with pytest.raises(AuditError, match="expected the baseline's files first, got those of 'mixup' before 'vanilla'"):
        arms(files[0], files[1:])
    vanilla_first = ("vanilla", 2, "mixup", 2)
    assert arms(files[2], [files[3], *files[:2]]) == [vanilla_first]
    assert arms(tmp_path, None) == [vanilla_first]
    audit = audit_predictions(files[0], files[2], refits=0)  # in so many words
    assert audit.only.baseline == "mixup"
    assert any("although another arm is named vanilla" in note for note in audit.only.notes)
    assert not any("although" in note for note in audit_predictions(files[2], files[0], refits=0).only.notes)


@pytest.mark.parametrize(
    "names",
    [
        *[("cutmix", "plain"), ("augmented", "no-aug"), ("mixup", "resnet50"), ("after", "before")],
        *[("net_cutmix", "net_plain"), ("r50-dropmix", "r50-unmixed"), ("treated", "untreated")],
        *[("augmented", "Plain"), ("cutmix", "NoMix")],  # sorted as a shell does that heeds a language
    ],
)
def test_an_alphabet_that_puts_the_treated_arm_first_is_refused_and_the_arm_can_be_named(write, names):
    files = write(*(f"{name}-s{seed}.csv" for name in names for seed in (0, 1)))
    with pytest.raises(AuditError, match=f"before '{names[1]}', .* --baseline {names[1]}"):
        arms(files[0], files[1:])
    for name, other in (names, names[::-1]):
        assert arms(files[0], files[1:], reference=name) == [(name, 2, other, 2)]
    with pytest.raises(AuditError, match="expected an arm named 'x' and another one"):
        audit_predictions(files[0], files[1:], reference="x")
    with pytest.raises(AuditError, match="reference: expected sources without names"):
        audit_predictions(files[0], {"a": files[1:]}, reference="a")


@pytest.mark.parametrize(
    "names",
    [
        *[("baseline", "cutmix"), ("resnet50", "vit"), ("autoaugment", "cutmix"), ("a", "b")],
        *[("convnext_tiny", "vit_base"), ("mixer_b", "vit_b"), ("mixnet", "resnet"), ("model_aug", "model_sep")],
    ],
)
def test_files_in_order_are_taken_with_the_baseline_first(write, names):
    assert arms(*write(*(f"{name}.csv" for name in names))) == [(names[0], 1, names[1], 1)]
    files = write(*(f"{name}-s{seed}.csv" for name in names for seed in (0, 1)))
    assert arms(files[0], files[1:]) == [(names[0], 2, names[1], 2)]


def test_a_file_that_says_another_arm_than_its_role_is_refused(write):
    base, other = write("vanilla.csv")[0], write("cutmix.csv", arm="cutmix")[0]
    with pytest.raises(AuditError, match="expected the arm 'mixup', got cutmix"):
        arms(base, {"mixup": other})
    with pytest.raises(AuditError, match="expected predictions of one arm"):
        arms([*write("m.csv", arm="mixup"), other], base)


def copied(path, copy):
    shutil.copy(path, copy)


@pytest.mark.parametrize("make", [copied, os.link, lambda a, b: b.symlink_to(a)])
def test_a_copy_is_no_seed(write, tmp_path, make):
    base, *seeds = write("vanilla.csv", "m-s0.csv", "m-s1.csv")
    make(seeds[0], tmp_path / "m-s2.csv")
    with pytest.raises(AuditError, match=r"expected each run once, got .*m-s0.csv and .*m-s2.csv"):
        arms(base, {"mixup": [*seeds, tmp_path / "m-s2.csv"]})
    with pytest.raises(AuditError, match=r"expected each run once"):
        arms(base, [*seeds, tmp_path / "m-s2.csv"])
    with pytest.raises(AuditError, match=r"m-s0.csv given twice"):
        arms(base, [*seeds, seeds[0]])


def test_several_bad_files_are_told_together(write, tmp_path):
    (base,) = write("vanilla.csv")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("label\n1\n")
    with pytest.raises(AuditError, match=r"a\.csv.*The same holds of .*b\.csv"):
        arms(base, [tmp_path / "a.csv", tmp_path / "b.csv"])
