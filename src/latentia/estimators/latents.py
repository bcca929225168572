"""The latent side of a VAE by name: the posterior's family, the prior, and what stands between z and the decoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..conditional import Conditional
from ..data.checks import brief
from ..errors import AbilityError, ParameterError, choose
from ..families import INFLATED, TABLE, Family, check_standing, family, gradients_of, row_of
from ..models import FamilyPrior, NormalMixture, StandardNormal, VampPrior
from ..networks import OneHot
from .facts import ArrayFacts, Facts

POSTERIORS = tuple(row.name for row in TABLE if "posterior" in row.stands)
FIXED = tuple(row.name for row in TABLE if "prior" in row.stands)
PRIORS = ("auto", "vamp", "normal-mixture", *FIXED)
OVER_CATEGORIES = ("relaxed-categorical", "straight-through-categorical")
HEAVY = ("student-t", "multivariate-student-t")
FLOW_CONTEXT = 32  # raw numbers that condition a flow's maps
ARGUMENTS = {
    "n_categories": "which is the argument latent_categories",
    "temperature": "which is an argument of its own",
    "n_context": "which the encoder decides",
}


@dataclass(frozen=True)
class Latent:
    """What a VAE's z is.

    Arguments:
        family: of the posterior.
        n_in: numbers that the decoder's network reads.
        wrap: puts in front of that network what makes those numbers of z.
    """

    family: Family
    n_in: int
    wrap: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one z."""
        return self.family.event_shape


def make_latent(estimator: Any) -> Latent:
    """The posterior's family, from an estimator's `posterior`, `n_latent`, `latent_categories` and `temperature`."""
    name, n, k = estimator.posterior, int(estimator.n_latent), int(estimator.latent_categories)
    if not isinstance(name, str):
        raise ParameterError(
            f"posterior={brief(repr(name))} cannot be used. Use the name of a family; for one of your own see posteriors.Amortized."
        )
    if name not in (*POSTERIORS, *INFLATED):
        row_of(name)  # an unknown name is told its neighbours
        check_standing(name, "posterior")
    if n < 1:
        raise ParameterError(f"n_latent={n} is too small. At least one latent unit is needed.")
    if k < 2:
        raise ParameterError(f"latent_categories={k} is too small. Use at least two categories.")
    shape = (n, k) if name in OVER_CATEGORIES else (n,)
    made = family(name, shape, **_options(name, estimator, "posterior_options"))
    if name in OVER_CATEGORIES:
        return Latent(made, n * k, lambda network: nn.Sequential(nn.Flatten(), network))
    if name == "categorical":
        return Latent(made, n * k, lambda network: OneHot(k, nn.Sequential(nn.Flatten(), network)))
    return Latent(made, n, lambda network: network)


def _options(name: str, estimator: Any, own: str) -> dict[str, Any]:
    """What a family of that name is made with: the user's own options, and those that are arguments of the estimator."""
    given = getattr(estimator, own) or {}
    if not isinstance(given, Mapping):
        raise ParameterError(f'{own}={given!r} cannot be used. Use a dictionary, such as {{"df": 5.0}}, or None.')
    given = dict(given)
    options: dict[str, Any] = {}
    if name == "normal":
        options = {"scale": "network"}
    if name == "categorical":
        options = {"n_categories": int(estimator.latent_categories)}
    if name.startswith(("relaxed-", "straight-through-")):
        options = {"temperature": estimator.temperature}
    if own == "posterior_options" and name in HEAVY and "df" not in given:
        options = {"least_df": 3.0}  # so that its KL to a normal prior is finite
    if own == "posterior_options" and name.endswith("-flow"):
        options = {"n_context": FLOW_CONTEXT}
    taken = [(key, ARGUMENTS[key]) for key in given if key in options and key in ARGUMENTS]
    for key, argument in taken:
        raise ParameterError(f"{own} has {key!r}, {argument}. Leave it out.")
    return {**options, **given}


def make_prior(estimator: Any, latent: Latent, encoder: Conditional, starts: Tensor) -> nn.Module:
    """The prior of that name; a VampPrior takes the encoder over and begins at `starts`, in the model's units."""
    name = estimator.prior if estimator.prior != "auto" else suited(latent.family)
    if name not in (*PRIORS, *INFLATED):
        near = get_close_matches(str(name), PRIORS, n=3, cutoff=0.5)
        if near:
            raise ParameterError(f"prior={name!r} is not known. Did you mean {' or '.join(near)}?")
        choose("prior", name, PRIORS)
    if name in ("vamp", "normal-mixture") and estimator.prior_options:
        raise ParameterError(f"prior_options are those of a family, and prior={name!r} is none. Leave them out.")
    if name == "vamp":
        if row_of(latent.family.name).moves:
            raise AbilityError(
                f"A VampPrior mixes the posteriors of pseudo-inputs, and those of the {latent.family.name} family end where others do "
                "not: draws of one row fall outside all of them. Use a normal posterior, or prior='normal-mixture'."
            )
        return VampPrior(encoder, starts)
    if name == "normal-mixture":
        return NormalMixture(latent.shape, int(estimator.n_components))
    if name == "normal" and not (estimator.learn_prior or estimator.prior_options):
        return StandardNormal(latent.shape)
    made, raw = _fixed(name, latent, estimator)
    return FamilyPrior(made, raw, learnt=bool(estimator.learn_prior))


def _fixed(name: str, latent: Latent, estimator: Any) -> tuple[Family, Tensor | None]:
    made = family(name, latent.shape, **_options(name, estimator, "prior_options"))
    if name != "von-mises-fisher":
        return made, None
    raw = torch.zeros(made.raw_shape)
    raw[-1] = -50.0  # as good as uniform on the sphere
    return made, raw


def suited(posterior: Family) -> str:
    """Name of the prior that `prior="auto"` takes: the standard normal where q's draws fit it, else q's own family.

    >>> from latentia.families import Gamma, Pareto
    >>> suited(Gamma((2,))), suited(Pareto((2,)))
    ('gamma', 'lognormal')
    """
    row = row_of(posterior.name)
    if row.support in ("real", "rows", "moving interval"):
        return row.name if row.name == "cauchy" else "normal"
    if row.support == "moving positive interval":
        return "lognormal"
    if row.name == "straight-through-bernoulli":
        return "bernoulli"
    return row.name


def default_gradient(posterior: Family, bound: str, n_samples: int) -> str:
    """Name of the gradient that "auto" takes: through the draw where there is a path, else the best that fits n_samples.

    >>> from latentia.families import Bernoulli, Poisson
    >>> default_gradient(Bernoulli((3,)), "elbo", 2), default_gradient(Poisson((3,)), "elbo", 1)
    ('disarm', 'nvil')
    """
    valid = gradients_of(posterior)
    if "pathwise" in valid:
        return "auto"
    if bound != "elbo":
        return "vimco" if n_samples > 1 else "nvil"
    if "disarm" in valid and n_samples % 2 == 0:
        return "disarm"
    return "leave-one-out" if n_samples > 1 else "nvil"


def pseudo_inputs(n: int, n_features: int, facts: Facts | None, scaling: Any) -> Tensor:
    """Where a VampPrior's pseudo-inputs begin: rows of the data, or of a stream draws inside its columns' ranges."""
    if int(n) < 1:
        raise ParameterError(f"n_pseudo_inputs={n} is too small. Use at least one.")
    if facts is None:
        return torch.zeros(int(n), n_features)
    if isinstance(facts, ArrayFacts):
        rows = facts.x[torch.randint(len(facts.x), (int(n),)).numpy()].astype(np.float64)
    else:
        mean, sd = facts.moments()
        rows = np.clip(mean + sd * torch.randn(int(n), n_features).numpy(), facts.low, facts.high)
    return scaling.to_model(torch.as_tensor(rows)).float()


def refuse_sharing(estimator: Any) -> None:
    """Raise `AbilityError` where the learner moves q alone and the prior holds q's network."""
    if estimator.prior == "vamp" and estimator.learner != "amortized":
        raise AbilityError(
            f"A VampPrior shares the encoder with q, which learner={estimator.learner!r} moves by itself. Use "
            "learner='amortized', or prior='normal-mixture'."
        )
