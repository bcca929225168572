"""What z carries, against closed forms of a linear-Gaussian model and quadrature; in words when a fit ends."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad

import latentia
from latentia import VAE
from latentia.conditional import Conditional
from latentia.errors import AbilityError, ParameterError
from latentia.evidence import CollapseWatch, diagnose, encoder_lag, grid_posterior_means
from latentia.families import Bernoulli, Normal
from latentia.learn import AmortizedVI, Objective
from latentia.learn.collapse import collapse_words, cures_for
from latentia.models import GaussianMixture, LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized, Exact
from latentia.posteriors.base import Posterior

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(300, 3))
TINY = {"n_latent": 2, "hidden": (8,), "device": "cpu", "random_state": 0, "batch_size": 32}


class Shifted(Posterior):
    """The exact diagonal posterior, its means off by so many of its standard deviations."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def forward(self, batch, model):
        q = model.posterior(batch.x)
        base = torch.distributions.Normal(q.mean + self.shift * q.stddev, q.stddev, validate_args=False)
        return torch.distributions.Independent(base, 1, validate_args=False)


def linear(loading, scale=1.0):
    """Probabilistic PCA with orthogonal loadings, whose posterior is diagonal."""
    model = ProbabilisticPCA(3, 2)
    with torch.no_grad():
        model.loading.copy_(torch.tensor([[loading, 0.0], [0.0, loading], [0.0, 0.0]]))
        model.loc.zero_()
    return model


def test_kl_activity_and_information_of_a_linear_model_in_closed_form():
    """x from the model itself, so that q's mixture is the prior and the information is log |M| / 2."""
    torch.manual_seed(0)
    model = linear(2.0)
    variance = model.posterior(torch.zeros(1, 3)).stddev[0, 0].item() ** 2
    x = model.sample(4000)
    found = diagnose(model, Shifted(0.0), x)
    assert found.active_units == 2
    np.testing.assert_allclose(found.activity, 1 - variance, atol=0.08)
    assert found.mutual_information == pytest.approx(-np.log(variance), abs=0.1)  # two units
    assert found.kl == pytest.approx(found.mutual_information, abs=0.05)
    assert found.unit_kl is not None
    assert sum(found.unit_kl) == pytest.approx(found.kl)
    assert found.ceiling == pytest.approx(np.log(4000))
    assert found.lag is None


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_the_lag_of_a_shifted_posterior_is_half_its_squared_shift(shift):
    model, n_samples = linear(1.5), 1000
    x = torch.tensor(np.random.default_rng(1).normal(size=(40, 3)))
    lag = encoder_lag(model, Shifted(shift), x, n_steps=200, n_samples=n_samples)
    error = np.sqrt(2) * shift / np.sqrt(40 * n_samples)  # of log q / p by a draw: shift * noise, in each of two units
    assert lag == pytest.approx(2 * shift**2 / 2, abs=5 * error + 0.02)


def test_grid_means_by_quadrature():
    torch.manual_seed(0)
    p = Conditional(MLP(1, 4, (6,), "tanh"), Bernoulli((4,)), (1,))
    model = LatentVariableModel(StandardNormal(1), p).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    x = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    found = grid_posterior_means(model, x)
    for row, mean in zip(x.double(), found):

        def joint(z, row=row):
            with torch.no_grad():
                return float(model.log_joint(row[None], torch.tensor([[[z]]], dtype=torch.float64)).exp())

        by_quadrature = quad(lambda z: z * joint(z), -8, 8)[0] / quad(joint, -8, 8)[0]
        assert float(mean) == pytest.approx(by_quadrature, abs=1e-4)


def test_what_cannot_be_looked_at_is_refused():
    with pytest.raises(AbilityError, match="responsibilities"):
        diagnose(GaussianMixture(2, 2), Exact(), torch.zeros(3, 2))
    with pytest.raises(AbilityError, match="one-dimensional"):
        grid_posterior_means(ProbabilisticPCA(3, 2), torch.zeros(3, 3))
    with pytest.raises(ParameterError, match="every=0"):
        CollapseWatch(NOISE, every=0)


# --- while a fit goes on -------------------------------------------------------------------------------------------


def test_the_watch_writes_into_the_history_and_changes_no_bit(tmp_path):
    x = np.column_stack([NOISE[:, 0], NOISE[:, 0] + 0.1 * NOISE[:, 1], NOISE[:, 2]])
    options = {**TINY, "n_latent": 1, "max_epochs": 6}
    watch = CollapseWatch(x[:50], every=2, lag_steps=5, trajectory=True)
    watched = VAE(**options).fit(x, callbacks=[watch], run=tmp_path / "run")
    plain, told = VAE(**options).fit(x), VAE(**options, diagnose_every=3).fit(x)
    rows = [row for row in watched.history_ if row["split"] == "probe"]
    assert [row["epoch"] for row in rows] == [2, 4, 6]
    assert {"kl", "active_units", "mutual_information", "ceiling", "lag"} <= set(rows[0])
    assert rows[0]["ceiling"] == pytest.approx(np.log(50))
    assert [(epoch, len(p), len(q)) for epoch, p, q in watch.points] == [(2, 50, 50), (4, 50, 50), (6, 50, 50)]
    np.testing.assert_allclose(watch.points[-1][2], watched.transform(x[:50])[:, 0], atol=1e-5)
    for other in (watched, told):
        assert all(torch.equal(a, b) for a, b in zip(plain.fit_.tensors().values(), other.fit_.tensors().values()))
    assert [row["epoch"] for row in told.history_ if row["split"] == "probe"] == [3, 6]
    assert latentia.load(tmp_path / "run").history_ == watched.history_


def test_a_collapsed_fit_says_so_with_two_cures():
    vae = VAE(**TINY, max_epochs=40).fit(NOISE)
    assert "Posterior collapse: the KL is" in vae.fit_.status
    assert "noise=0.1, or smaller (a learnt noise" in vae.fit_.status
    assert ", or kl_warm_up=" in vae.fit_.status
    structured = np.outer(NOISE[:, 0], [1.0, 2.0, -1.0]) + 0.05 * NOISE
    assert "collapse" not in VAE(**TINY, max_epochs=40, learning_rate=5e-3).fit(structured).fit_.status


def test_exact_posteriors_never_collapse():
    assert "collapse" not in latentia.ProbabilisticPCA(1, random_state=0).fit(NOISE).fit_.status


def test_the_first_cures_suit_the_model():
    def learner(**options):
        encoder = Conditional(MLP(3, 4, (4,)), Normal((2,)), (3,), joint=True)
        return AmortizedVI(Amortized(encoder), objective=Objective(**options))

    def model(family):
        return LatentVariableModel(StandardNormal(2), Conditional(MLP(2, family.n_raw * 3, (4,)), family, (2,)))

    plain, binary = model(Normal((3,), scale="one")), model(Bernoulli((3,)))
    first = lambda *arguments: [cure.what for cure in cures_for(*arguments)][:2]  # noqa: E731
    assert first(plain, learner(kl_weight=4.0), 5000) == ["kl_weight=1", "noise=0.1, or smaller"]
    assert first(binary, learner(), 5000) == ["kl_warm_up=1250", "free_bits=0.5"]
    assert first(binary, learner(warm_up=100), 50) == ["more epochs", "free_bits=0.5"]
    assert first(binary, learner(warm_up=100, free_bits=0.1), 5000) == ["batch_norm_mean=0.6", "skip=True"]
    assert collapse_words(binary, learner(), 0.2, 5000) == ""
    assert "0.01 nats per row" in collapse_words(binary, learner(), 0.01, 5000)
