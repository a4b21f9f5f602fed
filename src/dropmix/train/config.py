"""The spec of a run: everything that changes its outcome, and nothing else. Imports no torch.

A run's folder is named after the hash of its spec; paths, devices, workers and executors are not part of it.
"""

import hashlib
import json
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

FORMAT = 1


class Frozen(BaseModel):
    """Base of all specs: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    silent: ClassVar[tuple[str, ...]] = ()
    """Fields left out of the JSON at their default, so that specs and folders older than the field keep their hash."""

    @model_serializer(mode="wrap")
    def _leave_out_silent_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = handler(self)
        for name in self.silent:
            if getattr(self, name) == type(self).model_fields[name].default:
                content.pop(name, None)
        return content


class Arm(Frozen):
    """A method, its hyperparameters and the DropMix rate. Classes are named by the names of the data set.

    Args:
        name: what tables call it; not part of a run's identity. See `dropmix.grid.arm.make_arm`.
        method: a key of `dropmix.METHODS`.
        rate: share left unmixed, in [0, 1]; with `rates`, over all training examples.
        unit, per: as `DropMix` takes them.
        options: every hyperparameter of the method, defaults included, so that a spec stays true when they change.
        rates: rate of each class, if classes differ. See `dropmix.grid.written_arms.for_data`.
        partners, confusions, withhold: as `DropMix` takes them.
    """

    silent: ClassVar = ("rates", "partners", "confusions", "withhold")

    name: str = "vanilla"
    method: str = "vanilla"
    rate: float = Field(default=0.0, ge=0, le=1)
    unit: Literal["batch", "sample", "count"] = "batch"
    per: Literal["batch", "sample"] = "batch"
    options: dict[str, Any] = {}
    rates: dict[str, float] | None = None
    partners: Literal["any", "other", "avoid", "only"] = "any"
    confusions: dict[str, str] | None = None
    withhold: tuple[str, ...] = ()


class Data(Frozen):
    """The images: which set, which part of it, and how they are augmented before mixing.

    With `resized_crop` pictures stay in their files, and a part of random size is resized to `size`; `colour_jitter`
    then changes colours as CutMix's ImageNet code does. `resized` is the side to which `dropmix resize` brought them.
    `exif` turns pictures by their EXIF orientation. A folder without a test split is split by a seed or by the "hash"
    of each file, with a `group` whole; `labels`, a table or pattern, may give the classes; see
    `dropmix.data.readers.folder.read`. The `group` of texts is a column. The first `tokens` tokens of a text are kept;
    columns are named if they have no usual name. `augment` lists policies, each image by itself, such as
    "randaugment(2,9)"; see `dropmix.train.augment`. `normalize` "network" takes mean and deviation from the network's
    own record. Of `folds` stratified parts, part `fold` is predicted.
    """

    silent: ClassVar = (
        *"resized_crop colour_jitter resized exif split group labels text_column".split(),
        *"label_column tokens augment normalize folds fold".split(),
    )

    name: str
    fingerprint: str | None = None
    train_per_class: int | None = Field(default=None, ge=1)
    validation: float = Field(default=0.0, ge=0, lt=1)
    split_seed: int = 0
    size: int | None = Field(default=None, ge=1, le=4096)
    crop_padding: int = Field(default=0, ge=0, le=4096)
    flip: bool = False
    resized_crop: bool = False
    colour_jitter: bool = False
    resized: int | None = None
    exif: bool = False
    split: Literal["seed", "hash"] = "seed"
    group: str | None = None
    labels: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    tokens: int | None = Field(default=None, ge=1)
    augment: tuple[str, ...] = ()
    normalize: Literal["data", "network"] = "data"
    folds: int | None = Field(default=None, ge=2, le=100)
    fold: int | None = Field(default=None, ge=0)

    @field_validator("augment", mode="before")
    @classmethod
    def _one_policy_is_a_list(cls, augment: Any) -> Any:
        return (augment,) if isinstance(augment, str) else augment

    @model_validator(mode="after")
    def _settings_of_images_fit(self) -> "Data":
        if self.fold is not None and (self.folds is None or self.fold >= self.folds):
            raise ValueError(f"expected a fold below folds, got {self.fold} of {self.folds}; run --folds K sets both")
        if self.folds and (self.validation or self.train_per_class):
            raise ValueError("folds take the place of validation and train_per_class; leave these out")
        if self.resized_crop and self.crop_padding:
            raise ValueError("resized_crop takes the place of crop_padding; set crop_padding=0")
        if self.resized_crop and self.size is None:
            raise ValueError("resized_crop needs the size of the crops; set size, e.g. 224")
        if self.colour_jitter and not self.resized_crop:
            raise ValueError("colour_jitter needs resized_crop; set resized_crop=true")
        return self


class Schedule(Frozen):
    """Learning rate over epochs: "step" multiplies by `factor` at `milestones`, "cosine" falls to zero, "one-cycle"
    rises from a 25th over the first 30 % of the run, then falls to zero, with every step.

    With `warmup` epochs (a fraction is allowed), the other schedules first rise from zero with every step.
    """

    silent: ClassVar = ("warmup",)

    kind: Literal["step", "cosine", "constant", "one-cycle"] = "step"
    warmup: float = Field(default=0.0, ge=0)
    milestones: tuple[int, ...] = ()
    factor: float = Field(default=0.1, gt=0)


class Train(Frozen):
    """Optimisation. SGD with momentum, as in the paper, unless `optimizer` says otherwise.

    `lr_vanilla` overrides `lr` for the vanilla arm (the released code has 0.1).
    Every batch is cut into `shards`, for as many processes or one: batch statistics are per shard, the gradient is the
    mean over the whole batch. Partners come from the whole batch or, with `mix_within` "shard", from the own shard,
    which is then mixed as a batch of its own.
    `optimizer` is sgd, adamw, or a name that timm knows; `optimizer_options` are its arguments. `layer_decay`
    multiplies the learning rate from each layer to the one before it, `head_lr_factor` that of the head. `freeze`
    keeps weights as they are: "backbone" all but the head's, else those whose names match one of the comma-
    separated patterns; `freeze_statistics` those of batch normalisation. `ema` is the decay of averaged weights,
    which then predict. `clip` bounds the gradient's norm. `micro_batch` images go through the network at
    a time, and their gradients add up to the batch's. `balance` evens out classes of different size: by weights of
    the loss, or by how often images are drawn, inversely to their class's size or to its square root.
    """

    silent: ClassVar = tuple(
        "lr_vanilla shards mix_within optimizer optimizer_options layer_decay head_lr_factor freeze freeze_statistics "
        "ema clip micro_batch balance".split()
    )

    epochs: int = Field(ge=1, le=100_000)
    batch: int = Field(default=100, ge=1, le=1_000_000)
    lr: float = Field(gt=0)
    lr_vanilla: float | None = Field(default=None, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(default=5e-4, ge=0)
    schedule: Schedule = Schedule()
    loss: Literal["cross-entropy", "bce-of-softmax"] = "cross-entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    evaluate_every: int = Field(default=10, ge=1)
    evaluate_last: int = Field(default=10, ge=1)
    shards: int = Field(default=1, ge=1)
    mix_within: Literal["batch", "shard"] = "batch"
    optimizer: str = "sgd"
    optimizer_options: dict[str, Any] = {}
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    head_lr_factor: float = Field(default=1.0, gt=0)
    freeze: str | None = None
    freeze_statistics: bool = False
    ema: float = Field(default=0.0, ge=0, lt=1)
    clip: float | None = Field(default=None, gt=0)
    micro_batch: int | None = Field(default=None, ge=2)
    balance: Literal["none", "weights", "sampler", "sampler-sqrt"] = "none"

    @property
    def per_step(self) -> bool:
        """Whether the learning rate changes with every step."""
        return self.schedule.kind == "one-cycle" or self.schedule.warmup > 0

    @property
    def capturable(self) -> bool:
        """Whether a step can be replayed as a CUDA graph: SGD, unscaled, whose rate changes between epochs only."""
        plain = self.optimizer == "sgd" and not self.optimizer_options and not self.ema and self.clip is None
        return plain and self.micro_batch is None and not self.per_step and self.precision != "fp16"

    @model_validator(mode="after")
    def _settings_fit_each_other(self) -> "Train":
        if self.shards > 1 and (self.micro_batch or self.ema or self.clip is not None or self.balance != "none"):
            raise ValueError("shards cannot be joined with micro_batch, ema, clip or balance; leave these out")
        if self.shards > 1 and self.batch < 2 * self.shards:
            raise ValueError(f"{self.shards} shards of two images or more need batch >= {2 * self.shards}")
        if self.optimizer == "sgd" and self.nesterov and not self.momentum:
            raise ValueError("nesterov needs momentum > 0; set nesterov=false")
        return self


class Spec(Frozen):
    """One run: an arm, a seed, and everything else that changes its outcome. Names the run's folder."""

    unnamed: ClassVar[bool] = False
    """Whether the identity leaves out the arm's name, because its fields say everything."""

    format: Literal[1] = FORMAT
    arm: Any
    seed: int = Field(default=0, ge=0, lt=2**63)

    @property
    def hash(self) -> str:
        """First 10 hexadecimal digits of the SHA-256 of the spec's canonical JSON."""
        return self._digest(self._identity({"arm": {"name"}} if self.unnamed else set()))

    @property
    def group(self) -> str:
        """The same for everything but arm and seed: runs of one group are compared with each other."""
        shared = self._identity({"arm", "seed"})
        if isinstance(shared.get("data"), dict):
            shared["data"].pop("fold", None)  # folds of a grid are read together
        return self._digest(shared)

    @property
    def part(self) -> str:
        """The part of the folder's name beside arm and seed."""
        return ""

    def _identity(self, exclude: Any) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude=exclude)

    @property
    def folder_name(self) -> str:
        """Readable name and hash of the run's folder."""
        slug = self.arm.name.replace("=", "").replace(" ", "-")
        slug = "".join(c if c.isalnum() or c in "-._" else "_" for c in slug)
        return f"{slug}-s{self.seed}{self.part}-{self.hash}"

    def to_json(self) -> str:
        """Indented JSON."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read JSON that `to_json` wrote; pydantic's ValidationError names the fields that do not fit."""
        return cls.model_validate_json(text)

    @staticmethod
    def _digest(content: dict[str, Any]) -> str:
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:10]


class RunSpec(Spec):
    """One run: an arm and a seed on a network, data and schedule.

    `weights` is "pretrained" or a file. Files of weights and networks enter the hash by content, not by path.

    Example:
        >>> spec = RunSpec(network="wrn10-1", data=Data(name="digits"), train=Train(epochs=1, lr=0.1))
        >>> spec.hash == RunSpec.from_json(spec.to_json()).hash
        True
        >>> spec.folder_name
        'vanilla-s0-...'
    """

    unnamed: ClassVar = True
    silent: ClassVar = ("weights", "weights_sha256", "network_sha256")

    arm: Arm = Arm()
    network: str
    network_sha256: str | None = None
    weights: str | None = None
    weights_sha256: str | None = None
    preset: str = "paper"
    data: Data
    train: Train

    @property
    def part(self) -> str:
        """The fold, if there are several."""
        return "" if self.data.fold is None else f"-f{self.data.fold}"

    def _identity(self, exclude: Any) -> dict[str, Any]:
        content = super()._identity(exclude)
        if self.weights_sha256 and self.weights != "pretrained":
            content["weights"] = "file"
        if self.network_sha256:
            content["network"] = self.network.rpartition(":")[2]
        return content
