"""Files given for an audit or for a grid that are neither: one line, exit status 2, nothing written."""

from pathlib import Path

import pytest

FOREIGN = {
    "null": b"null",
    "list": b"[1]",
    "other": b'{"comparisons": [{"arm": 3}]}',
    "bytes": bytes(range(256)),
    "deep": b"[" * 200_000,
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
