"""Files given for an audit or for a grid that are neither: one line, exit status 2, nothing written."""

import json
import os
from pathlib import Path

import pytest

FOREIGN = {
    "null": b"null",
    "list": b"[1]",
    "other": b'{"comparisons": [{"arm": 3}]}',
    "bytes": bytes(range(256)),
    "deep": b"[" * 200_000,
    "empty": b"",
}
COMMANDS = (("plan",), ("explain", "--out", "out"), ("tailor", "--arm", "mixup", "--out", "out"), ("select",))


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_foreign_file_is_refused(refused, here: Path, words: tuple[str, ...], kind: str) -> None:
    (here / "x.json").write_bytes(FOREIGN[kind])
    said = refused(words[0], "x.json", *words[1:], names="x.json")
    assert "nothing there" not in said
    assert not (here / "out").exists()


def test_an_audit_with_missing_fields_is_refused(refused, here: Path) -> None:
    row = '{"class": "x", "tolerance": 1e400, "decision": 3, "se_fixed_test": null}'
    (here / "x.json").write_text(
        f'{{"comparisons": [{{"arm": "a", "baseline": "b", "summary": {{}}, "classes": [{row}]}}]}}'
    )
    refused("plan", "x.json", names="x.json")


@pytest.mark.parametrize("kind", FOREIGN)
def test_changes_of_classes_are_read_from_audits_alone(tmp_path: Path, kind: str) -> None:
    from dropmix.studies.label_files import read_changes

    (tmp_path / "x.json").write_bytes(FOREIGN[kind])
    with pytest.raises(ValueError, match=r"x\.json: expected an audit\.json of ours"):
        read_changes(tmp_path / "x.json", "mixup", ["fox"])


def test_a_huge_audit_is_refused_unread(refused, here: Path) -> None:
    from dropmix.studies.label_files import read_changes

    with (here / "x.json").open("wb") as file:
        file.truncate(10**10)
    assert "longer than" in refused("plan", "x.json", names="x.json")
    with pytest.raises(ValueError, match=r"x\.json: expected an audit\.json of ours, got it is longer than"):
        read_changes(here / "x.json", "mixup", ["fox"])


def test_an_audit_of_many_lists_is_refused_below_a_gigabyte(run, here: Path) -> None:
    (here / "x.json").write_bytes(b'{"comparisons": [' + b"[]," * 30_000_000 + b"[]]}")
    ran = run("plan", "x.json")
    assert (ran.status, "x.json: expected the JSON of an audit" in ran.err) == (2, True)
    assert ran.peak < 1_000_000_000


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_plan_reads_files_alone(refused, here: Path, kind: str) -> None:
    os.mkfifo(here / "x.json") if kind == "pipe" else (here / "x.json").symlink_to("/dev/zero")
    assert "got a device, pipe or folder" in refused("plan", "x.json", names="x.json")


def test_plan_shows_names_of_classes_and_arms_as_escapes(run, here: Path) -> None:
    row = {
        "class": "fox\x1b[2J\u202e",
        "n": 50,
        "se_fixed_test": 0.02,
        "se_population": 0.03,
        "recall_change": -0.03,
        "recall_baseline": 0.8,
    }
    row |= {"tolerance": 0.01, "decision": "undecided", "decision_population": "undecided"}
    summary = {"seed_variance_ratio": 1.2, "seeds_baseline": 3, "seeds_treated": 3}
    whole = {"arm": "mixup\x07\nfox: done", "baseline": "\x1b[2J", "summary": summary, "classes": [row]}
    (here / "x.json").write_text(json.dumps({"comparisons": [whole]}))
    ran = run("plan", "x.json")
    assert ran.status == 0, ran.err
    assert all(letter.isprintable() or letter == "\n" for letter in ran.out)
    assert "fox\\x1b[2J\\u202e" in ran.out
    assert "\nfox: done" not in ran.out


def test_plan_prints_nothing_before_it_refuses(run, here: Path) -> None:
    row = {
        "class": "fox",
        "n": 50,
        "se_fixed_test": 0.02,
        "se_population": 0.03,
        "recall_change": -0.03,
        "recall_baseline": 0.8,
    }
    row |= {"tolerance": 0.01, "decision": "undecided", "decision_population": "undecided"}
    summary = {"seed_variance_ratio": 1.2, "seeds_baseline": 3, "seeds_treated": 3}
    whole = {"arm": "mixup", "baseline": "vanilla", "summary": summary, "classes": [row]}
    (here / "x.json").write_text(json.dumps({"comparisons": [whole, whole | {"arm": "cutmix", "summary": {}}]}))
    ran = run("plan", "x.json")
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "'cutmix'" in ran.err
