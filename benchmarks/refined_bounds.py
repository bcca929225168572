"""One fixed p, four posteriors: `python benchmarks/refined_bounds.py`, writes results/refined_bounds.md, under a minute.

p is probabilistic PCA (8 columns, 2 latents; three draws of its parameters), 200 rows of its own. A small encoder learns
for ten epochs with p held; semi-amortised steps refine its proposals; parameters of each row's own go all the way. The gap of a
bound is KL(q || p(z|x)), in closed form. That of the best factorised q is (sum_j log precision_jj + log det covariance) / 2.
"""

import time
from pathlib import Path

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from latentia.batch import Batch
from latentia.conditional import Conditional
from latentia.families import FullNormal, Normal
from latentia.learn import AmortizedVI, SemiAmortizedVI, fit
from latentia.models import ProbabilisticPCA
from latentia.networks import MLP
from latentia.posteriors import Amortized, Local, Posterior

RESULTS = Path(__file__).parent / "results" / "refined_bounds.md"
COLUMNS = (
    "amortised",
    "semi-amortised, 20 steps",
    "SVI, factorised",
    "closed form",
    "SVI, full covariance",
    "closed form",
)


def problem(seed: int) -> tuple[ProbabilisticPCA, Tensor]:
    """A model whose noise is not small, and rows of it."""
    torch.manual_seed(seed)
    model = ProbabilisticPCA(8, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.7 * torch.randn_like(parameter))
        model.log_scale.clamp_(min=-0.5)
    return model.requires_grad_(False), model.sample(200)


def gap(q: Posterior, model: ProbabilisticPCA, x: Tensor) -> float:
    """Mean of KL(q || p(z|x)), nats per row."""
    found = q.double().eval()(Batch(x, torch.arange(len(x))), model)
    if not isinstance(found, MultivariateNormal):
        found = MultivariateNormal(found.mean, torch.diag_embed(found.variance))
    return float(kl_divergence(found, model.posterior(x)).detach().mean())


def row(seed: int) -> list[float]:
    """The gaps of one problem."""
    model, x = problem(seed)
    encoder = Conditional(MLP(8, 4, (4,)), Normal((2,)), (8,), joint=True)
    fit(
        model, AmortizedVI(Amortized(encoder), learning_rate=0.01), x, max_epochs=10, batch_size=50, precision="float64"
    )
    refined = SemiAmortizedVI(Amortized(encoder), n_steps=20, step_rate=0.05).posterior
    assert isinstance(refined, Posterior)
    covariance = model.posterior(x[:1]).covariance_matrix[0]
    best = 0.5 * (torch.logdet(covariance) + torch.linalg.inv(covariance).diagonal().log().sum())
    free, full = Local(Normal((2,)), n_samples=8), Local(FullNormal((2,)), n_steps=500)
    return [
        gap(Amortized(encoder), model, x),
        gap(refined, model, x),
        gap(free, model, x),
        float(best),
        gap(full, model, x),
        0.0,
    ]


def main() -> None:
    """Measure and write the table."""
    torch.set_num_threads(1)
    lines = [
        "# Gaps of refined bounds for one fixed p",
        "",
        "`python benchmarks/refined_bounds.py`; KL(q || p(z|x)), nats per row.",
        "",
    ]
    lines += ["| problem | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for seed in range(3):
        lines.append(
            f"| {seed} | "
            + " | ".join(f"{value:.2g}" if value < 1e-3 else f"{value:.4f}" for value in row(seed))
            + " |"
        )
    lines += ["", f"torch {torch.__version__}, {time.strftime('%Y-%m-%d')}."]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
