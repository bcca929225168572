"""What the refinement climbs while it is learnt: against sums over every z and differences, in NumPy."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit

from latentia import VAE, TextVAE, families
from latentia.batch import Batch, TensorBatches
from latentia.bounds import Elbo
from latentia.conditional import Conditional
from latentia.errors import AbilityError
from latentia.learn import Objective, SemiAmortizedVI
from latentia.models import FamilyPrior, LatentVariableModel, StandardNormal
from latentia.networks import MLP, NormalisedMean, TransformerDecoder, TransformerEncoder
from latentia.networks.transformer import Block
from latentia.posteriors import Amortized, SemiAmortized

K, STEPS, RATE = 3, 2, 0.4
Z = (np.arange(2**K)[:, None] >> np.arange(K) & 1).astype(float)
OBJECTIVES = {
    "a weight": Objective(0.3),
    "warm-up": Objective(1.0, 8),
    "target rate": Objective(2.0, target_rate=0.7),
    "free bits": Objective(free_bits=0.1),
    "free bits of all": Objective(0.5, free_bits=0.2, group=0),
    "free bits of pairs": Objective(free_bits=0.15, group=2),
}
AT = 3  # the step at which it is looked at


class Problem:
    """Three coins that explain six cells; all that torch knows of it, and the objective written out in NumPy."""

    def __init__(self, objective: Objective, weighted: bool, through: bool = False) -> None:
        torch.manual_seed(0)
        p = Conditional(MLP(K, 12, (8,), "tanh"), families.Normal((6,), scale="network"), (K,))
        self.model = LatentVariableModel(FamilyPrior(families.Bernoulli((K,))), p).double()
        self.net = MLP(6, K, (5,), "tanh").double()
        encoder = Conditional(self.net, families.Bernoulli((K,)), (6,), joint=True)
        own: dict[str, Any] = {"n_steps": STEPS, "step_rate": RATE, "max_norm": 1e9, "through": through}
        own["bound"] = Elbo(2, gradient="leave-one-out" if objective.free_bits and objective.group else "enumeration")
        self.learner = SemiAmortizedVI(encoder, objective=objective, **own)
        with torch.no_grad():
            self.x = self.model.sample(5)
        self.weight = torch.tensor([1.0, 0.5, 2.0, 1.5, 3.0], dtype=torch.float64) if weighted else None
        self.objective, self.w = objective, objective.weight_at(AT)
        self.log_lik = self.model.log_likelihood(self.x, torch.tensor(Z).unsqueeze(1)).detach().numpy()

    def loss(self) -> torch.Tensor:
        """Of the learner's own step."""
        batches = TensorBatches(self.x, weight=self.weight, batch_size=5, dtype=torch.float64)
        gradient = self.learner.init(self.model, batches).handles["gradient"]
        batch = Batch(self.x, torch.arange(5), self.weight)
        return gradient.evaluate(batch, torch.tensor(self.w, dtype=torch.float64))[1]

    def total(self, logits: np.ndarray) -> float:
        """Weighted sum over the rows of what is climbed, logits `(5, K)`."""
        log_q = (Z[:, None] * log_expit(logits) + (1 - Z[:, None]) * log_expit(-logits)).sum(-1)
        recon = (np.exp(log_q) * self.log_lik).sum(0)
        chance = expit(logits)
        units = chance * (log_expit(logits) + np.log(2)) + (1 - chance) * (log_expit(-logits) + np.log(2))
        weight = np.ones(5) if self.weight is None else self.weight.numpy()
        mean = weight @ units / weight.sum()
        return float(weight @ recon - self.w * weight.sum() * self._price(mean))

    def _price(self, units: np.ndarray) -> float:
        own = self.objective
        if own.target_rate is not None:
            return abs(units.sum() - own.target_rate)
        size = own.group or K
        groups = [units[i : i + size].sum() for i in range(0, K, size)]
        return sum(max(own.free_bits, group) for group in groups)

    def climbed(self, logits: np.ndarray) -> np.ndarray:
        weight = np.ones(5) if self.weight is None else self.weight.numpy()
        for _ in range(STEPS):
            slope, h = np.zeros_like(logits), 1e-6
            for place in np.ndindex(logits.shape):
                up, down = logits.copy(), logits.copy()
                up[place], down[place] = up[place] + h, down[place] - h
                slope[place] = (self.total(up) - self.total(down)) / (2 * h)
            logits = logits + RATE * slope / weight[:, None]
        return logits


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_refinement_climbs_what_is_learnt(name: str, weighted: bool) -> None:
    problem, seen = Problem(OBJECTIVES[name], weighted), []
    problem.learner.posterior.register_forward_hook(lambda *arguments: seen.append(arguments[2].mean.detach().numpy()))
    problem.loss()
    first = problem.net(problem.x).detach().numpy()
    np.testing.assert_allclose(seen[0], expit(problem.climbed(first)), atol=1e-7)
    assert np.abs(seen[0] - expit(first)).max() > 0.01  # the steps do move it


@pytest.mark.parametrize("name", ["warm-up", "target rate"])
def test_its_gradient_flows_through_the_steps(name: str) -> None:
    """By a weight of the encoder and one of the model, against differences."""
    problem = Problem(OBJECTIVES[name], weighted=True, through=True)
    for module in (problem.net, problem.model):
        parameter = next(p for p in module.parameters() if p.ndim == 2)
        (found,) = torch.autograd.grad(problem.loss(), parameter)
        values = []
        for sign in (1, -2):
            with torch.no_grad():
                parameter[1, 2] += sign * 1e-5
            values.append(problem.loss().item())
        with torch.no_grad():
            parameter[1, 2] += 1e-5
        assert float(found[1, 2]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)


def test_of_draws_it_climbs_on_average() -> None:
    """Nine coins are too many to sum over: the mean of many slopes by the score function."""
    torch.manual_seed(0)
    p = Conditional(MLP(9, 4, (8,), "tanh"), families.Normal((4,), scale=1.0), (9,))
    model = LatentVariableModel(FamilyPrior(families.Bernoulli((9,))), p).double()
    encoder = Conditional(MLP(4, 9, ()).double(), families.Bernoulli((9,)), (4,), joint=True)
    own: dict[str, Any] = {"n_steps": 1, "step_rate": 1.0, "step_samples": 3, "max_norm": 1e9, "through": False}
    bound, n = Elbo(2, gradient="leave-one-out"), 20_000
    learner = SemiAmortizedVI(encoder, objective=Objective(0.25), bound=bound, **own)
    x = model.sample(1).detach().expand(n, -1)
    seen = []

    class Seen(type(learner.posterior)):  # type: ignore[misc]
        def _climb(self, *arguments: Any) -> torch.Tensor:
            seen.append(super()._climb(*arguments) - arguments[2])
            return arguments[2]

    learner.posterior.__class__ = Seen
    state = learner.init(model, TensorBatches(x, batch_size=n, dtype=torch.float64))
    state.handles["gradient"].evaluate(Batch(x, torch.arange(n)), torch.tensor(0.25, dtype=torch.float64))
    found, error = seen[0].mean(0), seen[0].std(0) / n**0.5
    z = torch.tensor((np.arange(2**9)[:, None] >> np.arange(9) & 1).astype(float))
    logits = encoder.network(x[:1]).detach().requires_grad_()
    q = torch.distributions.Bernoulli(logits=logits[0])
    log_q = q.log_prob(z).sum(-1)
    value = log_q.exp() * (model.log_likelihood(x[:1], z.unsqueeze(1))[:, 0] - 0.25 * (log_q + 9 * np.log(2)))
    (exact,) = torch.autograd.grad(value.sum(), logits)
    assert ((found - exact[0]).abs() < 5 * error).all()


def test_the_gradient_flows_through_attention() -> None:
    """Whose fast kernels have no second derivative: by a weight that makes keys and values, against differences."""
    torch.manual_seed(0)
    decoder = TransformerDecoder(6, 2, 8, 1, 2)
    p = Conditional(torch.nn.Identity(), families.Tokens(decoder, 4), (2,))
    model = LatentVariableModel(StandardNormal(2), p).double()
    encoder = Conditional(TransformerEncoder(6, 4, 8, 1, 2).double(), families.Normal((2,)), (4,), joint=True)
    learner = SemiAmortizedVI(encoder, n_steps=2, step_rate=0.3, max_norm=1e9)
    batch = Batch(torch.tensor([[3.0, 4, 2, 0], [5, 3, 4, 2]], dtype=torch.float64), torch.arange(2))
    block = decoder.blocks[0]
    assert isinstance(block, Block)

    def value() -> torch.Tensor:
        torch.manual_seed(1)
        return Elbo()(model, learner.posterior, batch).value.sum()

    (found,) = torch.autograd.grad(value(), block.ask.weight)
    for place in ((9, 1), (20, 3)):
        up_and_down = []
        for step in (1e-5, -2e-5):
            with torch.no_grad():
                block.ask.weight[place] += step
            up_and_down.append(value().item())
        assert found[place].item() == pytest.approx((up_and_down[0] - up_and_down[1]) / 2e-5, rel=1e-4, abs=1e-8)


def test_sentences_are_refined_by_both_networks() -> None:
    lines = ["the cat sat", "the dog ran", "a cat ran"] * 4
    own: dict[str, Any] = {"n_embed": 4, "n_hidden": 8, "n_heads": 2, "n_layers": 1, "learner": "semi-amortized"}
    for network in ("lstm", "transformer"):
        model = TextVAE(2, network=network, max_epochs=1, random_state=0, device="cpu", **own).fit(lines)
        assert np.isfinite(model.score_samples(lines[:3], n_samples=2)).all()


def test_in_evaluation_it_climbs_the_elbo() -> None:
    """Whatever was learnt: the same q of the same networks."""
    found = []
    for objective in (Objective(), Objective(0.1), Objective(target_rate=2.0)):
        problem = Problem(objective, weighted=False)
        problem.loss()
        q = problem.learner.posterior.eval()(Batch(problem.x, torch.arange(5)), problem.model)
        found.append(q.mean)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_normalised_means_are_not_refined() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    for learner in ("semi-amortized", "svi"):
        with pytest.raises(AbilityError, match=r"batch_norm_mean.*Use "):
            VAE(2, hidden=(3,), learner=learner, batch_norm_mean=0.6, max_epochs=1).fit(x)
        VAE(2, hidden=(3,), learner=learner, committed_rate=0.6, max_epochs=1).fit(x)
    network = NormalisedMean(torch.nn.Linear(3, 4), 2, 0.6)
    encoder = Conditional(network, families.Normal((2,)), (3,), joint=True)
    with pytest.raises(AbilityError, match="Use "):
        SemiAmortized(encoder)
    Amortized(encoder)
