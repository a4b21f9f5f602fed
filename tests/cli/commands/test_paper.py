def test_plan_lists_table1(dropmix):
    status, out, _ = dropmix("paper", "plan", "table1", "--quick")
    lines = out.splitlines()
    assert status == 0
    assert sum("FLOPs  table1" in line for line in lines) == 140
    assert any(line.startswith("140 runs (28 arms), preset paper: ") for line in lines)
    assert any(line.startswith("dropmix run cifar100-preactresnet50 ") for line in lines)


def test_an_unknown_table_is_one_line(dropmix):
    status, _, err = dropmix("paper", "plan", "tabel1")
    assert status == 2
    assert len(err.splitlines()) == 1
    assert "Did you mean table1?" in err


def test_no_runs_is_one_line(dropmix, tmp_path):
    status, _, err = dropmix("paper", "render", "table1", "--runs", tmp_path / "none")
    assert status == 2
    assert len(err.splitlines()) == 1
