"""MixTrainer against Hugging Face's Trainer itself."""

import pytest
import torch
from torch import nn

from dropmix import DropMix, input_gradient

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
from dropmix.integrations.transformers import MixTrainer  # noqa: E402

SEEN: list[tuple[bool, torch.Tensor]] = []


class Net(nn.Module):
    """A linear classifier that notes what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3 * 8 * 8, 4)

    def forward(self, pixel_values, labels=None):
        del labels
        SEEN.append((self.training, pixel_values.clone()))
        return {"logits": self.linear(pixel_values.flatten(1))}


def _data(n=16):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n, 3, 8, 8, generator=generator)
    return [{"pixel_values": x[i], "labels": i % 4} for i in range(n)]


def _vit():
    torch.manual_seed(0)
    config = transformers.ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                                    image_size=8, patch_size=4, num_labels=4)  # fmt: skip
    return transformers.ViTForImageClassification(config)


def _trainer(tmp_path, rate, method="mixup", model=Net, **options):
    defaults = {"per_device_train_batch_size": 8, "num_train_epochs": 1, "learning_rate": 0.1, "optim": "sgd",
                "report_to": "none", "use_cpu": True, "max_grad_norm": 0.0, "lr_scheduler_type": "constant",
                "disable_tqdm": True, "logging_strategy": "no", "save_strategy": "no"}  # fmt: skip
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), **(defaults | options))
    augment = DropMix(method, rate, num_classes=4, seed=0, per="sample")
    return MixTrainer(model(), arguments, train_dataset=_data(), eval_dataset=_data(), augment=augment)


def _weights(trainer):
    return next(reversed(list(trainer.model.parameters()))).detach().clone()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_and_four_accumulation_steps_give_the_same_gradient(tmp_path, smoothing):
    found = []
    for size, steps in ((8, 1), (2, 4)):
        sizes = {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps}
        trainer = _trainer(tmp_path, 1.0, model=_vit, label_smoothing_factor=smoothing, **sizes)
        trainer.train()
        found.append(_weights(trainer))
    torch.testing.assert_close(*found)
    assert not torch.equal(found[0], torch.zeros(4))


@pytest.mark.parametrize(("size", "steps"), [(8, 1), (2, 4)])
def test_the_clean_loss_is_divided_as_the_trainer_divides_the_loss(tmp_path, monkeypatch, size, steps):
    scales = []

    def noted(model, scale=None):
        scales.append(scale)
        return input_gradient(model, scale=scale)

    monkeypatch.setattr("dropmix.integrations.transformers.input_gradient", noted)
    sizes = {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps}
    _trainer(tmp_path, 0.0, "saliencymix", model=_vit, **sizes).train()
    assert scales == [1 / steps] * (16 // size)


def test_training_is_mixed_and_evaluation_is_not(tmp_path):
    trainer = _trainer(tmp_path, 0.0)
    pictures = torch.stack([row["pixel_values"] for row in _data()])
    SEEN.clear()
    trainer.train()
    mixed = [x for training, x in SEEN if training]
    assert len(mixed) == 2
    same = sum(bool((pictures == image).flatten(1).all(1).any()) for x in mixed for image in x)
    assert same < 8  # only those that were drawn as their own partner
    SEEN.clear()
    metrics = trainer.evaluate()
    assert torch.equal(torch.cat([x for _, x in SEEN]), pictures)
    with torch.no_grad():
        logits = trainer.model(pictures)["logits"]
    labels = torch.tensor([row["labels"] for row in _data()])
    assert metrics["eval_loss"] == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert torch.equal(torch.as_tensor(trainer.predict(_data()).label_ids), labels)


def test_a_resumed_training_draws_what_the_whole_one_does(tmp_path):
    options = {"num_train_epochs": 2, "save_strategy": "epoch"}
    whole = _trainer(tmp_path, 0.3, **options)
    whole.train()
    resumed = _trainer(tmp_path, 0.3, **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert torch.equal(_weights(resumed), _weights(whole))


def test_saliency_is_the_models_own_and_a_seed_is_needed(tmp_path):
    trainer = _trainer(tmp_path, 0.0, "saliencymix", model=_vit)
    trainer.train()
    assert not torch.equal(_weights(trainer), torch.zeros(4))
    with pytest.raises(ValueError, match="expected an augment with a seed, got none"):
        MixTrainer(Net(), augment=DropMix("mixup", num_classes=4))
