"""The models that latentia ships, small and with parameters drawn at random, for the proof."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from ...conditional import Conditional
from ...families import TABLE, Bernoulli, Family, Normal, Pixels, Tokens, family
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
from ...networks import MLP, GatedPixelCNN, LSTMDecoder, LSTMEncoder, OneHot
from ...posteriors import Amortized, Borrowed, Local, Refined
from ...randomness import Stream
from ...scaling import Scaling

D, K = 3, 2
OPTIONS: dict[str, dict[str, Any]] = {
    "categorical": {"n_categories": 4},
    "discretised-logistic-mixture": {"n_components": 2, "low": 0, "high": 15},
}
POSTERIORS: dict[str, dict[str, Any]] = {
    "full-normal": {},
    "laplace": {},
    "student-t": {"df": 5.0},
}  # beside the normal
FLOWS = ("autoregressive-flow", "coupling-flow", "spline-flow")  # an extra, and networks that start at the identity

Pair = tuple[nn.Module, nn.Module | None]


def shipped(seed: int = 0) -> Iterator[tuple[str, nn.Module, nn.Module | None]]:
    """(name, model, posterior) of everything that ships and has a density; the posterior is None where the model knows its own.

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
    for name, options in POSTERIORS.items():
        out[f"VAE, {name} posterior"] = lambda name=name, options=options: _other_q(name, options)
    out["VAE, bits"] = lambda: _other_q("bernoulli", {}, FamilyPrior(family("bernoulli", (K,))))
    out["VAE, a q for each row"] = lambda: _own_q()
    out["sentences, LSTM"] = _sentences
    out["pictures, PixelCNN"] = _pictures
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


def _other_q(name: str, options: dict[str, Any], prior: nn.Module | None = None) -> Pair:
    """A VAE whose q(z|x) is of another family."""
    model, _ = _vae(Normal((D,)), prior=prior)
    q = family(name, (K,), **options)
    encoder = nn.Sequential(_Squash(), MLP(D, q.n_outputs, (6,), "tanh"))
    return model, Amortized(Conditional(encoder, q, (D,), joint=True))


def _own_q() -> Pair:
    model, _ = _vae(Normal((D,)))
    return model, Local(Normal((K,)), n_steps=20)


def _sentences() -> Pair:
    words, width = 7, 5
    likelihood = Conditional(nn.Identity(), Tokens(LSTMDecoder(words, K, 4, 4), width), (K,))
    q = Conditional(LSTMEncoder(words, 2 * K, 4, 4), Normal((K,)), (width,), joint=True)
    return LatentVariableModel(StandardNormal(K), likelihood), Amortized(q)


def _pictures() -> Pair:
    shape = (2, 3)
    network = GatedPixelCNN(shape, 1, n_context=1, n_channels=2, n_layers=1, reach=1)
    likelihood = Conditional(MLP(K, 6, (6,), "tanh"), Pixels(network, Bernoulli((6,))), (K,))
    q = Conditional(MLP(6, 2 * K, (6,), "tanh"), Normal((K,)), (6,), joint=True)
    return LatentVariableModel(StandardNormal(K), likelihood), Amortized(q)


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
