"""Whether a model, a critic and what the critic judges go together: refused in a sentence before anything moves."""

from typing import Any

import torch
from torch import Tensor, nn

from ...abilities import refuse_globals
from ...bounds.base import enumerable
from ...bounds.evaluate import evaluating
from ...errors import AbilityError, ParameterError
from ...randomness import Stream

JUDGED = ("samples", "means", "codes")
RECONSTRUCTED = ("data", "features")


def check_players(learner: Any, model: Any) -> None:
    """Raise `AbilityError` or `ParameterError` unless the game can be played."""
    refuse_globals(model, "Adversarial")
    if not callable(getattr(model, "likelihood", None)) or not callable(getattr(model, "prior", None)):
        raise AbilityError(
            f"Adversarial needs a model with prior() and likelihood(z); {type(model).__name__} lacks one. "
            "Derive from models.Model."
        )
    _check_apart(learner, model)
    if not any(p.requires_grad for p in model.parameters()):
        raise AbilityError(f"{type(model).__name__} has no parameters that a gradient could move. Use ExactEM.")
    if learner.judged == "codes" and not learner.has_bound:
        raise ParameterError(
            "judged='codes' needs a posterior whose codes are judged. Give posterior=, and bound= with it."
        )
    if learner.reconstruct == "features":
        _check_features(learner)
    with Stream(0), evaluating(model, learner.critic):
        _check_draws(learner, model)
        _check_critic(learner, model)


def _check_apart(learner: Any, model: Any) -> None:
    owners = {"model": model, "critic": learner.critic, "posterior": learner.posterior}
    seen: dict[int, str] = {}
    for name, module in owners.items():
        for parameter in module.parameters():
            if seen.setdefault(id(parameter), name) != name:
                raise AbilityError(
                    f"The {seen[id(parameter)]} and the {name} hold the same parameters, which two players would move. "
                    "Give each its own."
                )


def _check_features(learner: Any) -> None:
    if not callable(getattr(learner.critic, "features", None)):
        raise AbilityError(
            f"reconstruct='features' needs a critic with features(x); {type(learner.critic).__name__} has none. Use "
            "networks.Critic or networks.ConvCritic, or reconstruct='data'."
        )
    if not learner.has_bound or "kl" not in learner.bound.names or learner.judged == "codes" or learner.pack > 1:
        raise ParameterError(
            "reconstruct='features' needs a posterior, a bound with a KL part, a critic that judges samples or means, and "
            "pack=1. Give posterior= and bound=, or use reconstruct='data'."
        )


def _check_draws(learner: Any, model: Any) -> None:
    prior = model.prior()
    stuck = not prior.has_rsample and any(p.requires_grad for p in _of_prior(model))
    if stuck or enumerable(prior):
        raise AbilityError(
            f"No gradient flows through the draws of this {type(prior).__name__} prior, whose parameters would stay as they "
            "are. Use models.StandardNormal, or AmortizedVI."
        )
    if learner.judged != "samples":
        return
    likelihood = model.likelihood(prior.sample(torch.Size((1, 2))))
    if not likelihood.has_rsample:
        raise AbilityError(
            f"No gradient flows through the draws of a {type(likelihood).__name__} likelihood, so that a critic of samples "
            "teaches the model nothing. Use judged='means' (the critic sees the means of p(x|z)), models.Generator, or "
            "AmortizedVI."
        )


def _of_prior(model: Any) -> list[nn.Parameter]:
    prior = getattr(model, "prior_module", None)
    return list(prior.parameters()) if isinstance(prior, nn.Module) else []


def _check_critic(learner: Any, model: Any) -> None:
    shape = tuple(model.latent_shape if learner.judged == "codes" else model.event_shape)
    if learner.judged == "codes":
        shape = (int(torch.Size(shape).numel()),)
    if not shape:
        raise AbilityError("A critic needs rows of at least one axis; this latent is a single number of a component.")
    like = next(model.parameters())
    learner.critic.to(device=like.device, dtype=like.dtype)
    packs = torch.zeros(2, learner.pack * shape[0], *shape[1:], dtype=like.dtype, device=like.device)
    out = _answer(learner.critic, packs)
    if not isinstance(out, Tensor) or out.numel() != 2:
        came = tuple(out.shape) if isinstance(out, Tensor) else out
        beside = f" ({learner.pack} rows side by side)" if learner.pack > 1 else ""
        raise ParameterError(
            f"The critic must give one score for each pack of shape {tuple(packs.shape[1:])}{beside}; for two packs it gave "
            f"{came}. Change its first or last layer, for instance networks.Critic({packs[0].numel()})."
        )


def _answer(critic: nn.Module, packs: Tensor) -> Any:
    try:
        return critic(packs)
    except (RuntimeError, ValueError, IndexError) as error:
        return f"an error ({str(error).strip().splitlines()[0]})"
