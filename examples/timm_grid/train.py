"""A training script with timm's own parts, on scikit-learn's digits, with DropMix in place of `timm.data.Mixup`."""

import argparse
from pathlib import Path

import timm
import timm.optim
import torch
from sklearn.datasets import load_digits
from timm.loss import SoftTargetCrossEntropy

from dropmix import DropMix, save_predictions

parser = argparse.ArgumentParser()
parser.add_argument("--mixup", type=float, required=True, help="alpha; 0 is no mixing")
parser.add_argument("--rate", type=float, required=True, help="share of batches left unmixed")
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--output", type=Path, required=True)
asked = parser.parse_args()

torch.manual_seed(asked.seed)
digits = load_digits()
images = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None].repeat_interleave(4, 2).repeat_interleave(4, 3)
labels, test = torch.tensor(digits.target), torch.arange(len(digits.target)) % 3 == 0
model = timm.create_model("test_resnet", num_classes=10, in_chans=1)
optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=3e-3)
loss_fn = SoftTargetCrossEntropy()
mixup_fn = (
    DropMix("mixup", rate=asked.rate, num_classes=10, seed=asked.seed, alpha=asked.mixup)
    if asked.mixup
    else DropMix("vanilla", num_classes=10)
)
x, y = images[~test], labels[~test]
for epoch in range(asked.epochs):
    model.train()
    for rows in torch.randperm(len(x)).split(64):
        mixed, shares = mixup_fn(x[rows], y[rows])
        loss = loss_fn(model(mixed), shares)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1} of {asked.epochs}: loss {loss.item():.3f}", flush=True)
model.eval()
with torch.no_grad():
    probs = model(images[test]).softmax(1)
save_predictions(
    asked.output / "predictions.parquet", labels[test], probs=probs, ids=torch.nonzero(test)[:, 0], seed=asked.seed
)
