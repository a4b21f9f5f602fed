"""`dropmix export` finds the images where they were when the grid was trained."""

import shutil

from dropmix.grid.export import read_about


def test_a_run_of_a_grid_becomes_a_file(dropmix, tmp_path):
    grid = ("run", "digits", "--methods", "vanilla", "--seeds", 1, "--epochs", 1, "--workers", 1, "--out", "g")
    status, _, err = dropmix(*grid)
    assert status == 0, err
    (run,) = (tmp_path / "g").glob("vanilla-*")
    status, out, err = dropmix("export", run, "--to", "model.pt2")
    assert status == 0, err
    assert "10 classes: 0, 1, 2" in out
    assert "gray images of 8 x 8 pixels, normalised by mean 0." in out
    assert "checked on 539 test images" in out
    assert read_about(tmp_path / "model.pt2")["run"] == run.name
    shutil.rmtree(run)
    status, out, err = dropmix("export", run, "--to", "model.pt2")
    assert status == 2
    assert "got nothing there" in err
