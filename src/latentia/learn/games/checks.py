"""Whether a model, a critic and what the critic judges go together: refused in a sentence before anything moves."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from ...abilities import refuse_globals
from ...batch import Batch
from ...bounds.base import enumerable
from ...bounds.evaluate import evaluating
from ...distributions import centre
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
    with Stream(0), evaluating(model, learner.critic, learner.posterior):
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
    if learner.judged == "codes":
        return _check_codes(learner, model)
    with torch.enable_grad():
        likelihood = model.likelihood(prior.sample(torch.Size((1, 2))))
    what = "draws" if learner.judged == "samples" else "means"
    if not _reaches(_draws if what == "draws" else centre, likelihood, model):
        by_means = (
            "judged='means' (the critic sees the means of p(x|z)), " if _reaches(centre, likelihood, model) else ""
        )
        by_codes = "judged='codes' with a posterior (the critic sees z), "
        raise AbilityError(
            f"No gradient flows through the {what} of a {_name(likelihood)} likelihood, so that a critic of "
            f"{learner.judged} teaches the model nothing. Use {by_means or by_codes}models.Generator, or AmortizedVI."
        )


def _check_codes(learner: Any, model: Any) -> None:
    """Whether a critic of z teaches the encoder; what moves q row by row, without one, is not asked."""
    if getattr(learner.posterior, "moves_rows", False):
        return
    like = next(model.parameters())
    rows = torch.zeros(2, *model.event_shape, dtype=like.dtype, device=like.device)
    with torch.enable_grad():
        q = learner.posterior(Batch(rows, torch.arange(2, device=like.device)), model)
    if not _reaches(_draws, q, learner.posterior):
        raise AbilityError(
            f"No gradient flows through the draws of a {_name(q)} q(z|x), so that a critic of codes teaches the encoder "
            "nothing. Use a posterior of real numbers, such as a normal one, or AmortizedVI."
        )


def _draws(p: Distribution) -> Tensor:
    return p.rsample() if p.has_rsample else p.sample()


def _name(p: Distribution) -> str:
    return type(p.base_dist if isinstance(p, Independent) else p).__name__


def _reaches(shown: Callable[[Distribution], Tensor], p: Distribution, module: nn.Module) -> bool:
    """Whether what the critic is shown of p hands a gradient on to the parameters of a module."""
    if hasattr(p, "greedy"):  # written cell by cell, each one chosen: slow to try, and never with a gradient
        return False
    with torch.enable_grad():
        x = shown(p)
        moving = [parameter for parameter in module.parameters() if parameter.requires_grad]
        if not (x.is_floating_point() and x.requires_grad and moving):
            return False
        return any(g is not None for g in torch.autograd.grad(x.sum(), moving, allow_unused=True, retain_graph=True))


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
