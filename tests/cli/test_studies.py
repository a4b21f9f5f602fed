from PIL import Image


def test_floor_prints_what_the_study_returns(dropmix):
    from dropmix.studies.floor import floor

    status, out, _ = dropmix("floor", "--classes", 20, "--per-class", 50, "--gain", 1, "--repetitions", 20)
    row = floor(20, 50, 5, 0.01, repetitions=20)
    assert status == 0
    assert f"{row.number:.1f} [{row.number_low:.0f}, {row.number_high:.0f}] classes" in out
    assert f"by {100 * row.change:.2f} [" in out


def test_show_saves_a_picture(dropmix, tmp_path):
    status, out, _ = dropmix("show", "cutmix(alpha=0.5)", "--out", "picture.png")
    assert (status, out.strip()) == (0, "picture.png")
    assert Image.open(tmp_path / "picture.png").size[0] > 300
