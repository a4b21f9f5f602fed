"""The examples of docs/in-your-loop.md against the real hosts."""

import copy
import importlib
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from dropmix import DropMix, input_gradient


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 4))


def _data(n: int = 16) -> TensorDataset:
    return TensorDataset(torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.arange(n) % 4)


def test_torchvision_in_a_collate():
    pytest.importorskip("torchvision")
    from torch.utils.data import default_collate
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    augment = DropMix("cutmix", rate=0.5, num_classes=4, seed=0)
    images = v2.Compose([v2.RandomHorizontalFlip(), v2.Normalize([0.5] * 3, [0.5] * 3)])
    rows = [(images(tv_tensors.Image(x)), y) for x, y in _data()]
    loader = DataLoader(rows, batch_size=8, collate_fn=lambda rows: augment(*default_collate(rows)), num_workers=1)  # pyright: ignore
    for _ in range(2):
        for x, y in loader:
            assert x.shape == (8, 3, 16, 16)
            assert y.shape == (8, 4)
            F.cross_entropy(_net()(x), y).backward()


def test_timm_with_its_soft_target_loss_and_its_mixup_switch():
    timm_loss = pytest.importorskip("timm.loss")
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model: Any = timm.create_model("test_resnet", num_classes=4)
    mixup_fn = DropMix({"mixup": 0.5, "cutmix": 0.5}, rate=0.2, num_classes=4, seed=0, mixup={"alpha": 0.8})
    x, y = _data().tensors
    mixed, shares = mixup_fn(x, y)
    timm_loss.SoftTargetCrossEntropy()(model(mixed), shares).backward()
    assert all(p.grad is not None for p in model.parameters())
    mixup_fn.mixup_enabled = False  # what timm's train.py does from --mixup-off-epoch on
    same, shares = mixup_fn(x, y)
    assert same is x
    assert torch.equal(shares, F.one_hot(y, 4).float())


def test_timm_prefetched_batches_are_mixed_on_the_device():
    loader_of = pytest.importorskip("timm.data.loader")
    rows = [((x * 255).byte().numpy(), int(y)) for x, y in _data()]
    loader = loader_of.PrefetchLoader(
        DataLoader(rows, 8, collate_fn=loader_of.fast_collate),
        device=torch.device("cpu"),  # pyright: ignore
    )
    augment, by_hand = (DropMix("cutmix", num_classes=4, seed=0) for _ in range(2))
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    for (x, y), (plain, ids) in zip(loader, DataLoader(_data(), 8), strict=True):
        mixed, shares = augment(x, y)
        expected, same = by_hand(((plain * 255).byte() / 255 - mean) / std, ids)
        assert torch.equal(shares, same)
        torch.testing.assert_close(mixed, expected)


def test_lightning_carries_the_count_in_its_checkpoint(tmp_path):
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = _net()
            self.augment = DropMix("mixup", rate=0.3, num_classes=4, seed=0)
            self.seen: list[torch.Tensor] = []

        def training_step(self, batch, _):
            x, y = self.augment(*batch)
            self.seen.append(y)
            return F.cross_entropy(self.net(x), y)

        def validation_step(self, batch, _):
            x, y = self.augment(*batch)
            assert x is batch[0]
            assert y is batch[1]

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    def fit(module, epochs, **options):
        trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False,
                                    enable_model_summary=False, enable_checkpointing=False)  # fmt: skip
        trainer.fit(module, DataLoader(_data(), batch_size=8), DataLoader(_data(), batch_size=8), **options)
        return trainer

    whole, first, second = Module(), Module(), Module()
    fit(whole, 2)
    fit(first, 1).save_checkpoint(tmp_path / "state.ckpt")
    fit(second, 2, ckpt_path=tmp_path / "state.ckpt")
    assert len(whole.seen) == 4
    for a, b in zip(whole.seen, first.seen + second.seen, strict=True):
        assert torch.equal(a, b)


def test_torchmetrics_counts_ids_in_evaluation():
    metric = pytest.importorskip("torchmetrics").Accuracy(task="multiclass", num_classes=4)
    augment = DropMix("cutmix", num_classes=4).eval()
    _, y = augment(*_data().tensors)
    assert metric(F.one_hot(y, 4).float(), y) == 1


def _by_hand(epochs: int) -> torch.Tensor:
    """The last bias that a plain loop reaches, which every host has to reach too."""
    model, augment = _net(), DropMix("cutmix", rate=0.4, num_classes=4, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(epochs):
        for x, y in DataLoader(_data(), batch_size=8):
            optimizer.zero_grad()
            mixed, shares = augment(x, y)
            F.cross_entropy(model(mixed), shares).backward()
            optimizer.step()
    return next(reversed(list(model.parameters()))).detach()


def test_ignite_trains_as_a_plain_loop_and_resumes_from_its_checkpoint(tmp_path):
    pytest.importorskip("ignite")
    from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
    from ignite.handlers import Checkpoint, DiskSaver
    from ignite.metrics import Accuracy

    def made():
        model, augment = _net(), DropMix("cutmix", rate=0.4, num_classes=4, seed=0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        prepare = lambda batch, device, non_blocking: augment(*batch)  # noqa: E731
        trainer = create_supervised_trainer(model, optimizer, F.cross_entropy, prepare_batch=prepare)
        return trainer, model, {"model": model, "optimizer": optimizer, "augment": augment, "trainer": trainer}

    loader = DataLoader(_data(), batch_size=8)
    trainer, _, first = made()
    saver = Checkpoint(first, DiskSaver(str(tmp_path)))
    trainer.add_event_handler(Events.EPOCH_COMPLETED, saver)
    trainer.run(loader, max_epochs=1)
    trainer, model, second = made()
    Checkpoint.load_objects(second, torch.load(tmp_path / str(saver.last_checkpoint)))
    trainer.run(loader, max_epochs=2)
    assert torch.equal(next(reversed(list(model.parameters()))), _by_hand(2))
    seen = create_supervised_evaluator(model, {"accuracy": Accuracy()}).run(loader).metrics["accuracy"]
    with torch.no_grad():
        x, y = _data().tensors
        assert seen == (model.eval()(x).argmax(1) == y).float().mean()


def test_skorch_trains_as_a_plain_loop_and_validates_unmixed():
    skorch = pytest.importorskip("skorch")
    from torch.utils.data import default_collate

    augment = DropMix("cutmix", rate=0.4, num_classes=4, seed=0)
    model = _net()
    net = skorch.NeuralNetClassifier(
        model, criterion=nn.CrossEntropyLoss, lr=0.1, batch_size=8, max_epochs=2, verbose=0,
        train_split=importlib.import_module("skorch.helper").predefined_split(_data()),
        iterator_train__collate_fn=lambda rows: augment(*default_collate(rows)),
    )  # fmt: skip
    x, y = _data().tensors
    net.fit(x, y)
    assert torch.equal(next(reversed(list(net.module_.parameters()))), _by_hand(2))
    assert net.history[-1, "valid_acc"] == pytest.approx(net.score(x, y))


def _rank(rank: int, folder: str, method: str, options: dict[str, Any]) -> None:
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    model = DistributedDataParallel(_net())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    # Half of all batches is dropped, by each rank's own draw: a pass through DDP would hang or drift.
    augment = DropMix(method, rate=0.5, num_classes=4, seed=0, **options)
    saliency, drawn = input_gradient(model), []
    x, y = (part[rank::2] for part in _data().tensors)
    for _ in range(6):
        optimizer.zero_grad()
        mixed, shares = augment(x, y, saliency=saliency)
        F.cross_entropy(model(mixed), shares).backward()
        optimizer.step()
        drawn.append(shares)
    torch.save((drawn, [p.detach() for p in model.parameters()]), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
@pytest.mark.parametrize(("method", "options"), [("saliencymix", {"per": "sample"}), ("puzzlemix", {"clean": 1.0})])
def test_two_ranks_draw_apart_and_stay_equal(tmp_path, method, options):
    runs = []
    for name in ("first", "again"):
        folder = tmp_path / name
        folder.mkdir()
        torch.multiprocessing.start_processes(  # pyright: ignore
            _rank, (str(folder), method, options), nprocs=2, start_method="fork"
        )
        runs.append([torch.load(folder / f"{rank}.pt") for rank in (0, 1)])
    (draws_0, weights_0), (draws_1, weights_1) = runs[0]
    hard = [bool(((shares == 0) | (shares == 1)).all()) for shares in draws_0 + draws_1]
    assert {True, False} == set(hard)
    assert not all(torch.equal(a, b) for a, b in zip(draws_0, draws_1))
    assert all(torch.equal(a, b) for a, b in zip(weights_0, weights_1))
    for before, after in zip(runs[0], runs[1]):
        for a, b in zip(before[0] + before[1], after[0] + after[1]):
            assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_plain_loop_with_workers_autocast_accumulation_and_resume(dtype):
    def train(model, augment, epochs):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loader = DataLoader(_data(), batch_size=4)
        for _ in range(epochs):
            for n, (x, y) in enumerate(loader):
                if n % 2 == 0:
                    optimizer.zero_grad()
                mixed, shares = augment(x, y)
                with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                    loss = F.cross_entropy(model(mixed).float(), shares) / 2
                loss.backward()
                if n % 2 == 1:
                    optimizer.step()

    options: dict[str, Any] = {"num_classes": 4, "unit": "sample", "per": "sample", "seed": 3}
    whole, augment = _net(), DropMix("cutmix", 0.4, **options)
    train(whole, augment, 2)
    part, augment = _net(), DropMix("cutmix", 0.4, **options)
    train(part, augment, 1)
    state = copy.deepcopy({"model": part.state_dict(), "augment": augment.state_dict()})
    rest, augment = _net(), DropMix("cutmix", 0.4, **options)
    rest.load_state_dict(state["model"])
    augment.load_state_dict(state["augment"])
    train(rest, augment, 1)
    for a, b in zip(whole.parameters(), rest.parameters()):
        assert torch.equal(a, b)
