"""What a grid costs before it is run: FLOPs, and time from a few real steps of one run."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from dropmix.data import Dataset
from dropmix.nets import build, flops
from dropmix.train.config import RunSpec
from dropmix.train.step import Stepper


@dataclass(frozen=True)
class Estimate:
    """Cost of one run.

    Args:
        flops: floating point operations of training and evaluation; a multiply-add counts two, a step three forwards.
        seconds: on this device with the threads that are set, measured on `steps` steps of random images.
    """

    flops: float
    seconds: float


def estimate_run(spec: RunSpec, dataset: Dataset, device: torch.device, steps: int = 3) -> Estimate:
    """Return the cost of one run of a spec's network, schedule and data.

    Args:
        spec: the run; its arm's mixing is part of the measured step.
        dataset: gives sizes.
        device: where it would run.
        steps: steps to time, after one to warm up.
    """
    shape = dataset.train.shape
    train = spec.train
    net = build(spec.network, len(dataset.classes), shape[0]).to(device)
    evaluations = len({e for e in range(1, train.epochs + 1) if _evaluates(spec, e)})
    target = len((dataset.validation or dataset.test).labels)
    images = len(dataset.train.labels) * train.epochs
    forward = flops(net, shape)
    stepper = Stepper(spec, net, len(dataset.classes), dataset.mean, dataset.std)
    x = torch.randn(min(train.batch, len(dataset.train.labels)), *shape, device=device)
    y = torch.from_numpy(np.arange(len(x)) % len(dataset.classes)).to(device)
    step = _seconds(lambda i: stepper.step(x, y, 0, i), steps, device)
    net.eval()
    look = _seconds(lambda i: stepper.predict(x), steps, device)
    seconds = (images * step + target * evaluations * look) / len(x)
    return Estimate(flops=forward * (3 * images + target * evaluations), seconds=seconds)


def _evaluates(spec: RunSpec, epoch: int) -> bool:
    train = spec.train
    return epoch % train.evaluate_every == 0 or epoch > train.epochs - train.evaluate_last


def _seconds(work, steps: int, device: torch.device) -> float:
    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    work(0)
    wait()
    start = time.perf_counter()
    for i in range(steps):
        work(i + 1)
    wait()
    return (time.perf_counter() - start) / steps
