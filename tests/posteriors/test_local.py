"""Free parameters per row: against exact posteriors, the order of the gaps, and gradients of draws by differences."""

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, kl_divergence

from latentia import families
from latentia.batch import Batch
from latentia.bounds import Elbo
from latentia.conditional import Conditional
from latentia.distributions import draw
from latentia.errors import ParameterError
from latentia.learn import SVI, AmortizedVI, SemiAmortizedVI, fit
from latentia.models import CategoricalPrior, FiniteLatentModel, ProbabilisticPCA
from latentia.networks import MLP, OneHot
from latentia.posteriors import Amortized, Local, SemiAmortized
from latentia.posteriors.local import RowAdam
from latentia.randomness import row_noise

D = torch.float64


def ppca(k: int, seed: int = 0, n: int = 40) -> tuple[ProbabilisticPCA, Tensor]:
    torch.manual_seed(seed)
    model = ProbabilisticPCA(8, k)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.7 * torch.randn_like(parameter))
        model.log_scale.clamp_(min=-0.5)
    return model, model.sample(n)


def rows(x: Tensor) -> Batch:
    return Batch(x, torch.arange(len(x)))


@pytest.mark.parametrize("k", [2, 5])
def test_a_full_covariance_reaches_the_exact_posterior(k: int) -> None:
    model, x = ppca(k)
    q = Local(families.FullNormal((k,)), n_steps=500).double().eval()(rows(x), model)
    assert float(kl_divergence(q, model.posterior(x)).detach().max()) < 1e-3


def test_svi_learns_the_exact_posterior_of_every_row() -> None:
    """The table of its own rows, after 80 shuffled epochs, p as good as held."""
    model, x = ppca(3)
    bound = Elbo(4, gradient="sticking-the-landing")
    learner = SVI(Local(families.FullNormal((3,))), bound=bound, row_steps=10, learning_rate=1e-9)
    learner.dtype = D
    found = fit(model, learner, x, max_epochs=60, batch_size=20, device="cpu")
    q = found.posterior.train()(rows(x), model)
    assert float(kl_divergence(q, model.posterior(x)).detach().max()) < 1e-3


@pytest.mark.parametrize("k", [2, 4])
def test_a_diagonal_one_reaches_the_best_there_is(k: int) -> None:
    """KL(q || p(z|x)) = 1/2 (sum log precision_jj + log det covariance), at the best factorised q."""
    model, x = ppca(k)
    q = Local(families.Normal((k,)), n_samples=8).double().eval()(rows(x), model)
    exact = model.posterior(x)
    covariance = exact.covariance_matrix.detach()
    best = 0.5 * (torch.logdet(covariance) + torch.linalg.inv(covariance).diagonal(dim1=-2, dim2=-1).log().sum(-1))
    gap = kl_divergence(MultivariateNormal(q.mean, torch.diag_embed(q.variance)), exact).detach()
    assert float((gap - best).max()) < 0.02
    assert float((gap - best).min()) > -1e-9


def test_a_finite_latent_reaches_the_exact_posterior() -> None:
    torch.manual_seed(0)
    network = Conditional(OneHot(3, MLP(3, 4, ())), families.Normal((4,), scale="one"), ())
    model = FiniteLatentModel(CategoricalPrior(3), network).double()
    x = model.sample(30)
    q = Local(families.Categorical((), 3)).double().eval()(rows(x), model)
    assert float((q.probs - model.posterior(x).probs).detach().abs().max()) < 1e-3


def test_rows_do_not_depend_on_their_neighbours_nor_on_the_process_stream() -> None:
    model, x = ppca(2)
    q = Local(families.Normal((2,)), n_steps=20).double().eval()
    before = torch.get_rng_state()
    together, alone = q(rows(x), model), q(rows(x[[7, 2]]), model)
    assert torch.allclose(together.mean[[7, 2]], alone.mean, rtol=1e-10, atol=1e-12)
    assert torch.equal(before, torch.get_rng_state())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("seed", range(3))
def test_the_order_that_theory_demands(seed: int) -> None:
    """For one fixed p: amortised <= semi-amortised <= SVI <= log p(x); SVI's gap is that of the best factorised q."""
    model, x = ppca(2, seed, n=200)
    torch.manual_seed(seed)
    encoder = Conditional(MLP(8, 4, (4,)), families.Normal((2,)), (8,), joint=True)
    model.requires_grad_(False)
    learner = AmortizedVI(Amortized(encoder), learning_rate=0.01)
    learner.dtype = D
    fit(model, learner, x, max_epochs=10, batch_size=50, device="cpu")
    refined = SemiAmortizedVI(Amortized(encoder), n_steps=20, step_rate=0.05).posterior
    assert isinstance(refined, SemiAmortized)
    exact, gaps = model.posterior(x), []
    for posterior in (Amortized(encoder), refined, Local(families.Normal((2,)), n_samples=8)):
        q = posterior.double().eval()(rows(x), model)
        gaps.append(kl_divergence(MultivariateNormal(q.mean, torch.diag_embed(q.variance)), exact).detach())
    amortised, semi, free = (float(gap.mean()) for gap in gaps)
    assert amortised > semi > free > 0
    covariance = model.posterior(x).covariance_matrix
    best = 0.5 * (torch.logdet(covariance) + torch.linalg.inv(covariance).diagonal(dim1=-2, dim2=-1).log().sum(-1))
    assert free == pytest.approx(float(best.mean()), abs=5e-3)


def test_the_moments_are_those_of_adam() -> None:
    torch.manual_seed(0)
    start = torch.randn(5, 3, dtype=D)
    theirs = start.clone().requires_grad_()
    adam, raw = torch.optim.Adam([theirs], lr=0.1), start.clone()
    ours = RowAdam(torch.zeros(5, 3, dtype=D), torch.zeros(5, 3, dtype=D), torch.zeros(5, 1, dtype=D))
    for _ in range(7):
        slope = torch.randn(5, 3, dtype=D)
        theirs.grad = -slope
        adam.step()
        raw = ours.step(raw, slope, 0.1)
    assert torch.allclose(raw, theirs.detach(), atol=1e-12)


@pytest.mark.parametrize(
    "name", ["gamma", "beta", "dirichlet", "student-t", "fisher-snedecor", "full-normal", "gumbel"]
)
def test_draws_from_the_noise_of_rows_carry_their_gradient(name: str) -> None:
    torch.manual_seed(0)
    family = families.FAMILIES[name]((3,))
    made = Conditional(nn.Identity(), family, (family.n_outputs,), joint=True).double()
    raw = 0.3 * torch.randn(2, family.n_outputs, dtype=D)
    weight = torch.randn(4, 2, 3, dtype=D)

    def value(at: Tensor) -> Tensor:
        with row_noise(torch.eye(2, dtype=D), 0):
            return (weight * draw(made.distribution(at), 4)).sum()

    moved = raw.clone().requires_grad_()
    (slope,) = torch.autograd.grad(value(moved), moved)
    for i in range(family.n_outputs):
        step = torch.zeros_like(raw)
        step[1, i] = 1e-5
        assert float(slope[1, i]) == pytest.approx(
            float(value(raw + step) - value(raw - step)) / 2e-5, rel=2e-3, abs=1e-4
        )


def test_refusals() -> None:
    with pytest.raises(ParameterError, match="n_steps=0"):
        Local(families.Normal((2,)), n_steps=0)
    with pytest.raises(ParameterError, match="max_norm=0"):
        SemiAmortized(Conditional(nn.Linear(3, 4), families.Normal((2,)), (3,), joint=True), max_norm=0)
    Local(families.Categorical((), 3)).check()
    assert isinstance(Local(families.Normal((2,))).eval()(rows(ppca(2)[1]), ppca(2)[0]), Independent)
