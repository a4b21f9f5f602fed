"""One damaged run folder: named and left out, while the others are shown."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

SHOWN = ("status", "g"), ("audit", "g", "--out", "out")


def is_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def is_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def is_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def is_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def holds(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def is_closed(path: Path) -> None:
    path.chmod(0)


DAMAGE = {
    "closed": is_closed,
    "long": lambda path: os.truncate(path, 11_000_000),
    "deep": holds(b"[" * 200_000),
    "deep objects": holds(b'{"a":' * 200_000),
    "empty": holds(b""),
    "null": holds(b"null"),
    "infinite": holds(b"1e400"),
    "bytes": holds(bytes(range(256))),
    "digits": holds(b'{"epoch": ' + b"9" * 9_000 + b"}"),
    "pipe": is_pipe,
    "folder": is_folder,
    "device": is_device,
    "loop": is_loop,
}


@pytest.mark.parametrize("file", ["spec.json", "done", "metrics.jsonl"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_of_a_run_does_not_hide_the_others(run, grid, kind: str, file: str) -> None:
    DAMAGE[kind](grid[-1] / file)
    for words in SHOWN:
        ran = run(*words)
        assert ran.status == 0, (words, ran.err)
    shown = run("status", "g").out
    assert all(folder.name in shown for folder in grid)
    assert all(line.split()[-4:] == ["epoch", "12", "of", "12"] for line in shown.splitlines() if " done   " in line)
    if file == "spec.json" and kind == "closed":
        assert "remove" not in shown
    if file == "spec.json" and kind != "loop":  # a loop of links holds nothing, as a run that has not begun
        assert "1 damaged" in shown


FALSE = (None, "x", [1, {"a": 2}], -1, True)


@pytest.mark.parametrize("key", ["environment", "seconds", "predictions_sha256", "accuracy_last"])
def test_what_a_run_noted_may_be_missing_or_false(run, grid, key: str) -> None:
    for folder, value in zip(grid, FALSE):
        noted = json.loads((folder / "done").read_text()) | {key: value}
        (folder / "done").write_text(json.dumps({k: v for k, v in noted.items() if v is not None}))
    ran = run("audit", "g", "--out", "out")
    assert ran.status == 0, ran.err
    assert ("damaged run was left out" in " ".join(ran.out.split())) == (key == "predictions_sha256")
    assert run("status", "g").status == 0


def test_infinite_seconds_and_foreign_texts_reach_no_page_raw(run, here: Path, grid) -> None:
    for folder in grid:
        (folder / "done").write_text('{"seconds": 1e400, "environment": {"<script>": "\\u001b[2J\\u202e<b>"}}')
    assert run("audit", "g", "--out", "out").status == 0
    page = (here / "out/report.html").read_text()
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "\\u202e<b>" not in page


def test_names_of_folders_forge_no_lines(run, here: Path, grid) -> None:
    for name in (b"x\ny", b"\x1b[2J", b"\xff\xfe", "\u202edone".encode()):
        os.mkdir(os.fsencode(here / "g") + b"/" + name)
        with open(os.fsencode(here / "g") + b"/" + name + b"/spec.json", "w") as file:
            file.write("{}")
    (grid[0] / "done").unlink()
    (grid[0] / "failed").write_text("\x1b[2J\nmixup: done\u202e")
    ran = run("status", "g")
    assert ran.status == 0
    assert all(c.isprintable() or c == "\n" for c in ran.out)
    assert len(ran.out.splitlines()) == len(grid) + 4 + 1


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_list_of_planned_runs_is_no_plan(run, here: Path, grid, kind: str) -> None:
    (here / "g/planned.txt").write_text("other-s0-0123456789\n")
    DAMAGE[kind](here / "g/planned.txt")
    ran = run("status", "g")
    assert ran.status == 0, ran.err
    assert "6 done" in ran.out


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"",
        b'{"protect": ["0"], "tolerance": 1e400, "rule": "pocock", "seeds": [2, 4], "done": 1}',
        b'{"protect": ["0"], "tolerance": 0.01, "rule": "pocock", "seeds": [2, ' + b"9" * 400 + b'], "done": 1}',
        json.dumps({"protect": [], "tolerance": 0.01, "rule": "pocock", "seeds": [*range(1, 150_000)], "done": 1}),
    ],
)
def test_damaged_looks_are_refused(refused, here: Path, grid, content: bytes | str) -> None:
    held = content if isinstance(content, bytes) else content.encode()
    (here / "g/looks.json").write_bytes(held)
    refused("audit", "g", "--out", "out", names="tolerance" if b"1e400" in held else "looks.json")


@pytest.mark.parametrize("words", [("export", "--to", "x.safetensors"), ("label-info", "--out", "out", "--network")])
@pytest.mark.parametrize("content", [b"[" * 200_000, b"null", b'{"arm": 1e400}', '{"arm": 1}'.encode("utf-16")])
def test_the_network_of_a_damaged_run_is_refused_by_the_runs_name(refused, grid, words, content: bytes) -> None:
    (grid[0] / "spec.json").write_bytes(content)
    said = refused(words[0], *words[1:], f"g/{grid[0].name}", names=f"g/{grid[0].name}: expected a finished run")
    assert "spec.json cannot be read" in said


@pytest.mark.parametrize("content", [b"[" * 200_000, b"null", bytes(range(256))])
def test_a_report_names_a_damaged_run_and_shows_the_others(run, here: Path, grid, content: bytes) -> None:
    (grid[-1] / "done").write_bytes(content)
    ran = run("report", "g", "--out", "out")
    assert ran.status == 0, ran.err
    assert "Mixup" in ran.out
    assert (here / "out/report.html").is_file()


DIGEST = {"predictions_sha256": "0" * 64}


def change_predictions(folder: Path) -> None:
    (folder / "done").write_text(json.dumps(json.loads((folder / "done").read_text()) | DIGEST))


def garble_predictions(folder: Path) -> None:
    content = (folder / "predictions.parquet").read_bytes()
    change_predictions(folder)
    (folder / "predictions.parquet").write_bytes(content[:100] + bytes(60) + content[160:])


def unmake_done(folder: Path) -> None:
    (folder / "done").write_text('"x"')


@pytest.mark.parametrize("damage", [change_predictions, garble_predictions, unmake_done])
def test_status_and_audit_agree_on_a_damaged_baseline_and_name_it(run, grid, damage) -> None:
    baseline = [folder for folder in grid if folder.name.startswith("vanilla")]
    for folder in baseline:
        damage(folder)
    shown = run("status", "g").out
    assert f"3 done, {len(baseline)} damaged" in shown
    assert shown.count("remove the folder and run again") == len(baseline)
    ran = run("audit", "g", "--out", "out")
    assert ran.status == 2
    assert f"A damaged run was left out: g/{baseline[0].name}" in ran.err


@pytest.mark.parametrize(("place", "key", "value"), [("arm", "name", "mixup alpha=2"), ("train", "epochs", 99)])
def test_a_spec_edited_in_place_is_damaged_to_status_and_audit_alike(run, grid, place, key, value) -> None:
    spec = json.loads((grid[0] / "spec.json").read_text())
    spec[place][key] = value
    (grid[0] / "spec.json").write_text(json.dumps(spec))
    assert "5 done, 1 damaged" in run("status", "g").out
    ran = run("audit", "g", "--out", "out")
    assert ran.status == 0, ran.err
    assert grid[0].name in "".join(ran.out.split())


def is_newer(name: str, **fields: object) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | fields))


NEWER = {
    "done": is_newer("done", format=99),
    "spec": is_newer("spec.json", format=2),
    "setting": is_newer("spec.json", sampler="sobol"),
}
READERS = (*SHOWN, ("report", "g", "--out", "out"))


@pytest.mark.parametrize("kind", NEWER)
def test_a_run_of_a_newer_version_is_named_and_not_to_be_thrown_away(run, grid, kind: str) -> None:
    NEWER[kind](grid[-1])
    for words in READERS:
        ran = run(*words)
        assert ran.status == 0, (words, ran.err)
        assert grid[-1].name in "".join((ran.out + ran.err).split()), words
    assert "update dropmix" in run("status", "g").out


def close_predictions(folder: Path) -> None:
    (folder / "predictions.parquet").chmod(0)


def close_done(folder: Path) -> None:
    (folder / "done").chmod(0)


def close_folder(folder: Path) -> None:
    folder.chmod(0)


@pytest.mark.parametrize("close", [close_predictions, close_done, close_folder])
def test_a_run_that_cannot_be_opened_is_left_out_and_not_to_be_thrown_away(run, grid, close) -> None:
    close(grid[-1])
    try:
        said = {words[0]: run(*words) for words in READERS}
    finally:
        grid[-1].chmod(0o755)
    for ran in said.values():
        told = "".join((ran.out + ran.err).split())
        assert ran.status == 0, ran.err
        assert grid[-1].name in told
        assert "Permissiondenied" in told
        assert not {"remove", "again", "Delete"} & {*ran.out.split()}
