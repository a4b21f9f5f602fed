"""Loops of hosts beyond the page's first examples, each against the same computation by hand."""

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate

from dropmix import DropMix, input_gradient

from .plain_loop import RATE, X, Y, batches, by_hand, cutmix, make_net, weights_of


def test_lightning_with_manual_optimisation():
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.net, self.augment = make_net(), cutmix()

        def training_step(self, batch, _):
            x, y = self.augment(*batch)
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(F.cross_entropy(self.net(x), y))
            optimizer.step()

        def configure_optimizers(self):
            return torch.optim.SGD(self.net.parameters(), lr=RATE)

    module = Module()
    lightning.Trainer(max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False,
                      enable_model_summary=False, enable_checkpointing=False).fit(module, batches())  # fmt: skip
    torch.testing.assert_close(weights_of(module.net), by_hand())


def test_accelerate_with_accumulation_and_its_saved_state(tmp_path):
    accelerator = pytest.importorskip("accelerate").Accelerator(cpu=True, gradient_accumulation_steps=2)
    net, augment = make_net(), cutmix()
    net, optimizer, loader = accelerator.prepare(net, torch.optim.SGD(net.parameters(), lr=RATE), batches(4))
    accelerator.register_for_checkpointing(augment)
    for _ in range(2):
        for batch in loader:
            with accelerator.accumulate(net):
                x, y = augment(*batch)
                accelerator.backward(F.cross_entropy(net(x), y))
                optimizer.step()
                optimizer.zero_grad()
    torch.testing.assert_close(weights_of(net), by_hand(4, 2))
    accelerator.save_state(str(tmp_path))
    drawn = [augment(X, Y)[1] for _ in range(3)]
    accelerator.load_state(str(tmp_path))
    assert all(torch.equal(again, before) for again, before in zip([augment(X, Y)[1] for _ in range(3)], drawn))


@pytest.mark.parametrize("unused", [True, False])
def test_a_trainer_of_pictures_with_other_columns(tmp_path, unused):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from dropmix.integrations.transformers import MixTrainer

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = make_net()

        def forward(self, pixel_values, labels=None):
            return {"logits": self.net(pixel_values)}

    class Pictures(Dataset):
        def __len__(self):
            return len(X)

        def __getitem__(self, i):
            return {"pixel_values": X[i], "label": int(Y[i]), "path": f"{i}.png"}

    class InOrder(MixTrainer):
        def _get_train_sampler(self, *_, **__):
            return torch.utils.data.SequentialSampler(Pictures())

    def collate(rows):
        return {
            "pixel_values": torch.stack([row["pixel_values"] for row in rows]),
            "labels": torch.tensor([row["label"] for row in rows]),
        }

    arguments = transformers.TrainingArguments(
        str(tmp_path), per_device_train_batch_size=8, num_train_epochs=2, learning_rate=RATE, optim="sgd", use_cpu=True,
        report_to="none", max_grad_norm=0.0, lr_scheduler_type="constant", save_strategy="no", disable_tqdm=True,
        remove_unused_columns=unused,
    )  # fmt: skip
    trainer = InOrder(Net(), arguments, train_dataset=Pictures(), data_collator=collate, augment=cutmix())
    trainer.train()
    torch.testing.assert_close(weights_of(trainer.model.net), by_hand())


def test_gradients_of_single_samples_by_torch_func():
    net, augment = make_net().eval(), cutmix(per="sample")
    weights = dict(net.named_parameters())
    x, shares = augment(X, Y, step=1)

    def loss(weights, image, share):
        return F.cross_entropy(torch.func.functional_call(net, weights, (image[None],)), share[None])

    each = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(weights, x, shares)
    for i in (0, 7):
        net.zero_grad()
        (-(shares[i] * net(x[i : i + 1])[0].log_softmax(0)).sum()).backward()
        for name, weight in net.named_parameters():
            torch.testing.assert_close(each[name][i], weight.grad)
    with pytest.raises(ValueError, match=r"expected plain tensors, got some within torch\.func .*Mix the batch before"):
        torch.func.vmap(lambda image: augment(image, Y)[0])(X[None])


def test_workers_that_stay_draw_anew_and_repeat_by_seed():
    def epochs():
        augment = cutmix()
        loader = DataLoader(TensorDataset(X, Y), 4, collate_fn=lambda rows: augment(*default_collate(rows)),
                            num_workers=2, persistent_workers=True)  # fmt: skip
        return [torch.cat([shares for _, shares in loader]) for _ in range(2)]

    first, again = epochs(), epochs()
    assert not torch.equal(first[0], first[1])
    assert all(torch.equal(a, b) for a, b in zip(first, again))


def test_mixed_precision_with_a_scaler():
    net, augment, scaler = make_net(), cutmix(), torch.amp.GradScaler("cpu")
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
    for _ in range(2):
        for batch in batches():
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                x, y = augment(*batch)  # inside autocast too, images and labels keep their precision
                assert (x.dtype, y.dtype) == (torch.float32, torch.float32)
                loss = F.cross_entropy(net(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    error, effect = (by_hand() - other for other in (weights_of(net), by_hand(unmixed=True)))
    assert error.norm() < 0.2 * effect.norm()


def _sharded(rank: int, folder: str) -> None:
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    net, augment = make_net(), cutmix()
    fully_shard(net, mesh=init_device_mesh("cpu", (2,)))
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
    x, y = X[rank::2], Y[rank::2]
    with pytest.raises(ValueError, match="expected a network whose weights this rank holds, got FSDP"):
        DropMix("saliencymix", num_classes=4, seed=0)(x, y, saliency=input_gradient(net))
    drawn = []
    for _ in range(4):
        optimizer.zero_grad()
        mixed, shares = augment(x, y)
        F.cross_entropy(net(mixed), shares).backward()
        optimizer.step()
        drawn.append(shares)
    whole = [parameter.full_tensor() for parameter in net.parameters()]  # pyright: ignore
    torch.save((drawn, torch.cat([parameter.detach().flatten() for parameter in whole])), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
def test_two_ranks_that_share_out_the_weights(tmp_path):
    torch.multiprocessing.start_processes(_sharded, (str(tmp_path),), nprocs=2, start_method="fork")  # pyright: ignore
    (drawn, weights), (others, same) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert torch.equal(weights, same)
    assert not all(torch.equal(a, b) for a, b in zip(drawn, others))


def test_averaged_weights_of_a_module_that_mixes_itself():
    class Mixing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.augment = make_net(), cutmix()

        def forward(self, x, y):
            x, y = self.augment(x, y)
            return self.net(x), y

    module = Mixing()
    averaged = torch.optim.swa_utils.AveragedModel(module, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5))
    optimizer, mean = torch.optim.SGD(module.parameters(), lr=RATE), weights_of(module)
    for _ in range(2):
        for batch in batches():
            optimizer.zero_grad()
            F.cross_entropy(*module(*batch)).backward()
            optimizer.step()
            first = averaged.n_averaged == 0
            averaged.update_parameters(module)
            mean = weights_of(module) if first else 0.5 * mean + 0.5 * weights_of(module)
    torch.testing.assert_close(weights_of(module), by_hand())
    torch.testing.assert_close(weights_of(averaged.module), mean)
    assert averaged.eval()(X, Y)[1] is Y


def test_a_whole_step_compiled():
    net, augment = make_net(), cutmix()
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)

    @torch.compile(backend="eager")
    def step(x, y):
        optimizer.zero_grad()
        x, y = augment(x, y)
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about its own profiler
        for _ in range(2):
            for batch in batches():
                step(*batch)
    torch.testing.assert_close(weights_of(net), by_hand())


def test_torchvision_transforms_before_mixing_and_its_own_two_left_out():
    v2 = pytest.importorskip("torchvision.transforms.v2")
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    chain = v2.Compose([v2.RandomHorizontalFlip(1.0), cutmix()])  # batches pass through both
    x, y = chain(tv_tensors.Image(X), Y)
    expected, shares = cutmix()(X.flip(3), Y)
    assert isinstance(x, tv_tensors.Image)
    assert torch.equal(x.as_subclass(Tensor), expected)
    assert torch.equal(y, shares)
    batch = {"image": tv_tensors.Image(X), "mask": tv_tensors.Mask(torch.arange(4096).view(16, 16, 16)), "label": Y}
    mixed = cutmix()(batch, step=1)
    assert [type(mixed[key]) for key in batch] == [tv_tensors.Image, tv_tensors.Mask, Tensor]
    assert not torch.equal(mixed["mask"], batch["mask"])
