"""What a game is known to need, and what a game at hand is played with."""

from dataclasses import dataclass
from typing import Any

from torch import nn

_USUAL: dict[str, Any] = {"critic_steps": 1, "betas": (0.5, 0.99), "gradient_penalty": 0.0, "r1": 0.03}
_WASSERSTEIN: dict[str, Any] = {"critic_steps": 5, "betas": (0.0, 0.9), "gradient_penalty": 0.1, "r1": 0.0}


def needs(objective: str) -> dict[str, Any]:
    """critic_steps, betas, gradient_penalty and r1 that are known to serve a game, on rows of about unit variance.

    A Wasserstein critic has to be near its best before each step of the generator, without momentum, and what keeps its
    slope at one is its gradient penalty; r1 would pull the slope to zero.

    Source: Gulrajani et al., "Improved training of Wasserstein GANs", 2017, algorithm 1, with a hundredth of its penalty.

    >>> needs("wasserstein")["critic_steps"], needs("hinge")["r1"]
    (5, 0.03)
    """
    return dict(_WASSERSTEIN if objective == "wasserstein" else _USUAL)


@dataclass(frozen=True)
class Used:
    """What a game is played with, so that nobody is told to try what is there.

    Arguments:
        objective, judged, critic_steps, pack, betas, gradient_penalty, r1, r2, average: see `Adversarial`.
        spectral: whether the critic has spectral norms.
        falling: whether a schedule lowers the learning rates.
    """

    objective: str = "non-saturating"
    judged: str = "samples"
    critic_steps: int = 1
    pack: int = 1
    betas: tuple[float, float] = (0.5, 0.99)
    gradient_penalty: float = 0.0
    r1: float = 0.0
    r2: float = 0.0
    average: float = 0.0
    spectral: bool = False
    falling: bool = False


def used_by(learner: Any) -> Used:
    """What an `Adversarial` is played with.

    >>> from latentia.learn import Adversarial
    >>> from latentia.networks import Critic
    >>> used_by(Adversarial(Critic(2, spectral=True), "hinge", r1=1.0)).spectral
    True
    """
    penalties = learner.penalties
    return Used(
        learner.game.name,
        learner.judged,
        learner.critic_steps,
        learner.pack,
        (float(learner.betas[0]), float(learner.betas[1])),
        penalties.gradient,
        penalties.r1,
        penalties.r2,
        learner.average.decay,
        _is_spectral(learner.critic),
        learner.schedule.kind != "constant",
    )


def _is_spectral(critic: nn.Module) -> bool:
    names = {"_SpectralNorm", "SpectralNorm"}  # as a parametrisation, or by the older hook
    hooks = (hook for part in critic.modules() for hook in part._forward_pre_hooks.values())
    return any(type(part).__name__ in names for part in (*critic.modules(), *hooks))
