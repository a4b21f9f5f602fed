import re


def test_bench_shows_arms_and_limits(dropmix):
    status, out, err = dropmix("bench", "digits", "--batch", "8", "--method", "cutmix", "--rate", "0.5")
    assert (status, err) == (0, "")
    speeds = {line[:34].strip(): line[34:44].strip() for line in out.splitlines()}
    vanilla, cutmix, dropped = (float(speeds[k].replace(",", "")) for k in ("vanilla", "cutmix", "cutmix r=0.5"))
    assert min(vanilla, cutmix) - 1 <= dropped <= max(vanilla, cutmix) + 1
    bounds = dict(re.findall(r"^(arithmetic|memory, fused|memory, eager),.*vanilla at (\d+)%$", out, re.MULTILINE))
    assert len(bounds) == 3
    assert all(float(share) < 100 for share in bounds.values())


def test_bench_of_vanilla_alone(dropmix, monkeypatch):
    monkeypatch.setattr("dropmix.grid.estimate.clocked", lambda work, device: 0.5)
    out = dropmix("bench", "digits", "--batch", "10", "--method", "vanilla")[1]
    assert re.search(r"^vanilla +20 ", out, re.MULTILINE)
    assert " r=" not in out


def test_bench_refuses_a_typo(dropmix):
    status, _, err = dropmix("bench", "digits", "--method", "cutmx")
    assert status == 2
    assert "Did you mean 'cutmix'" in err
