"""Learning rate of an epoch."""

import math

from dropmix.train.config import Train


def learning_rate(train: Train, epoch: int, vanilla: bool = False) -> float:
    """Return the learning rate of an epoch, counted from 0. It changes between epochs only.

    Args:
        train: settings.
        epoch: counted from 0.
        vanilla: whether the run is of the vanilla arm, which may have a rate of its own.

    Example:
        >>> from dropmix.train.config import Schedule
        >>> train = Train(epochs=300, lr=0.2, schedule=Schedule(milestones=(100, 200)))
        >>> [round(learning_rate(train, e), 4) for e in (0, 99, 100, 200)]
        [0.2, 0.2, 0.02, 0.002]
    """
    schedule = train.schedule
    start = train.lr_vanilla if vanilla and train.lr_vanilla is not None else train.lr
    if schedule.kind == "cosine":
        return start * 0.5 * (1 + math.cos(math.pi * epoch / train.epochs))
    if schedule.kind == "constant":
        return start
    return start * schedule.factor ** sum(epoch >= milestone for milestone in schedule.milestones)
