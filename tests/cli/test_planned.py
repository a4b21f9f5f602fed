"""`dropmix status`: what is done and, by name, what is left."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from dropmix.cli.planned import planned, remember_plan

COMMAND = ["run", "digits", "--methods", "vanilla", "--seeds", 3, "--epochs", 1, "--train-per-class", 2]


def test_runs_that_have_not_begun_are_listed(dropmix, tmp_path):
    status, _, error = dropmix(*COMMAND, "--out", "g")
    assert status == 0, error
    names = sorted(folder.name for folder in (tmp_path / "g").iterdir() if folder.is_dir())
    assert "3 runs: 3 done" in dropmix("status", "g")[1]
    shutil.rmtree(tmp_path / "g" / names[1])
    _, out, _ = dropmix("status", "g")
    assert [line.split()[:2] for line in out.splitlines()[:3]] == [
        [names[0], "done"],
        [names[2], "done"],
        [names[1], "left"],
    ]
    assert "3 runs: 2 done, 1 left" in out
    (tmp_path / "g" / "planned.txt").write_bytes(b"\xff\xfe\x1b[2J")  # not ours: no matter
    assert "2 runs: 2 done" in dropmix("status", "g")[1]


def test_a_grid_that_grows_keeps_its_list(tmp_path):
    runs = [SimpleNamespace(folder_name=name) for name in ("b", "a", "c")]
    remember_plan(tmp_path / "g", runs[:2])
    assert planned(tmp_path / "g") == ["a", "b"]
    remember_plan(tmp_path / "g", runs[2:])
    assert planned(tmp_path / "g") == ["a", "b", "c"]


def test_commands_that_plan_at_once_do_not_disturb_each_other(tmp_path):
    runs = [SimpleNamespace(folder_name=f"run-{i}") for i in range(50)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: remember_plan(tmp_path / str(i // 8), runs), range(400)))
    for folder in tmp_path.iterdir():
        assert len(planned(folder)) == 50
        assert [path.name for path in folder.iterdir()] == ["planned.txt"]
