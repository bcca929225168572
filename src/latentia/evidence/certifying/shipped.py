"""The models that latentia ships, small and with parameters drawn at random, for the proof."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from ...conditional import Conditional
from ...families import TABLE, Family, Normal, family
from ...models import (
    CategoricalPrior,
    FactorAnalysis,
    FamilyPrior,
    FiniteLatentModel,
    GaussianMixture,
    LatentVariableModel,
    NormalMixture,
    ProbabilisticPCA,
    StandardNormal,
    VampPrior,
)
from ...networks import MLP, OneHot
from ...posteriors import Amortized, Borrowed, Refined
from ...randomness import Stream
from ...scaling import Scaling

D, K = 3, 2
OPTIONS: dict[str, dict[str, Any]] = {
    "categorical": {"n_categories": 4},
    "discretised-logistic-mixture": {"n_components": 2, "low": 0, "high": 15},
}
FLOWS = ("autoregressive-flow", "coupling-flow", "spline-flow")  # an extra, and networks that start at the identity

Pair = tuple[nn.Module, nn.Module | None]


def shipped(seed: int = 0) -> Iterator[tuple[str, nn.Module, nn.Module | None]]:
    """(name, model, posterior) of everything that ships; the posterior is None where the model knows its own.

    >>> next(shipped())[0]
    'probabilistic PCA'
    """
    for name, make in _makers().items():
        with Stream(seed):
            model, posterior = make()
            for module in (model, posterior):
                _stir(module)
        yield name, model, posterior


def _makers() -> dict[str, Callable[[], Pair]]:
    units: dict[str, Any] = {"loc": torch.tensor([1.0, -2.0, 0.0]), "scale": torch.tensor([2.0, 0.5, 3.0])}
    out: dict[str, Callable[[], Pair]] = {
        "probabilistic PCA": lambda: (ProbabilisticPCA(D, K), None),
        "probabilistic PCA, scaled": lambda: (ProbabilisticPCA(D, K, scaling=Scaling(**units)), None),
        "factor analysis": lambda: (FactorAnalysis(D, K), None),
    }
    for kind in ("full", "tied", "diag", "spherical"):
        out[f"Gaussian mixture, {kind}"] = lambda kind=kind: (GaussianMixture(D, 3, covariance=kind), None)
    out["deep mixture"] = _deep_mixture
    for row in TABLE:
        if "likelihood" in row.stands and row.family.is_density and row.name not in FLOWS:
            out[f"VAE, {row.name} likelihood"] = lambda name=row.name: _vae(family(name, (D,), **OPTIONS.get(name, {})))
    out["VAE, normal likelihood, scaled"] = lambda: _vae(Normal((D,)), Scaling(**units))
    out["VAE, normal likelihood, whole numbers"] = lambda: _vae(Normal((D,)), Scaling(2.0, 3.0, levels=(-5, 9)))
    out["VAE, refined posterior"] = lambda: _refined()
    for name, prior in {"mixture of normals": lambda: NormalMixture(K, 3), "Laplace": lambda: _laplace()}.items():
        out[f"VAE, {name} prior"] = lambda prior=prior: _vae(Normal((D,)), prior=prior())
    out["VAE, VampPrior"] = _vamp
    return out


@torch.no_grad()
def _stir(module: nn.Module | None) -> None:
    for p in module.parameters() if module is not None else ():
        p.add_(0.3 * torch.randn_like(p))


def _vae(likelihood: Family, scaling: Scaling | None = None, prior: nn.Module | None = None) -> Pair:
    prior = StandardNormal(K) if prior is None else prior
    decoder = MLP(K, likelihood.n_outputs, (6,), "tanh")
    model = LatentVariableModel(prior, Conditional(decoder, likelihood, (K,)), scaling)
    return model, Amortized(_encoder())


def _encoder() -> Conditional:
    return Conditional(nn.Sequential(_Squash(), MLP(D, 2 * K, (6,), "tanh")), Normal((K,)), (D,), joint=True)


class _Squash(nn.Module):
    """Keeps rows with heavy tails where an encoder can read them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.atan(x)


def _laplace() -> nn.Module:
    return FamilyPrior(family("laplace", (K,)), learnt=True)


def _refined() -> Pair:
    model, start = _vae(Normal((D,)))
    return model, Refined(start, n_steps=5, n_samples=2)  # type: ignore[arg-type]


def _vamp() -> Pair:
    encoder = _encoder()
    model, _ = _vae(Normal((D,)), prior=VampPrior(encoder, torch.randn(3, D)))
    return model, Borrowed()


def _deep_mixture() -> Pair:
    p = Conditional(OneHot(3, MLP(3, D, (6,), "tanh")), Normal((D,), scale="per-feature"), ())
    return FiniteLatentModel(CategoricalPrior(3), p), None
