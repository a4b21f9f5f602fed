"""CutMix's boxes beside those that torchvision and timm draw themselves."""

import numpy as np
import pytest
import torch
from scipy import stats

from dropmix.msda.boxes import box_around
from dropmix.msda.methods.cutmix import cutmix

from ..conftest import seeded

SIDES = (40, 60)


def _ours(count: int) -> np.ndarray:
    mix = cutmix(torch.empty(count, 3, *SIDES), generator=seeded(), per="sample")
    assert mix.box is not None
    return np.column_stack([mix.box.numpy(), mix.lam.numpy()])


def _torchvisions(count: int) -> np.ndarray:
    v2 = pytest.importorskip("torchvision.transforms.v2")
    draw, rows = v2.CutMix(num_classes=2), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for _ in range(count):
            drawn = draw.make_params([torch.empty(2, 3, *SIDES)])
            x0, y0, x1, y1 = drawn["box"]
            rows.append((y0, y1, x0, x1, drawn["lam_adjusted"]))
    return np.array(rows)


def _timms(count: int) -> np.ndarray:
    timm = pytest.importorskip("timm.data.mixup")
    state, rows = np.random.get_state(), []  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    for lam in np.random.beta(1, 1, count):  # noqa: NPY002
        box, share = timm.cutmix_bbox_and_lam((3, *SIDES), lam)
        rows.append((*box, share))
    np.random.set_state(state)  # noqa: NPY002
    return np.array(rows)


@pytest.mark.parametrize("host", [_torchvisions, _timms])
def test_places_sizes_and_shares_are_distributed_as_theirs(host):
    ours, theirs = _ours(4000), host(4000)
    for values in (lambda b: b[:, 1] - b[:, 0], lambda b: b[:, 3] - b[:, 2], lambda b: b[:, 0], lambda b: b[:, 4]):
        # timm's boxes are a pixel of 40 longer where their side is odd.
        most = 1.63 * np.sqrt(2 / 4000) + (0 if host is _torchvisions else 0.03)
        assert stats.ks_2samp(values(ours), values(theirs)).statistic < most
    for box in (ours, theirs):
        area = (box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2]) / (SIDES[0] * SIDES[1])
        np.testing.assert_allclose(box[:, 4], 1 - area, atol=1e-6)


def test_a_box_is_torchvisions_to_the_pixel(monkeypatch):
    v2 = pytest.importorskip("torchvision.transforms.v2")
    draw, rng = v2.CutMix(num_classes=2), np.random.default_rng(0)
    for _ in range(300):
        lam, centre = rng.random(dtype=np.float32), [int(rng.integers(side)) for side in SIDES]
        monkeypatch.setattr(draw, "_dist", type("Fixed", (), {"sample": lambda self, _, lam=lam: torch.tensor(lam)})())
        monkeypatch.setattr(torch, "randint", lambda high, size, at=tuple(centre): torch.tensor([at[high == SIDES[1]]]))
        x0, y0, x1, y1 = draw.make_params([torch.empty(2, 3, *SIDES)])["box"]
        ours = box_around(torch.tensor([lam]), np.array(centre)[:, None], SIDES)
        assert ours[0].tolist() == [y0, y1, x0, x1]
