"""Train one run in its folder, resumable at any step to the bit."""

import copy
import json
import time
from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from dropmix.data import Dataset
from dropmix.data.records import Texts
from dropmix.nets.foreign import normalisation
from dropmix.train.checkpoint import WEIGHTS, Place, load_checkpoint, remove_checkpoints, save_checkpoint
from dropmix.train.config import RunSpec
from dropmix.train.distributed import Group
from dropmix.train.executor import Capture, GraphStep, exhaust, on_stream
from dropmix.train.files import sha256, write_atomic
from dropmix.train.optimizer import class_weights, learning_rate
from dropmix.train.outcome import accuracy_summary, environment, write_predictions
from dropmix.train.plan import batch_slices, stream
from dropmix.train.shards import ShardStep
from dropmix.train.source import evaluation_source, normalised, training_source
from dropmix.train.step import Stepper, build_for

Outcome = Literal["done", "stopped"]


class RunError(RuntimeError):
    """A run cannot go on; the message is one line for its user."""


@dataclass
class Control:
    """How a run is watched and stopped; nothing here changes its outcome.

    Args:
        should_stop: asked before every step; True saves a checkpoint and leaves.
        on_progress: called as on_progress(steps done, all steps, last accuracy or None) after every step.
        checkpoint_seconds: least time between two checkpoints.
        keep_logits: save all logits with the predictions.
        capture: makes graphs of steps, see `GraphStep`; None launches them kernel by kernel.
        loaders: threads that read pictures, if these stay in their files.
        group: processes that train the run together, one shard each; every process calls.
    """

    should_stop: Callable[[], bool] = lambda: False
    on_progress: Callable[[int, int, float | None], None] = lambda done, total, accuracy: None
    checkpoint_seconds: float = 60.0
    keep_logits: bool = False
    capture: Capture | None = None
    loaders: int = 1
    group: Group | None = None


def train_run(
    spec: RunSpec, folder: Path, dataset: Dataset, device: torch.device, control: Control | None = None
) -> Outcome:
    """Train a run from its start or its last checkpoint, and write its predictions.

    Args:
        spec: the run; `folder` already holds it as `spec.json`.
        folder: the run's folder.
        dataset: the images that spec.data names.
        device: where to train.
        control: see `Control`.
    Returns:
        "done", or "stopped" if control asked for it: call again to go on.
    Raises:
        RunError: the loss is no longer finite.
        PeerError: another process of the group failed.
        ValueError: there are not as many processes as shards, or not two images for each.
        OSError: the disk is full; the last checkpoint stays.
    """
    return exhaust(train_steps(spec, folder, dataset, device, control))


def train_steps(
    spec: RunSpec, folder: Path, dataset: Dataset, device: torch.device, control: Control | None = None
) -> Generator[None, None, Outcome]:
    """As `train_run`, but pausing after every step, so that several runs can take turns."""
    return on_stream(_train_steps(spec, folder, dataset, device, control), device)


def _train_steps(
    spec: RunSpec, folder: Path, dataset: Dataset, device: torch.device, control: Control | None
) -> Generator[None, None, Outcome]:
    control = control or Control()
    with nullcontext() if control.group is None else control.group.together():
        run = _Run(spec, folder, dataset, device, control)
        run.resume()
        outcome = yield from run.train()
        if outcome == "done" and run.leads:
            run.finish()
    return outcome


class _Run:
    def __init__(self, spec: RunSpec, folder: Path, dataset: Dataset, device: torch.device, control: Control) -> None:
        self.spec, self.folder, self.dataset, self.device, self.control = spec, folder, dataset, device, control
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(spec.seed, "init").initial_seed())
            model = build_for(spec, dataset)
        if spec.data.normalize == "network":
            self.dataset = dataset = normalised(dataset, *normalisation(spec.network, model))
        self.images = training_source(dataset, spec.data, device, control.loaders, spec.train.balance)
        self.target = dataset.judged
        self.target_images = evaluation_source(self.target, dataset, device, control.loaders)
        model = model.to(device=device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        classes = dataset.classes
        self.stepper = Stepper(spec, model, len(classes), dataset.mean, dataset.std, classes)
        if spec.train.balance == "weights":
            counts = torch.bincount(self.images.labels.cpu(), minlength=len(dataset.classes))
            self.stepper.class_weights = class_weights(counts).to(device)
        self.batches = batch_slices(len(self.images), spec.train.batch, spec.train.shards)
        self.group, self.leads = control.group, control.group is None or control.group.leads
        self.step, self.loaded = self._step(control.capture)
        self.place = Place()
        self.logits = torch.empty(0)  # of the latest evaluation; the last epoch always ends in one
        self.started = time.monotonic()
        self.saved = self.started

    def _step(self, capture: Capture | None) -> tuple[Callable[[Tensor, Tensor, int, int], Tensor], list[slice]]:
        """The function for a step, and for every batch the part of the epoch's order that this process loads."""
        shards, first = self.spec.train.shards, self.batches[0].stop
        if self.group is not None and self.group.size != shards:
            raise ValueError(f"train.shards: expected {self.group.size}, one per process, got {shards}. Set as many.")
        if shards > 1:
            if first < 2 * shards:
                raise ValueError(f"train.shards: expected two training images for each of {shards}, got {first}.")
            step = ShardStep(self.stepper, self.batches, self.group)
            own = self.group is not None and (self.images.streamed or self.spec.train.mix_within == "shard")
            return step, [step.own_part(batch) for batch in self.batches] if own else self.batches
        # A capture would replay the same dropout again.
        if capture is not None and self.spec.train.capturable and not self.stepper.noisy:
            return GraphStep(self.stepper, first, capture), self.batches
        return self.stepper.step, self.batches

    def resume(self) -> None:
        if self.group is None:
            load_checkpoint(self.folder, self.spec.hash, self.device, self._take)
            return
        # The others may not see the folder.
        loaded = load_checkpoint(self.folder, self.spec.hash, use=self._take) if self.leads else None
        checkpoint = self.group.share(loaded)
        if checkpoint is not None and not self.leads:
            self._take(checkpoint)

    def _take(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint; one that does not fit raises, and leaves all as it was."""
        place = Place(**checkpoint["place"])
        place.check(self.spec.train.epochs, len(self.batches))
        threads = checkpoint.get("threads", torch.get_num_threads())
        before = copy.deepcopy(self.stepper.state_dict())
        try:
            self.stepper.load_state_dict(checkpoint)
            # Sums over threads round by the number of threads, so a run keeps the number that it began with.
            torch.set_num_threads(threads)
        except Exception:
            self.stepper.load_state_dict(before)
            raise
        self.place, self.started = place, time.monotonic() - place.seconds

    def save(self) -> None:
        if not self.leads:
            return
        self.place.seconds = time.monotonic() - self.started
        content = {
            "spec_hash": self.spec.hash,
            "place": vars(self.place),
            "threads": torch.get_num_threads(),
            **self.stepper.state_dict(),
        }
        save_checkpoint(self.folder, content)
        self.saved = time.monotonic()

    def _save_due(self) -> bool:
        return time.monotonic() - self.saved >= self.control.checkpoint_seconds

    def _wishes(self) -> tuple[bool, ...]:
        """Whether to stop before the next step, and whether to save; the same in all processes of a group."""
        wishes = self.control.should_stop(), self.leads and self._save_due()
        return wishes if self.group is None else self.group.agree(*wishes)

    def _sum(self, total: Tensor) -> float:
        return float(total if self.group is None else self.group.sum(total.clone()))

    def train(self) -> Generator[None, None, Outcome]:
        train, place = self.spec.train, self.place
        while place.epoch < train.epochs:
            self.stepper.set_lr(self._lr(place.epoch))
            if (yield from self._epoch()) == "stopped":
                self.save()
                return "stopped"
            self._end_epoch()
            if self._save_due() and place.epoch < train.epochs:
                self.save()
        return "done"

    def _epoch(self) -> Generator[None, None, Outcome]:
        spec, place = self.spec, self.place
        self.stepper.train_mode()
        # Losses add up on the device in double precision, so that the sum does not depend on where a run was cut.
        start = place.loss_sum if self.leads else 0.0
        total = torch.tensor(start, dtype=torch.float64, device=self.device)
        with closing(self.images.batches(spec.seed, place.epoch, self.loaded, place.step)) as batches:
            for x, y in batches:
                stop, save = self._wishes()
                if stop or (save and place.step):  # before the first step, the end of the last epoch has saved
                    place.loss_sum = self._sum(total)
                if stop:
                    return "stopped"
                if save and place.step:
                    self.save()
                batch = self.batches[place.step]
                if spec.train.per_step:
                    self.stepper.set_lr(self._lr(place.epoch, place.step / len(self.batches)))
                total += self.step(x, y, place.epoch, place.step) * (batch.stop - batch.start)
                place.step += 1
                done = place.epoch * len(self.batches) + place.step
                self.control.on_progress(done, spec.train.epochs * len(self.batches), self._last_accuracy())
                yield
        place.loss_sum = self._sum(total)
        return "done"

    def _end_epoch(self) -> None:
        train, place = self.spec.train, self.place
        epoch, loss = place.epoch + 1, place.loss_sum / len(self.images)
        if not torch.isfinite(torch.tensor(loss)):
            raise RunError(f"train: expected a finite loss, got {loss} in epoch {epoch}. Lower train.lr.")
        due = epoch % train.evaluate_every == 0 or epoch > train.epochs - train.evaluate_last
        row = {
            "epoch": epoch,
            "lr": self._lr(place.epoch),
            "loss": loss,
            "accuracy": self._accuracy() if due else None,
        }
        place.rows.append(row)
        place.epoch, place.step, place.loss_sum = epoch, 0, 0.0
        if not self.leads:
            return
        lines = "".join(json.dumps(r) + "\n" for r in place.rows)
        write_atomic(self.folder / "metrics.jsonl", lines.encode())

    def _lr(self, epoch: int, step: float = 0.0) -> float:
        return learning_rate(self.spec.train, epoch, self.spec.arm.method == "vanilla", step)

    def _last_accuracy(self) -> float | None:
        return self.place.accuracies[-1][1] if self.place.accuracies else None

    def _accuracy(self) -> float:
        self.logits = self._predict()
        return float((self.logits.argmax(1) == self.target_images.labels).double().mean())

    def _predict(self) -> Tensor:
        self.stepper.evaluated.eval()
        if self.group is None:
            return torch.cat([self.stepper.predict(x) for _, x in self.target_images.plain()])
        logits = torch.zeros(len(self.target_images), len(self.dataset.classes), device=self.device)
        for rows, x in self.target_images.plain(self.group.rank, self.group.size):
            logits[rows] = self.stepper.predict(x)
        self.group.agree()  # nobody waits for a process that failed, for example on a damaged picture
        return self.group.sum(logits)

    def finish(self) -> None:
        spec = self.spec
        digest = write_predictions(self.folder, spec, self.dataset, self.target, self.logits, self.control.keep_logits)
        weights = {"spec_hash": spec.hash, "network": spec.network, "model": self.stepper.evaluated.state_dict()}
        write_atomic(self.folder / WEIGHTS, lambda file: torch.save(weights, file))
        if isinstance(self.dataset.train, Texts) and self.dataset.train.words:
            content = json.dumps(self.dataset.train.words, ensure_ascii=False, indent=0)
            write_atomic(self.folder / "vocabulary.json", content.encode())
        done = {
            "predictions_sha256": digest,
            "weights_sha256": sha256(self.folder / WEIGHTS),
            **accuracy_summary(self.place.accuracies, spec.train.epochs),
            "seconds": round(time.monotonic() - self.started, 1),
            "environment": environment(self.device),
        }
        write_atomic(self.folder / "done", (json.dumps(done, indent=2) + "\n").encode())
        remove_checkpoints(self.folder)
