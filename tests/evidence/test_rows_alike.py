"""Rows of the same content share their noise, and their errors add up."""

from math import sqrt

import pytest
import torch

from latentia import evidence
from latentia.batch import Batch
from latentia.errors import DataError, ParameterError
from latentia.estimate import Estimate, pooled_square
from latentia.evidence import Totals
from latentia.evidence.totals import Alike
from latentia.models import ProbabilisticPCA
from latentia.posteriors.base import Posterior


class Shifted(Posterior):
    """The exact posterior, half a deviation off: a proposal that is good and not perfect."""

    def forward(self, batch: Batch, model):
        q = model.posterior(batch.x)
        return torch.distributions.MultivariateNormal(
            q.mean + 0.5 * q.stddev, scale_tril=q.scale_tril, validate_args=False
        )


def problem() -> tuple[ProbabilisticPCA, torch.Tensor]:
    torch.manual_seed(0)
    model = ProbabilisticPCA(8, 3)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.7 * torch.randn_like(p))
        return model, model.sample(4).repeat(25, 1)


CASES = {
    "elbo": lambda m, x, seed, w: evidence.elbo(
        m, Shifted(), x, n_samples=8, seed=seed, weight=w, bound=evidence_bound()
    ),
    "importance": lambda m, x, seed, w: evidence.importance(m, Shifted(), x, n_samples=2000, seed=seed, weight=w),
    "annealed": lambda m, x, seed, w: evidence.annealed(m, None, x, n_samples=8, n_steps=30, seed=seed, weight=w),
}


def evidence_bound():
    from latentia.bounds import Elbo

    return Elbo(kl="monte-carlo")


@pytest.mark.parametrize("name", CASES)
def test_the_error_of_the_mean_of_repeated_rows(name: str) -> None:
    """Four rows, each 25 times, are four rows: over seeds the mean spreads as its error says."""
    model, x = problem()
    found = [CASES[name](model, x, seed, None) for seed in range(12)]
    spread = float(torch.tensor([e.mean for e in found]).std())
    claimed = sum(e.mc_error for e in found) / len(found)
    assert 0.4 < spread / claimed < 2.2  # of 12 draws; without what rows share it is about 5


@pytest.mark.parametrize("name", CASES)
def test_repeating_rows_is_weighing_them(name: str) -> None:
    model, x = problem()
    weight = torch.tensor([3.0, 1.0, 2.0, 5.0], dtype=torch.float64)
    whole = CASES[name](model, x[:4].repeat_interleave(weight.long(), 0), 0, None)
    weighed = CASES[name](model, x[:4], 0, weight)
    assert whole.mc_error == pytest.approx(weighed.mc_error, rel=1e-9)
    assert whole.mean == pytest.approx(weighed.mean, rel=1e-12)


def test_the_automatic_mode_spends_for_what_rows_share() -> None:
    model, x = problem()
    found = evidence.importance(model, Shifted(), x, n_samples=50_000, error=0.02)
    alone = evidence.importance(model, Shifted(), x[:4], n_samples=50_000, error=0.02)
    assert found.mc_error <= 0.02
    assert found.mean == pytest.approx(alone.mean, abs=6 * sqrt(2) * 0.02)


def test_pieces_say_what_the_whole_says() -> None:
    model, x = problem()
    whole = evidence.importance(model, Shifted(), x, n_samples=50)
    totals = Totals()
    for part in x.split(17):
        totals.add(evidence.importance(model, Shifted(), part, n_samples=50))
    assert totals.mc_error == pytest.approx(whole.mc_error, rel=1e-9)
    assert whole.mc_error > 4 * sqrt(pooled_square(whole.row_mc_error / 100, None))


def test_many_groups_are_known_by_some_of_them() -> None:
    generator = torch.Generator().manual_seed(0)
    names = torch.randint(2**52, (4000,), generator=generator).double()
    errors = torch.rand(4000, generator=generator).double()
    alike = Alike(most=500)
    for _ in range(3):  # each row three times
        alike.add(names, errors)
    assert alike.halvings >= 3
    assert len(alike.names) <= 500
    assert alike.excess == pytest.approx(6 * float(errors.square().sum()), rel=0.35)


def test_an_error_that_was_missed_is_said_of_pieces_too() -> None:
    model, x = problem()
    totals = Totals(wanted=1e-6)
    totals.add(evidence.importance(model, Shifted(), x[:4], n_samples=50))
    assert "were not enough for an error of 1e-06" in totals.warning
    fine = Totals(wanted=10.0)
    fine.add(evidence.importance(model, Shifted(), x[:4], n_samples=50))
    assert "not enough" not in fine.warning


BAD_WEIGHTS = {
    "zeros": (torch.zeros(4), "all of them are zero"),
    "nan": (torch.tensor([1.0, float("nan"), 1.0, 1.0]), "is not finite"),
    "negative": (-torch.ones(4), "is negative"),
    "too few": (torch.ones(3), "one weight for each"),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
@pytest.mark.parametrize("method", ["exact", "elbo", "importance", "annealed", "with an error"])
def test_weights_that_cannot_be_used_are_refused(name: str, method: str) -> None:
    model, x = problem()
    weight, words = BAD_WEIGHTS[name]
    options = {"n_samples": 200, "error": 0.1} if method == "with an error" else {}
    run = "importance" if method == "with an error" else method
    with pytest.raises(DataError, match=words):
        evidence.estimate(run, model, Shifted(), x[:4], weight=weight, **options)


def test_weights_beside_batches_are_refused() -> None:
    from latentia.batch import TensorBatches

    model, x = problem()
    with pytest.raises(ParameterError, match="bring their own weights"):
        evidence.importance(model, Shifted(), TensorBatches(x), weight=torch.ones(len(x)))


def test_an_estimate_without_names_is_of_rows_that_differ() -> None:
    values, errors = torch.zeros(2, dtype=torch.float64), torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert Estimate(values, "lower", "x", 2, errors).mc_error == pytest.approx(2.5)
    same = torch.tensor([7.0, 7.0], dtype=torch.float64)
    assert Estimate(values, "lower", "x", 2, errors, same=same).mc_error == pytest.approx(3.5)
