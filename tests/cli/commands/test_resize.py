"""dropmix resize: counts on standard output, damaged pictures on standard error, exit status."""

import numpy as np
from PIL import Image


def test_resize_counts_names_what_is_damaged_and_goes_on(dropmix, tmp_path):
    for row in range(3):
        folder = tmp_path / "photos" / "ab"[row % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((30, 40, 3), 60 * row, np.uint8)).save(folder / f"{row}.jpg")
    whole = (tmp_path / "photos/a/2.jpg").read_bytes()
    (tmp_path / "photos/a/2.jpg").write_bytes(whole[:50])
    status, out, err = dropmix("resize", tmp_path / "photos", tmp_path / "small", "--size", 16)
    assert status == 1
    assert "2 pictures resized, 0 copied, 0 already there, in " in out
    assert "photos/a/2.jpg: expected a picture that Pillow can read" in err
    assert err.endswith("1 cannot be read. Replace them and run the same command again.\n")
    (tmp_path / "photos/a/2.jpg").write_bytes(whole)
    status, out, err = dropmix("resize", tmp_path / "photos", tmp_path / "small", "--size", 16)
    assert (status, err) == (0, "")
    assert out.startswith("1 pictures resized, 0 copied, 2 already there, in ")
    assert Image.open(tmp_path / "small/a/2.jpg").size == (21, 16)
