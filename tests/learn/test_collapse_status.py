"""What a status says of the KL: of the weights that were kept, for every learner, with cures that are not refused."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import latentia
from latentia import VAE, LinearAutoencoder, ProbabilisticPCA, TextVAE
from latentia.batch import TensorBatches
from latentia.conditional import Conditional
from latentia.errors import UserError
from latentia.families import Normal
from latentia.learn import AmortizedVI, ReweightedWakeSleep
from latentia.learn.collapse import has_own_q, measured_kl
from latentia.learn.cures import cures_for
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized, Exact

NOISE = np.random.default_rng(0).normal(size=(300, 3))
FEW = np.random.default_rng(0).normal(size=(60, 6))
COINS = (np.random.default_rng(0).random((120, 6)) < 0.5).astype(float)
LINES = [" ".join(words) for words in np.random.default_rng(0).choice(["a", "b", "c"], (40, 3))]
TINY = {"n_latent": 2, "hidden": (8,), "device": "cpu", "random_state": 0, "batch_size": 32}


def kl_of(vae, x):
    """KL(q || N(0, I)) of normal q by the closed form, from the means and scales that `transform` gives."""
    mean, sd = vae.transform(x, return_std=True)
    return (0.5 * (mean**2 + sd**2 - 1) - np.log(sd)).sum(1).mean()


def kl_said(status, words="Posterior collapse: the KL is"):
    found = re.search(words + r" ([\d.e+-]*\d) nats per row", status)
    return None if found is None else float(found[1])


# --- the weights that were kept --------------------------------------------------------------------------------------


def test_the_kl_is_that_of_the_weights_that_were_kept():
    """Over-fitting raises the KL long after the best weights, which carry nothing, were kept."""
    options = {**TINY, "batch_size": 128, "hidden": (64,), "learning_rate": 1e-2, "patience": None, "random_state": 1}
    vae = VAE(**options, max_epochs=100, validation_fraction=0.3).fit(FEW)
    assert vae.history_[-1]["kl"] > 0.3
    kept = kl_of(vae, FEW[vae.held_out_rows_])
    assert kept < 0.1
    assert kl_said(vae.fit_.status) == pytest.approx(kept, rel=0.06)  # two digits are said


def test_a_target_rate_is_held_against_the_weights_that_were_kept():
    vae = VAE(**TINY, max_epochs=8, target_rate=1.0).fit(NOISE)
    said = kl_said(vae.fit_.status, "The weights that were kept have a KL of")
    assert said == pytest.approx(kl_of(vae, NOISE[vae.held_out_rows_]), rel=0.06)
    assert "target" not in VAE(**TINY, max_epochs=2).fit(NOISE).fit_.status


def test_without_held_out_rows_it_is_the_kl_at_the_end_and_not_of_the_whole_epoch():
    """One long epoch: it begins at a KL that its mean still shows when z has long been given up."""
    torch.manual_seed(0)
    encoder = nn.Linear(3, 4)
    encoder.bias.data[:] = torch.tensor([3.0, 3.0, 0.0, 0.0])
    q = Amortized(Conditional(encoder, Normal((2,)), (3,), joint=True))
    p = LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 3, (4,)), Normal((3,), scale=1.0), (2,)))
    x = torch.randn(6000, 3)
    fit = latentia.fit(p, AmortizedVI(q, learning_rate=1e-2), x, max_epochs=1, batch_size=8, device="cpu")
    with torch.no_grad():
        d = q.encoder(x)
        true = (0.5 * (d.mean**2 + d.variance - 1) - d.stddev.log()).sum(1).mean().item()
    assert fit.history[-1]["kl"] > 0.1 > true
    assert kl_said(fit.status) == pytest.approx(true, abs=0.02)


def test_rows_are_weighted_and_the_position_in_the_data_stays():
    torch.manual_seed(0)
    x, weight = torch.randn(50, 3, dtype=torch.float64), torch.rand(50, dtype=torch.float64)
    q = Amortized(Conditional(nn.Linear(3, 4), Normal((2,)), (3,), joint=True)).double()
    p = LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 3, (4,)), Normal((3,)), (2,))).double()
    batches = TensorBatches(x, batch_size=7, weight=weight, dtype=torch.float64)
    next(batches)
    before = batches.position
    with torch.no_grad():
        d = q.encoder(x)
        rows = (0.5 * (d.mean**2 + d.variance - 1) - d.stddev.log()).sum(1)
    assert measured_kl(p, q, batches, 0) == pytest.approx(float((weight * rows).sum() / weight.sum()))
    assert batches.position == before


# --- every learner ---------------------------------------------------------------------------------------------------

QUICK = {"infer_steps": 60, "check_steps": 20}
LEARNERS = {
    "svi": {"learner": "svi", "learner_options": QUICK, "max_epochs": 6},
    "svi, weighted": {
        "learner": "svi",
        "learner_options": QUICK,
        "bound": "importance-weighted",
        "n_samples": 5,
        "max_epochs": 6,
    },
    "reweighted wake-sleep": {"learner": "reweighted-wake-sleep"},
    "wake-sleep": {"learner": "wake-sleep"},
    "monte-carlo EM": {"learner": "monte-carlo-em"},
    "importance-weighted": {"bound": "importance-weighted", "n_samples": 5},
    "Renyi": {"bound": "renyi", "n_samples": 5},
    "aggressive": {"learner": "aggressive", "learner_options": {"window": 3, "max_inner": 6}},
    "semi-amortized": {"learner": "semi-amortized", "learner_options": {"n_steps": 2}},
    "amortized": {},
}


@pytest.mark.parametrize("name", LEARNERS)
def test_a_collapse_is_said_whoever_learnt(name):
    vae = VAE(**{**TINY, "max_epochs": 40, "learning_rate": 3e-3, "noise": 1.0, **LEARNERS[name]}).fit(NOISE)
    true, said = kl_of(vae, NOISE), kl_said(vae.fit_.status)
    assert true < 0.08, true
    assert said is not None, vae.fit_.status
    assert said == pytest.approx(true, abs=0.03)


def test_a_borrowed_q_may_collapse_and_an_exact_one_never_does():
    vae = VAE(**TINY, max_epochs=40, learning_rate=3e-3, noise=1.0, prior="vamp", n_pseudo_inputs=5).fit(NOISE)
    assert kl_said(vae.fit_.status) is not None
    assert "collapse" not in ProbabilisticPCA(1, random_state=0).fit(NOISE).fit_.status
    model = latentia.models.ProbabilisticPCA(3, 2)
    with torch.no_grad():
        model.loading.zero_()
    fit = latentia.fit(model, AmortizedVI(Exact()), torch.tensor(NOISE), max_epochs=1, device="cpu")
    assert not has_own_q(fit.posterior)
    assert "collapse" not in fit.status


def test_the_look_at_the_end_changes_no_bit_and_no_random_stream():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    VAE(**TINY, max_epochs=2, posterior="laplace", bound="importance-weighted", n_samples=2).fit(NOISE)
    assert torch.equal(before, torch.get_rng_state())


# --- cures that are not refused --------------------------------------------------------------------------------------

PRICED = {"kl_warm_up": 5, "free_bits": 0.1}
MADE = {
    **{f"vae, {name}": (VAE, options) for name, options in LEARNERS.items()},
    "coins": (VAE, {"posterior": "bernoulli"}),
    "coins, wake-sleep": (VAE, {"posterior": "bernoulli", "learner": "wake-sleep"}),
    "flow": (VAE, {"posterior": "full-normal"}),
    "gamma": (VAE, {"posterior": "gamma", "learner": "reweighted-wake-sleep"}),
    "vamp": (VAE, {"prior": "vamp", "n_pseudo_inputs": 3}),
    "mixture prior": (VAE, {"prior": "normal-mixture"}),
    "game beside": (VAE, {"learner": "adversarial"}),
    "linear decoder": (VAE, {"hidden": ()}),
    "cured vae": (VAE, {**PRICED, "batch_norm_mean": 0.5, "skip": True}),
    "committed": (VAE, {**PRICED, "committed_rate": 0.5}),
    "pixels": (VAE, {"network": "pixelcnn", "image_shape": (2, 3), "channels": 4, "n_layers": 1, **PRICED}),
    "linear": (LinearAutoencoder, {"learner": "linear-vae"}),
    "text": (TextVAE, {}),
    "text, cured": (TextVAE, PRICED),
    "text, transformer": (TextVAE, {"network": "transformer", "n_heads": 2, **PRICED, "batch_norm_mean": 0.5}),
    **{f"text, {name}": (TextVAE, LEARNERS[name]) for name in ("wake-sleep", "monte-carlo EM", "importance-weighted")},
    "text, svi": (TextVAE, {"learner": "svi", "learner_options": {"infer_steps": 3, "check_steps": 2}}),
}


def small(cls, options):
    sizes = {
        VAE: {**TINY, "max_epochs": 1},
        TextVAE: {"n_latent": 2, "n_embed": 4, "n_hidden": 8, "max_epochs": 1, "random_state": 0, "device": "cpu"},
        LinearAutoencoder: {"n_latent": 2, "max_epochs": 1, "random_state": 0},
    }
    return cls(**{**sizes[cls], **options, **({"max_epochs": 1} if cls is not LinearAutoencoder else {})})


def arguments(cure):
    """The argument that a cure names, as keywords; None for what is none."""
    if "=" not in cure.what:
        return None
    return eval(f"dict({cure.what.removesuffix(', or smaller')})")


@pytest.mark.parametrize("name", MADE)
def test_whatever_is_recommended_is_taken(name):
    cls, options = MADE[name]
    data = LINES if cls is TextVAE else COINS
    fitted = small(cls, options).fit(data)
    found = cures_for(fitted.model_, fitted.learner_, 5000)
    assert len(found) >= (1 if cls is LinearAutoencoder else 2)
    assert len({cure.what for cure in found}) == len(found)
    for cure in found:
        more = arguments(cure)
        if more is None:
            assert cure.what == "exact EM"
            continue
        changed = {**options, **more}
        if "learner" in more:
            changed.pop("learner_options", None)
        try:
            small(cls, changed).fit(data)
        except (UserError, TypeError) as error:
            pytest.fail(f"{cure.what}: {error}")
        assert {key: options.get(key) for key in more} != more, f"{cure.what} is in use already"


def test_the_recommendation_of_text_that_uses_the_price_already():
    fitted = small(TextVAE, {**PRICED, "learner": "aggressive", "learner_options": {"window": 1, "max_inner": 2}})
    found = [cure.what for cure in cures_for(fitted.fit(LINES).model_, fitted.learner_, 5000)]
    assert found[:2] == ["batch_norm_mean=0.6", "skip=True"]


def test_learners_with_goals_of_their_own_are_told_of_the_networks_first():
    encoder = Conditional(MLP(3, 4, (4,)), Normal((2,)), (3,), joint=True)
    p = LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 3, (4,)), Normal((3,), scale=1.0), (2,)))
    found = [cure.what for cure in cures_for(p, ReweightedWakeSleep(Amortized(encoder)), 5000)]
    assert found[:3] == ["batch_norm_mean=0.6", "skip=True", "learner='amortized', free_bits=0.5"]
