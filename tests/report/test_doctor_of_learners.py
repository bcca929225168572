"""What the doctor says of each learner's z and of each learner's goal, and of weights that were kept."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

import latentia
from latentia import VAE, GaussianMixture
from latentia.data import Dataset
from latentia.report.doctor import examine

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(300, 3))
LINE = RNG.normal(size=(300, 1)) @ np.array([[1.0, -2.0, 0.5, 1.5]]) + 0.2 * RNG.normal(size=(300, 4))
TINY = {"n_latent": 2, "hidden": (8,), "device": "cpu", "random_state": 0, "batch_size": 32, "learning_rate": 3e-3}
SVI = {"learner": "svi", "learner_options": {"infer_steps": 40, "check_steps": 20}}


def found(estimator, x, **options):
    data = Dataset(x=x, columns=tuple(f"x{i}" for i in range(x.shape[1])), name="made")
    return {finding.what: finding for finding in examine(estimator, data, **{"lag": False, "n_samples": 8, **options})}


def test_svi_has_no_encoder_and_may_collapse_all_the_same():
    vae = VAE(**TINY, **SVI, noise=1.0, max_epochs=6).fit(NOISE)
    findings = found(vae, NOISE, lag=True)
    assert findings["collapse"].verdict == "trouble"
    assert "Posterior collapse" in findings["collapse"].text
    assert "encoder" not in findings


def test_a_borrowed_q_is_looked_at():
    vae = VAE(**TINY, prior="vamp", n_pseudo_inputs=5, noise=1.0, max_epochs=30).fit(NOISE)
    assert found(vae, NOISE)["collapse"].verdict == "trouble"
    assert "collapse" not in found(GaussianMixture(2, random_state=0).fit(LINE), LINE)


def with_nearly_one_q(vae, x):
    """The encoder's means all near one, with a variance of 0.02 over the rows; the scales one: a KL of half a nat a unit."""
    last = vae.posterior_.encoder.network.layers[-1]
    last.weight[:2] *= torch.as_tensor(0.02**0.5 / vae.transform(x).std(0)).unsqueeze(1)
    last.weight[2:], last.bias[2:] = 0.0, 0.0
    last.bias[:2] += 1 - torch.as_tensor(vae.transform(x).mean(0))
    return vae


def test_free_bits_that_hold_up_a_kl_that_says_nothing_are_a_collapse_in_all_but_name():
    """The information by scipy, from the means and scales that `transform` gives."""
    vae = VAE(**TINY, max_epochs=2, free_bits=0.5, validation_fraction=0.0).fit(NOISE)
    finding = found(with_nearly_one_q(vae, NOISE), NOISE)["collapse"]
    mean, sd = vae.transform(NOISE, return_std=True)
    rng = np.random.default_rng(1)
    z = mean + sd * rng.normal(size=(200, *mean.shape))
    own = norm.logpdf(z, mean, sd).sum(-1)
    every = norm.logpdf(z[:, :, None], mean, sd).sum(-1)
    information = float((own - logsumexp(every, -1) + np.log(len(mean))).mean())
    assert finding.numbers["kl"] == pytest.approx(1.02, abs=0.01)
    assert finding.numbers["active_units"] == 2
    assert finding.numbers["mutual_information"] == pytest.approx(information, abs=0.04)
    assert 0 < information < 0.05
    assert finding.verdict == "trouble"
    assert "Collapse in all but name" in finding.text
    assert "free_bits=" not in finding.text


def test_a_target_rate_is_set_beside_the_kl():
    vae = VAE(**TINY, noise=1.0, max_epochs=4, target_rate=1.0).fit(LINE)
    finding = found(vae, LINE)["collapse"]
    assert "1 nats were asked for" in finding.text


GOALS = {
    "wake-sleep": "ELBO",
    "reweighted-wake-sleep": "importance-weighted bound",
    "monte-carlo-em": "importance-weighted bound",
}


@pytest.mark.parametrize("learner", GOALS)
def test_goals_of_a_learner_s_own_are_not_called_the_bound(learner):
    finding = found(VAE(**TINY, learner=learner, max_epochs=2).fit(LINE), LINE)["objective"]
    assert finding.verdict == "fine"
    assert "It was the bound itself" not in finding.text
    assert "goals of its own" in finding.text
    assert GOALS[learner] in finding.text


@pytest.mark.parametrize("options", [{}, {"bound": "importance-weighted", "n_samples": 3}, {"learner": "aggressive"}])
def test_a_bound_that_was_climbed_is_called_so(options):
    assert "It was the bound itself" in found(VAE(**TINY, **options, max_epochs=2).fit(LINE), LINE)["objective"].text


@pytest.mark.parametrize("patience", [None, 100])
def test_the_weights_that_were_kept_are_said_as_they_were(patience):
    x = np.random.default_rng(0)
    x = x.normal(size=(60, 8)) * x.gamma(1, 1, size=(60, 8))
    options = {"n_latent": 4, "hidden": (128, 128), "max_epochs": 120, "kl_weight": 0.05, "learning_rate": 5e-3}
    vae = VAE(**{**TINY, **options}, patience=patience, validation_fraction=0.3).fit(x)
    text = found(vae, x)["fit"].text
    assert "Over-fitted" in text
    assert "if patience was set" not in text
    assert "The best weights were kept" in text
    step = vae.fit_.status.split("at step ")[1].split(".")[0]
    assert f"those of step {step}" in text


def test_last_weights_are_not_called_the_best():
    """A warm-up that had not ended: no weights counted as the best."""
    x = np.random.default_rng(0)
    x = x.normal(size=(60, 8)) * x.gamma(1, 1, size=(60, 8))
    options = {"n_latent": 4, "hidden": (128, 128), "max_epochs": 120, "learning_rate": 5e-3, "kl_warm_up": 10**5}
    vae = VAE(**{**TINY, **options}, validation_fraction=0.3).fit(x)
    assert "best held-out" not in vae.fit_.status
    assert "The last weights were kept" in found(vae, x)["fit"].text


def test_a_loaded_run_says_the_same(tmp_path):
    vae = VAE(**TINY, learner="reweighted-wake-sleep", noise=1.0, max_epochs=30).fit(NOISE)
    vae.save(tmp_path / "run")
    torch.manual_seed(0)
    before = torch.get_rng_state()
    said, again = found(vae, NOISE), found(latentia.load(tmp_path / "run"), NOISE)
    assert torch.equal(before, torch.get_rng_state())
    assert {key: finding.text for key, finding in said.items()} == {key: f.text for key, f in again.items()}
    assert said["collapse"].verdict == "trouble"
