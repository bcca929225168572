"""Families, priors and estimators made with what cannot be: one sentence each, of latentia's own errors."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Independent

import latentia
from latentia import families as f
from latentia.bounds import Renyi
from latentia.bounds.gradients import MovingAverage
from latentia.conditional import Conditional
from latentia.errors import AbilityError, ParameterError
from latentia.estimators.parameters import NUMBERS, WHOLE
from latentia.models import FamilyPrior, NormalMixture
from latentia.posteriors import Local, SemiAmortized

NAN = float("nan")
ROWS = np.random.default_rng(0).normal(size=(40, 3))


def fitted(**options: Any) -> latentia.VAE:
    return latentia.VAE(n_latent=2, hidden=(4,), max_epochs=1, random_state=0, **options).fit(ROWS)


MADE: dict[str, tuple[Callable[[], Any], str]] = {
    "a number for a shape": (lambda: f.Normal(3), "event_shape=3"),  # type: ignore[arg-type]
    "a row of no shape": (lambda: f.FullNormal(3), "event_shape=3"),  # type: ignore[arg-type]
    "no cells": (lambda: f.Gamma((0,)), r"event_shape=\(0,\)"),
    "half a cell": (lambda: f.Normal((2.5,)), r"event_shape=\(2.5,\)"),  # type: ignore[arg-type]
    "no scale": (lambda: f.Normal((2,), scale=None), "scale=None"),  # type: ignore[arg-type]
    "events that cannot be counted": (lambda: f.Erlang((2,), shape=NAN), "shape=nan"),  # type: ignore[arg-type]
    "a word for a rank": (lambda: f.LowRankNormal((3,), rank="a"), "rank='a'"),  # type: ignore[arg-type]
    "half a component": (lambda: NormalMixture((2,), 2.5), "n_components=2.5"),  # type: ignore[arg-type]
    "a floor that is no number": (lambda: f.Normal((2,), floor=NAN), "floor=nan"),
    "a ceiling below the floor": (lambda: f.Normal((2,), floor=1.0, ceiling=0.5), "ceiling=0.5"),
    "half a category": (lambda: f.Categorical((2,), 2.5), "n_categories=2.5"),  # type: ignore[arg-type]
    "three categories under four": (
        lambda: f.check_posterior(f.Categorical((2,), 3), Independent(f.Categorical((2,), 4)(torch.zeros(4, 2)), 1)),
        "among 3 categories and the prior among 4",
    ),
    "more degrees of freedom than a float holds": (lambda: f.StudentT((2,), df=1e300), r"df=1e\+300"),
    "a word for an order": (lambda: Renyi(alpha="x"), "alpha='x'"),  # type: ignore[arg-type]
    "no order": (lambda: Renyi(alpha=None), "alpha=None"),  # type: ignore[arg-type]
    "options that are text": (
        lambda: fitted(posterior="student-t", posterior_options="df=3"),
        "posterior_options='df=3'",
    ),
    "a family for its name": (lambda: fitted(posterior=f.Gamma((3,))), "posterior=Gamma"),
    "an estimator for its name": (lambda: fitted(gradient=MovingAverage(0.9)), "gradient=MovingAverage"),
    "an option that a gradient has not": (
        lambda: fitted(posterior="bernoulli", gradient="nvil", gradient_options={"rate": 1}),
        "no option 'rate'. It has hidden, decay",
    ),
    "layers of no size": (
        lambda: fitted(posterior="bernoulli", gradient="nvil", gradient_options={"hidden": "wide"}),
        "hidden=",
    ),
    "a decay that is none": (
        lambda: fitted(posterior="bernoulli", gradient="nvil", gradient_options={"decay": 2}),
        "decay=2",
    ),
    "options of no gradient": (
        lambda: fitted(gradient_options={"decay": 0.9}),
        "gradient='auto' has no option 'decay'",
    ),
    "a name for a family": (lambda: FamilyPrior("normal"), "needs a family"),  # type: ignore[arg-type]
}
WIDTHS = {
    "gamma": (f.Gamma((3,)), (5, 2, 4)),
    "student-t": (f.StudentT((3,)), (5, 1, 3)),
    "full-normal": (f.FullNormal((3,)), (2, 4)),
    "low-rank-normal": (f.LowRankNormal((3,)), (2, 4)),
    "von-mises-fisher": (f.VonMisesFisher((3,)), (2, 9)),
    "dirichlet": (f.Dirichlet((3,)), (2, 9)),
}


@pytest.mark.parametrize("name", MADE)
def test_what_cannot_be_made(name: str) -> None:
    make, words = MADE[name]
    with pytest.raises(ParameterError, match=words):
        make()


@pytest.mark.parametrize("name", WIDTHS)
def test_raw_output_of_a_wrong_width(name: str) -> None:
    family, shape = WIDTHS[name]
    with pytest.raises(ParameterError, match=f"Give the network {family.n_outputs} outputs"):
        family(torch.zeros(shape))


X = np.random.default_rng(0).normal(size=(30, 4))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_samples": 1.5}, "whole number"),
        ({"n_latent": "a"}, "whole number"),
        ({"n_latent": None}, "whole number"),
        ({"latent_categories": "a"}, "whole number"),
        ({"alpha": "a"}, "Use a number"),
        ({"learning_rate": True}, "Use a number"),
        ({"hidden": 8}, "sizes of the layers"),
        ({"hidden": ("a",)}, "sizes of the layers"),
        ({"batch_size": 0}, "Use 1 or more"),
        ({"prior": "vampprior"}, r"Did you mean vamp\?"),
        ({"prior": "mixture"}, r"Did you mean normal-mixture\?"),
        ({"likelihood": "uniform"}, "A uniform cannot be a likelihood: its support moves"),
        ({"likelihood": "relaxed-bernoulli"}, "data are never relaxed"),
        ({"posterior": "cauchy", "prior": "spline-flow"}, "is infinite"),
        ({"posterior": "uniform", "prior": "vamp"}, "fall outside all of them"),
        ({"posterior": "lognormal", "prior": "gompertz"}, "is infinite"),
        ({"posterior": "laplace", "prior": "gumbel"}, "is infinite"),
    ],
    ids=str,
)
def test_an_estimator_says_what_it_cannot_use(options: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"n_latent": 2, "hidden": (4,), "max_epochs": 1, "random_state": 0, **options}
    with pytest.raises((ParameterError, AbilityError), match=words):
        latentia.VAE(**given).fit(X)


@pytest.mark.parametrize("name", ["VAE", "Autoencoder", "DenoisingAutoencoder"])
@pytest.mark.parametrize("noise", ["foo", -1.0, 0, NAN, None, [1.0]], ids=str)
def test_what_is_no_noise_is_called_noise(noise: Any, name: str) -> None:
    """The family's own name for it is another, which the user never wrote."""
    with pytest.raises(ParameterError) as error:
        getattr(latentia, name)(2, noise=noise, hidden=(4,), max_epochs=1).fit(X)
    assert str(error.value).startswith(f"noise={noise!r}")


def test_every_number_that_is_checked_belongs_to_an_estimator() -> None:
    """Text, whose words are learnt, has parameters of its own."""
    known = {
        name
        for cls in vars(latentia.estimators).values()
        if hasattr(cls, "_get_param_names")
        for name in cls._get_param_names()
    }
    assert set(WHOLE + NUMBERS) <= known


@pytest.mark.parametrize(
    "family", [f.Gamma((2,)), f.Beta((2,)), f.StudentT((2,)), f.Dirichlet((2,))], ids=lambda q: q.name
)
def test_draws_that_are_differentiated_once_are_not_refined_with_the_gradient_kept(family: Any) -> None:
    encoder = Conditional(torch.nn.Linear(3, family.n_outputs), family, (3,), joint=True)
    with pytest.raises(AbilityError, match="through=False"):
        SemiAmortized(encoder)
    assert SemiAmortized(encoder, through=False).n_steps == 10


@pytest.mark.parametrize(
    "family", [f.Gamma((2,)), f.Beta((2,)), f.ContinuousBernoulli((2,)), f.LogNormal((2,))], ids=lambda q: q.name
)
def test_a_row_begins_in_the_middle_of_the_support(family: Any) -> None:
    """About mean 0 and scale 1, where z is above 0, would be at its edge."""
    q = family(Local(family).begin.reshape(1, *family.raw_shape))
    assert bool(((q.mean > 0.1) & (q.mean < 3)).all())
    assert bool((q.variance > 0.01).all())


@pytest.mark.parametrize("bound", ["importance-weighted", "renyi"])
@pytest.mark.parametrize("posterior", ["bernoulli", "straight-through-bernoulli", "categorical"])
def test_a_bound_of_many_samples_is_not_enumerated(posterior: str, bound: str) -> None:
    options: dict[str, Any] = {"hidden": (4,), "max_epochs": 1, "n_samples": 2, "random_state": 0}
    with pytest.raises(AbilityError, match=r"Only the ELBO is summed over all z.*vimco"):
        latentia.VAE(2, posterior=posterior, bound=bound, gradient="enumeration", **options).fit(X)


@pytest.mark.parametrize(
    ("name", "options"), [("moving-average", {"decay": 0.9}), ("nvil", {"hidden": (5,), "decay": 0.5})]
)
def test_what_a_gradient_is_made_with_is_kept(name: str, options: dict[str, Any], tmp_path: Any) -> None:
    vae = fitted(posterior="bernoulli", gradient=name, gradient_options=options)
    made = vae.learner_.bound.gradient
    assert {key: getattr(made, key) for key in options} == options
    vae.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    assert again.get_params()["gradient"] == name
    assert np.allclose(again.transform(ROWS), vae.transform(ROWS))
    assert again.fit(ROWS).learner_.bound.gradient == made


@pytest.mark.parametrize(
    "options",
    [
        {"posterior": "normal", "gradient": "vimco"},
        {"posterior": "normal", "gradient": "implicit"},
        {"posterior": "bernoulli", "gradient": "dreg", "bound": "renyi"},
        {"posterior": "gamma", "gradient": "arm", "bound": "importance-weighted"},
    ],
)
def test_every_gradient_that_a_refusal_names_serves(options: dict[str, Any]) -> None:
    with pytest.raises(AbilityError) as error:
        fitted(**options, n_samples=2)
    names = re.split(" or |, ", str(error.value).split("Use ")[1].rstrip("."))
    assert len(names) > 1
    for name in names:
        fitted(**{**options, "gradient": name}, n_samples=2)
