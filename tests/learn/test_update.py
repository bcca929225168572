"""An update inside the program has the bits of the optimiser's own, and is left to the optimiser where it would not."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from latentia import families
from latentia.batch import Batch, TensorBatches
from latentia.bounds import Terms
from latentia.conditional import Conditional
from latentia.errors import NonFiniteError
from latentia.learn import AmortizedVI, Schedule
from latentia.learn.gradient import GradientStep
from latentia.learn.program import record
from latentia.learn.update import Update
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized

OPTIMIZERS: dict[str, Any] = {
    "adam": "adam",
    "decay": lambda ps: torch.optim.AdamW(ps, lr=3e-3, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, fused=True),
    "adam with decay": lambda ps: torch.optim.Adam(ps, lr=3e-3, weight_decay=0.1, fused=True),
}
OTHERS: dict[str, Any] = {
    "sgd": "sgd",
    "amsgrad": lambda ps: torch.optim.Adam(ps, fused=True, amsgrad=True),
    "not fused": lambda ps: torch.optim.Adam(ps),
    "two groups": lambda ps: torch.optim.Adam([{"params": ps[:2], "lr": 1e-2}, {"params": ps[2:]}], fused=True),
}


@pytest.fixture(autouse=True)
def _record_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentia.learn.gradient.RECORD_AFTER", 5)


def made(execution: str, optimizer: Any, **options: Any) -> tuple[Any, AmortizedVI]:
    torch.manual_seed(0)
    model = LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 6, (8,)), families.Bernoulli((6,)), (2,)))
    q = Amortized(Conditional(MLP(6, 4, (8,)), families.Normal((2,)), (6,), joint=True))
    return model, AmortizedVI(q, execution=execution, optimizer=optimizer, **options)


def learnt(execution: str, optimizer: Any, steps: int = 20, **options: Any) -> tuple[list[Tensor], Any]:
    """All parameters and the optimiser's whole state after some steps, and the gradient."""
    model, learner = made(execution, optimizer, **options)
    batches = TensorBatches(torch.eye(6).repeat(4, 1), batch_size=8, seed=0)
    state = learner.init(model, batches)
    torch.manual_seed(2)
    for _ in range(steps):
        state, _ = learner.step(model, batches, state)
    tensors = [*model.parameters(), *learner.posterior.parameters(), *learner.snapshot(state).tensors.values()]
    return [t.detach() for t in tensors], state.handles["gradient"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_parameters_and_moments_have_the_optimisers_bits(optimizer: Any) -> None:
    schedule = Schedule("cosine", n_steps=30, warm_up=3)
    eager, _ = learnt("eager", optimizer, schedule=schedule)
    joined, gradient = learnt("auto", optimizer, schedule=schedule)
    assert gradient.updated
    assert all(torch.equal(a, b) for a, b in zip(eager, joined, strict=True))


@pytest.mark.parametrize("optimizer", OTHERS.values(), ids=OTHERS)
def test_other_optimisers_keep_their_own_step(optimizer: Any) -> None:
    eager, _ = learnt("eager", optimizer)
    recorded, gradient = learnt("auto", optimizer)
    assert gradient.program is not None
    assert not gradient.updated
    assert all(torch.equal(a, b) for a, b in zip(eager, recorded, strict=True))


def test_a_clipped_gradient_is_left_for_the_clipping() -> None:
    _, gradient = learnt("auto", "adam", gradient_clip=0.1)
    assert gradient.program is not None
    assert not gradient.updated


def test_an_update_that_is_not_the_optimisers_is_not_used() -> None:
    """A hook that nobody can see from outside: the optimiser's step halves what it was given."""

    class Halving(torch.optim.Adam):
        pass

    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=0.1, fused=True)
    inner = optimizer.step
    optimizer.step = lambda: (weight.grad.mul_(0.5), inner())  # type: ignore[method-assign,union-attr,assignment]

    def evaluate(batch: Batch) -> Any:
        value = (batch.x * weight.square()).sum(1)
        return Terms(value, value), value.sum()

    step = GradientStep(evaluate, (nn.ParameterList([weight]),), optimizer=optimizer)
    for _ in range(9):
        step(Batch(torch.rand(2, 3), torch.arange(2)))
        if not step.updated:
            optimizer.step()
    assert step.program is not None
    assert step._update is None
    assert not Update.fits(Halving([weight], fused=True), [weight])


def test_a_loss_that_is_no_number_changes_nothing() -> None:
    model, learner = made("auto", "adam")
    x = torch.eye(6).repeat(4, 1)
    batches = TensorBatches(x, batch_size=24, seed=0)
    state = learner.init(model, batches)
    for _ in range(9):
        state, _ = learner.step(model, batches, state)
    assert state.handles["gradient"].updated
    before = [p.detach().clone() for p in (*model.parameters(), *learner.posterior.parameters())]
    batches.x[3, 2] = float("nan")
    with pytest.raises(NonFiniteError, match=r"step 10; the first tensor that is not finite is the data"):
        learner.step(model, batches, state)
    after = [*model.parameters(), *learner.posterior.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_state_loaded_anew_is_noticed() -> None:
    """At an epoch's end, as a callback could."""

    def run(execution: str) -> list[Tensor]:
        model, learner = made(execution, "adam")
        batches = TensorBatches(torch.eye(6).repeat(4, 1), batch_size=8, seed=0)
        state = learner.init(model, batches)
        torch.manual_seed(0)
        for step in range(24):
            if step == 12:
                optimizer = state.handles["optimizer"]
                saved = deepcopy(optimizer.state_dict())
                for moments in saved["state"].values():
                    moments["exp_avg"].zero_()
                optimizer.load_state_dict(saved)
            state, _ = learner.step(model, batches, state)
        return [p.detach() for p in (*model.parameters(), *learner.posterior.parameters())]

    assert all(torch.equal(a, b) for a, b in zip(run("eager"), run("auto"), strict=True))


def test_a_parameter_is_changed_after_its_last_reader() -> None:
    """The gradient of a product needs the weight that made it, through a view of it."""
    first, second = nn.Parameter(torch.tensor([[2.0, 1.0]])), nn.Parameter(torch.tensor([[3.0], [4.0]]))

    def function(x: Tensor) -> list[Tensor]:
        loss = ((x @ first.t()) @ second.t()).square().sum()
        return [loss.detach(), *torch.autograd.grad(loss, [second, first])]

    optimizer = torch.optim.Adam([second, first], lr=0.5, fused=True)
    x = torch.ones(3, 2)
    wanted = function(x)[1:]
    for parameter, gradient in zip((second, first), wanted):
        parameter.grad = gradient
    kept = [p.detach().clone() for p in (second, first)]
    optimizer.step()
    after = [p.detach().clone() for p in (second, first)]
    for state in optimizer.state.values():
        for tensor in state.values():
            tensor.zero_()
    with torch.no_grad():
        for parameter, value in zip((second, first), kept):
            parameter.copy_(value)
    module = record(function, [x])
    Update(optimizer, [second, first]).join(module)
    with torch.no_grad():
        module(x)
    assert all(torch.equal(a, b) for a, b in zip((second, first), after, strict=True))


def test_constants_are_worked_out_once_and_buffers_stay() -> None:
    weight = nn.Parameter(torch.ones(3))

    def function(x: Tensor) -> list[Tensor]:
        filled = torch.zeros_like(x)
        filled[0] = 1.0  # written into: no constant
        loss = (x * weight * filled).mean()
        return [loss.detach(), filled, *torch.autograd.grad(loss, [weight])]

    x = torch.tensor([1.0, 2.0, 3.0])
    module = record(function, [x])
    assert any("folded" in str(node.target) for node in module.graph.nodes)
    for rows in (x, 2 * x):
        got, want = module(rows), function(rows)
        got[1].add_(5)  # the caller may do with it as he likes
        assert torch.equal(got[0], want[0])
        assert torch.equal(got[2], want[2])
