"""A recorded step gives the bits of the step it was recorded from, and is left where it would not."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from latentia import families
from latentia.batch import Batch, TensorBatches
from latentia.bounds import Elbo, ImportanceWeighted, Terms
from latentia.conditional import Conditional
from latentia.distributions import log_interval
from latentia.errors import ParameterError
from latentia.learn import AmortizedVI, Objective
from latentia.learn.gradient import GradientStep
from latentia.learn.program import is_plain, record
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized

FAMILIES = {
    "bernoulli": lambda: families.Bernoulli((6,)),
    "normal": lambda: families.Normal((6,), scale="per-feature"),
    "continuous-bernoulli": lambda: families.ContinuousBernoulli((6,)),
    "categorical": lambda: families.Categorical((6,), n_categories=2),
}
LEARNERS: dict[str, dict[str, Any]] = {
    "elbo": {},
    "monte-carlo kl": {"bound": Elbo(n_samples=3, kl="monte-carlo")},
    "importance": {"bound": ImportanceWeighted(n_samples=4)},
    "warm-up, clipped": {"objective": Objective(0.5, warm_up=9), "gradient_clip": 0.1},
}


def seeded() -> MLP:
    torch.manual_seed(4)
    return MLP(2, 6, (8,))


class Doubling(nn.Module):
    """A network of the user's that decides in Python."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.calls = network, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.network(x) * (2.0 if self.calls > 12 else 1.0)


def parts(family: nn.Module, network: nn.Module | None = None, dropout: bool = False) -> tuple[Any, Any]:
    torch.manual_seed(0)
    net = MLP(2, 6 * family.n_raw, (8,)) if network is None else network
    if dropout:
        net = nn.Sequential(nn.Dropout(0.2), nn.BatchNorm1d(2), net)
    model = LatentVariableModel(StandardNormal(2), Conditional(net, family, (2,)))
    return model, Amortized(Conditional(MLP(6, 4, (8,)), families.Normal((2,)), (6,), joint=True))


def learn(
    execution: str, family: Any, options: dict[str, Any], *, steps: int = 20, weighted: bool = False, **more: Any
):
    model, q = parts(family(), **more)
    learner = AmortizedVI(q, execution=execution, **options)
    x = torch.randint(0, 2, (50, 6), generator=torch.Generator().manual_seed(1))
    weight = torch.arange(50.0) if weighted else None
    batches = TensorBatches(x, batch_size=16, seed=0, weight=weight)
    state, infos = learner.init(model, batches), []
    torch.manual_seed(2)
    for _ in range(steps):
        state, info = learner.step(model, batches, state)
        infos.append(torch.cat([info.bound, *info.parts.values()]))
    weights = torch.cat([p.detach().flatten() for p in (*model.parameters(), *q.parameters())])
    return weights, torch.cat(infos), state.handles["gradient"]


@pytest.fixture(autouse=True)
def _record_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentia.learn.gradient.RECORD_AFTER", 5)


@pytest.mark.parametrize("options", LEARNERS.values(), ids=LEARNERS)
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_recorded_fit_has_the_bits_of_an_eager_one(family: Any, options: dict[str, Any]) -> None:
    eager = learn("eager", family, options)
    recorded = learn("auto", family, options)
    assert eager[2].program is None
    assert recorded[2].program is not None
    assert torch.equal(eager[0], recorded[0])
    assert torch.equal(eager[1], recorded[1])


@pytest.mark.parametrize("more", [{"weighted": True}, {"dropout": True}], ids=str)
def test_weights_dropout_and_batch_norm_too(more: dict[str, Any]) -> None:
    eager, recorded = (learn(name, FAMILIES["bernoulli"], {}, **more) for name in ("eager", "auto"))
    assert recorded[2].program is not None
    assert torch.equal(eager[0], recorded[0])
    assert torch.equal(eager[1], recorded[1])


def test_a_network_of_the_users_stays_eager_unless_asked() -> None:
    network = Doubling(seeded())
    assert not is_plain(network)
    eager = learn("eager", FAMILIES["bernoulli"], {}, network=Doubling(seeded()))
    auto = learn("auto", FAMILIES["bernoulli"], {}, network=network)
    assert auto[2].program is None
    assert torch.equal(eager[0], auto[0])
    assert learn("recorded", FAMILIES["bernoulli"], {}, network=Doubling(seeded()))[2].program is not None


def test_a_program_that_is_not_the_step_is_not_used() -> None:
    """Whatever differs between the rehearsal and the step itself is seen at once."""
    weight = nn.Parameter(torch.ones(3))
    module = nn.ParameterList([weight])
    calls: list[int] = []

    def evaluate(batch: Batch) -> Any:
        calls.append(1)
        value = (batch.x * weight).sum(1) * len(calls)
        return Terms(value, value), -value.sum()

    step = GradientStep(evaluate, (module,))
    for _ in range(8):
        step(Batch(torch.ones(2, 3), torch.arange(2)))
    assert step.program is None
    assert step.execution == "eager"


def test_freezing_a_layer_midway_is_noticed() -> None:
    def run(execution: str) -> Tensor:
        model, q = parts(FAMILIES["bernoulli"]())
        learner = AmortizedVI(q, execution=execution, optimizer="sgd", learning_rate=0.1)
        batches = TensorBatches(torch.eye(6).repeat(4, 1), batch_size=8, seed=0)
        state = learner.init(model, batches)
        torch.manual_seed(0)
        for step in range(18):
            if step == 9:  # an epoch's end
                q.requires_grad_(False)
            state, _ = learner.step(model, batches, state)
        return torch.cat([p.detach().flatten() for p in (*model.parameters(), *q.parameters())])

    assert torch.equal(run("eager"), run("auto"))


def test_recording_leaves_the_random_state_and_buffers_alone() -> None:
    model, q = parts(FAMILIES["bernoulli"](), dropout=True)
    learner = AmortizedVI(q, execution="recorded")
    batches = TensorBatches(torch.eye(6), seed=0)
    state = learner.init(model, batches)
    for _ in range(6):
        state, _ = learner.step(model, batches, state)
    assert int(model.conditional.network[1].num_batches_tracked) == 6


def test_a_program_reads_parameters_anew() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    program = record(lambda x: [x * weight.detach()], [torch.ones(2)])
    with torch.no_grad():
        weight.copy_(torch.tensor([5.0, 6.0]))
    assert program(torch.ones(2))[0].tolist() == [5.0, 6.0]


def test_what_cannot_be_recorded_says_so_when_it_was_asked_for() -> None:
    weight = nn.Parameter(torch.ones(3))

    def evaluate(batch: Batch) -> Any:
        if torch._C._len_torch_dispatch_stack() > 0:
            raise RuntimeError("only eagerly")
        value = (batch.x * weight).sum(1)
        return Terms(value, value), -value.sum()

    step = GradientStep(evaluate, (nn.ParameterList([weight]),), execution="recorded")
    batch = Batch(torch.ones(2, 3), torch.arange(2))
    for _ in range(4):
        step(batch)
    with pytest.raises(ParameterError, match=r"did not work .* only eagerly. Use execution='eager'"):
        step(batch)


def test_an_unknown_execution_is_refused() -> None:
    with pytest.raises(ParameterError, match="execution='fast'"):
        AmortizedVI(parts(FAMILIES["bernoulli"]())[1], execution="fast")


def test_a_step_whose_sizes_change_is_recorded_with_them() -> None:
    """The cells in which the mass of an interval is hard are counted anew at every step, also where there were none."""
    weight = torch.nn.Parameter(torch.tensor(0.3))

    def step(x: torch.Tensor, s: torch.Tensor) -> list[torch.Tensor]:
        density = log_interval(Normal(weight * x, s.exp(), validate_args=False), x - 0.5, x + 0.5).sum()
        return [density.detach(), *torch.autograd.grad(density, [weight])]

    torch.manual_seed(0)
    program = record(step, [torch.randn(5, 7), torch.zeros(5, 7)])
    for size, spread in ((1.0, 0.0), (30.0, 1.0), (0.1, 4.0), (100.0, 3.0)):
        given = torch.randn(5, 7) * size, torch.randn(5, 7) * spread
        with torch.no_grad():
            seen = program(*given)
        assert all(map(torch.equal, seen, step(*given)))


def test_a_size_that_was_written_down_is_refused() -> None:
    def step(x: torch.Tensor) -> list[torch.Tensor]:
        found = x[(x > 0).nonzero(as_tuple=True)]
        return [found.reshape(found.shape[0]) + torch.zeros(found.shape[0])]

    with pytest.raises(ValueError, match="a size of its own"):
        record(step, [torch.tensor([1.0, -1.0, 2.0, 3.0])])
