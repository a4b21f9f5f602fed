import pytest
import torch

from dropmix.train.config import Schedule, Train
from dropmix.train.optimizer import learning_rate


def torch_rates(make, epochs):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    scheduler, rates = make(optimizer), []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(("milestones", "factor"), [((100, 200), 0.1), ((60, 120, 160), 0.2), ((), 0.1), ((1, 1), 0.5)])
def test_steps_equal_torchs(milestones, factor):
    train = Train(epochs=300, lr=0.2, schedule=Schedule(kind="step", milestones=milestones, factor=factor))
    theirs = torch_rates(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, list(milestones), factor), 300)
    assert [learning_rate(train, e) for e in range(300)] == pytest.approx(theirs)


def test_cosine_equals_torchs():
    train = Train(epochs=50, lr=0.2, schedule=Schedule(kind="cosine"))
    theirs = torch_rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 50), 50)
    assert [learning_rate(train, e) for e in range(50)] == pytest.approx(theirs)


def test_constant():
    assert learning_rate(Train(epochs=9, lr=0.3, schedule=Schedule(kind="constant")), 8) == 0.3


def test_vanilla_may_start_elsewhere():
    train = Train(epochs=9, lr=0.2, lr_vanilla=0.1, schedule=Schedule(milestones=(3,)))
    assert [learning_rate(train, e) for e in (0, 3)] == pytest.approx([0.2, 0.02])
    assert [learning_rate(train, e, vanilla=True) for e in (0, 3)] == pytest.approx([0.1, 0.01])
    assert learning_rate(Train(epochs=9, lr=0.2), 0, vanilla=True) == 0.2
