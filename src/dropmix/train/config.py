"""The spec of a run: everything that changes its outcome, and nothing else. Imports no torch.

A run's folder is named after the hash of its spec; paths, devices, workers and executors are not part of it.
"""

import hashlib
import json
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

FORMAT = 1


class Frozen(BaseModel):
    """Base of all specs: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    silent: ClassVar[tuple[str, ...]] = ()
    """Fields left out of the JSON at their default, so that specs and folders from before they existed keep their
    hash."""

    @model_serializer(mode="wrap")
    def _leave_out_silent_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = handler(self)
        for name in self.silent:
            if getattr(self, name) == type(self).model_fields[name].default:
                content.pop(name, None)
        return content


class Arm(Frozen):
    """A method, its hyperparameters and the DropMix rate.

    Args:
        name: what tables call it; not part of a run's identity. See `dropmix.grid.arm.make_arm`.
        method: a key of `dropmix.METHODS`.
        rate: share left unmixed, in [0, 1].
        unit, per: as `DropMix` takes them.
        options: every hyperparameter of the method, defaults included, so that a spec stays true when they change.
    """

    name: str = "vanilla"
    method: str = "vanilla"
    rate: float = Field(default=0.0, ge=0, le=1)
    unit: Literal["batch", "sample", "count"] = "batch"
    per: Literal["batch", "sample"] = "batch"
    options: dict[str, Any] = {}


class Data(Frozen):
    """The images: which set, which part of it, and how they are augmented before mixing.

    With `resized_crop` pictures stay in their files, and a part of random size is resized to `size`; `colour_jitter`
    then changes colours as CutMix's ImageNet code does. `resized` tells the side that `dropmix resize` brought them to.
    Of texts, `tokens` are kept from the start of each; columns are named where they have no usual name.
    """

    silent: ClassVar = ("resized_crop", "colour_jitter", "resized", "text_column", "label_column", "tokens")

    name: str
    fingerprint: str | None = None
    train_per_class: int | None = Field(default=None, ge=1)
    validation: float = Field(default=0.0, ge=0, lt=1)
    split_seed: int = 0
    size: int | None = Field(default=None, ge=1)
    crop_padding: int = Field(default=0, ge=0)
    flip: bool = False
    resized_crop: bool = False
    colour_jitter: bool = False
    resized: int | None = None
    text_column: str | None = None
    label_column: str | None = None
    tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _augmentations_fit_each_other(self) -> "Data":
        if self.resized_crop and self.crop_padding:
            raise ValueError("resized_crop takes the place of crop_padding; set crop_padding=0")
        if self.resized_crop and self.size is None:
            raise ValueError("resized_crop needs the size of the crops; set size, e.g. 224")
        if self.colour_jitter and not self.resized_crop:
            raise ValueError("colour_jitter needs resized_crop; set resized_crop=true")
        return self


class Schedule(Frozen):
    """Learning rate over epochs: "step" multiplies by `factor` at `milestones`, "cosine" falls to zero."""

    kind: Literal["step", "cosine", "constant"] = "step"
    milestones: tuple[int, ...] = ()
    factor: float = Field(default=0.1, gt=0)


class Train(Frozen):
    """Optimisation. `optimizer` "sgd" is SGD with momentum, as in the paper; "adamw" ignores the momentum.

    `lr_vanilla` is the learning rate of the vanilla arm where it is not the other arms' (the released code's 0.1).
    Every batch is cut into `shards`, for as many processes or one: batch statistics are a shard's, the gradient is the
    whole batch's mean. Partners come from the whole batch or, `mix_within` "shard", from the own shard, which then is
    mixed as a batch of its own.
    """

    silent: ClassVar = ("lr_vanilla", "shards", "mix_within", "optimizer")

    epochs: int = Field(ge=1)
    batch: int = Field(default=100, ge=1)
    lr: float = Field(gt=0)
    lr_vanilla: float | None = Field(default=None, gt=0)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(default=5e-4, ge=0)
    schedule: Schedule = Schedule()
    loss: Literal["cross-entropy", "bce-of-softmax"] = "cross-entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    evaluate_every: int = Field(default=10, ge=1)
    evaluate_last: int = Field(default=10, ge=1)
    shards: int = Field(default=1, ge=1)
    mix_within: Literal["batch", "shard"] = "batch"

    @model_validator(mode="after")
    def _shards_hold_two_images(self) -> "Train":
        if self.shards > 1 and self.batch < 2 * self.shards:
            raise ValueError(f"{self.shards} shards of two images or more need batch >= {2 * self.shards}")
        return self

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "Train":
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs momentum > 0; set nesterov=false")
        return self


class Spec(Frozen):
    """One run: an arm, a seed, and what else changes its outcome. Names the run's folder."""

    unnamed: ClassVar[bool] = False
    """Whether the arm's name is no part of the run's identity, since its fields say all."""

    format: Literal[1] = FORMAT
    arm: Any
    seed: int = Field(default=0, ge=0)

    @property
    def hash(self) -> str:
        """First 10 hexadecimal digits of the SHA-256 of the spec's canonical JSON."""
        content = self.model_dump(mode="json", exclude={"arm": {"name"}} if self.unnamed else None)
        return hashlib.sha256(self._canonical(content)).hexdigest()[:10]

    @property
    def group(self) -> str:
        """The same for everything but arm and seed: runs of one group are compared with each other."""
        shared = self.model_dump(mode="json", exclude={"arm", "seed"})
        return hashlib.sha256(self._canonical(shared)).hexdigest()[:10]

    @property
    def folder_name(self) -> str:
        """Readable name and hash of the run's folder."""
        slug = self.arm.name.replace("=", "").replace(" ", "-")
        slug = "".join(c if c.isalnum() or c in "-._" else "_" for c in slug)
        return f"{slug}-s{self.seed}-{self.hash}"

    def to_json(self) -> str:
        """Indented JSON."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote; pydantic's ValidationError names what does not fit."""
        return cls.model_validate_json(text)

    @staticmethod
    def _canonical(content: dict[str, Any]) -> bytes:
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


class RunSpec(Spec):
    """One run: an arm and a seed on a network, data and schedule.

    Example:
        >>> spec = RunSpec(network="wrn10-1", data=Data(name="digits"), train=Train(epochs=1, lr=0.1))
        >>> spec.hash == RunSpec.from_json(spec.to_json()).hash
        True
        >>> spec.folder_name
        'vanilla-s0-...'
    """

    unnamed: ClassVar = True

    arm: Arm = Arm()
    network: str
    preset: str = "paper"
    data: Data
    train: Train
