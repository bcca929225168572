"""Moving q row by row where draws carry no gradient: against enumeration, truncated sums and SciPy's optimiser."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import poisson
from torch import Tensor, nn

from latentia import families
from latentia.batch import Batch
from latentia.conditional import Conditional
from latentia.errors import AbilityError
from latentia.models import FamilyPrior, LatentVariableModel
from latentia.networks import MLP
from latentia.posteriors import Local, SemiAmortized
from latentia.posteriors.row_bound import row_elbo

D = torch.float64


def coins(k: int) -> LatentVariableModel:
    """Six normal cells that a small network makes of k coins."""
    torch.manual_seed(0)
    p = Conditional(MLP(k, 12, (8,), "tanh"), families.Normal((6,), scale="network"), (k,))
    return LatentVariableModel(FamilyPrior(families.Bernoulli((k,))), p).double().requires_grad_(False)


def batch(x: Tensor) -> Batch:
    return Batch(x, torch.arange(len(x)))


def free(family: families.Family) -> Conditional:
    return Conditional(nn.Identity(), family, (family.n_outputs,), joint=True)


def table_of(model: LatentVariableModel, x: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every z, `(2^k, k)`, and log p(x, z), `(2^k, rows)`."""
    z = (np.arange(2**k)[:, None] >> np.arange(k) & 1).astype(float)
    return z, model.log_joint(x, torch.tensor(z).unsqueeze(1)).numpy()


def elbo(logits: np.ndarray, z: np.ndarray, log_joint: np.ndarray) -> float:
    """Of one row, summed over every z."""
    log_q = (z * np.log(expit(logits)) + (1 - z) * np.log(expit(-logits))).sum(1)
    return float(np.exp(log_q) @ (log_joint - log_q))


def slope(f, at: np.ndarray) -> np.ndarray:
    h = 1e-5
    return np.array([(f(at + h * e) - f(at - h * e)) / (2 * h) for e in np.eye(len(at))])


def test_the_slope_of_a_few_coins_is_exact() -> None:
    model = coins(3)
    x, raw = model.sample(2), torch.tensor([[0.3, -1.0, 2.0], [0.0, 0.5, -0.2]], dtype=D, requires_grad=True)
    value = row_elbo(free(families.Bernoulli((3,))), batch(x), model, raw, 4)
    (found,) = torch.autograd.grad(value.sum(), raw)
    z, log_joint = table_of(model, x, 3)
    for i in range(2):
        logits = raw[i].detach().numpy()
        assert value[i].item() == pytest.approx(elbo(logits, z, log_joint[:, i]))
        np.testing.assert_allclose(found[i], slope(lambda a, i=i: elbo(a, z, log_joint[:, i]), logits), atol=1e-7)


def many_slopes(family: families.Family, model: LatentVariableModel, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard error of 20,000 independent slopes."""
    torch.manual_seed(3)
    each = raw.expand(20_000, -1).clone().requires_grad_()
    value = row_elbo(free(family), batch(x.expand(20_000, -1)), model, each, 3)
    (found,) = torch.autograd.grad(value.sum(), each)
    return found.mean(0), found.std(0) / 20_000**0.5


def test_the_score_function_of_many_coins_is_unbiased() -> None:
    model, k = coins(9), 9  # 512 values
    x, raw = model.sample(1), torch.linspace(-1, 1, k, dtype=D).unsqueeze(0)
    mean, error = many_slopes(families.Bernoulli((k,)), model, x, raw)
    z, log_joint = table_of(model, x, k)
    exact = slope(lambda a: elbo(a, z, log_joint[:, 0]), raw[0].numpy())
    assert (np.abs(mean.numpy() - exact) < 5 * error.numpy()).all()
    assert float(error.max()) < 0.2 * np.abs(exact).max()


def test_the_score_function_of_counts_is_unbiased() -> None:
    torch.manual_seed(1)
    p = Conditional(nn.Linear(1, 2), families.Normal((2,), scale=2.0), (1,))
    model = LatentVariableModel(FamilyPrior(families.Poisson((1,))), p).double().requires_grad_(False)
    x, raw = model.sample(1), torch.tensor([[1.2]], dtype=D)
    family = families.Poisson((1,))
    k = np.arange(60)
    log_joint = model.log_joint(x, torch.tensor(k, dtype=D).reshape(-1, 1, 1)).numpy()[:, 0]

    def bound(at: np.ndarray) -> float:
        rate = float(free(family).distribution(torch.tensor(at).unsqueeze(0)).mean)
        log_q = poisson(rate).logpmf(k)
        return float(np.exp(log_q) @ (log_joint - log_q))

    mean, error = many_slopes(family, model, x, raw)
    assert abs(float(mean) - float(slope(bound, raw[0].numpy())[0])) < 5 * float(error)


@pytest.mark.parametrize(("k", "short"), [(4, 1e-3), (9, 0.03)])
def test_a_row_finds_the_best_coins(k: int, short: float) -> None:
    """The best factorised q by SciPy, from where the steps end, so that both are at the same maximum."""
    model = coins(k)
    x = model.sample(12)
    q = Local(families.Bernoulli((k,)), n_samples=8, n_steps=400).eval()
    raw = q.infer(batch(x), model)
    z, log_joint = table_of(model, x, k)
    for i in range(len(x)):
        here = raw[i].numpy()
        best = -minimize(lambda a, i=i: -elbo(a, z, log_joint[:, i]), here, bounds=[(-12, 12)] * k).fun
        assert elbo(here, z, log_joint[:, i]) > best - short


def test_a_row_is_moved_as_if_it_were_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces, or beside others; by sums and by draws."""
    for k in (4, 9):
        model = coins(k)
        x, q = model.sample(7), Local(families.Bernoulli((k,)), n_steps=20).eval()
        together = q.infer(batch(x), model)
        assert torch.allclose(together[2:3], q.infer(batch(x[2:3]), model), atol=1e-9)
        monkeypatch.setattr("latentia.posteriors.row_bound.CELLS", 2**k * 6 * 3)
        assert torch.allclose(together, q.infer(batch(x), model), atol=1e-9)


def test_what_cannot_be_moved_is_refused() -> None:
    many = free(families.Bernoulli((9,)))
    for k in (2, 9):
        Local(families.Bernoulli((k,))).check()
    with pytest.raises(AbilityError, match="Use n_samples=2"):
        Local(families.Bernoulli((9,)), n_samples=1).check()
    with pytest.raises(AbilityError, match="Use n_samples=2"):
        SemiAmortized(many, through=False)
    with pytest.raises(AbilityError, match="Use through=False and n_samples=2"):
        SemiAmortized(many, n_samples=2)
    SemiAmortized(many, n_samples=2, through=False)
    for make in (lambda: SemiAmortized(many, through=False), lambda: SemiAmortized(many)):
        with pytest.raises(AbilityError, match="step_samples=2"):
            make()
    with pytest.raises(AbilityError, match="infer_samples=2"):
        Local(families.Bernoulli((9,)), n_samples=1).check()
    SemiAmortized(free(families.Bernoulli((2,))))
