"""latentia: one generative model p(x, z), many ways to learn it, and numbers about it that can be believed."""

from typing import Any

from ._version import __version__

_HOMES = {
    "VAE": "estimators",
    "GAN": "estimators",
    "ProbabilisticPCA": "estimators",
    "FactorAnalysis": "estimators",
    "GaussianMixture": "estimators",
    "BayesianGaussianMixture": "estimators",
    "LinearAutoencoder": "estimators",
    "LogisticPCA": "estimators",
    "Autoencoder": "estimators",
    "DenoisingAutoencoder": "estimators",
    "TextVAE": "estimators",
    "load": "estimators",
    "fit": "learn",
}
_PACKAGES = (
    "models",
    "posteriors",
    "families",
    "networks",
    "bounds",
    "learn",
    "evidence",
    "data",
    "estimators",
    "explore",
    "testing",
)

__all__ = ["__version__", *_HOMES, *_PACKAGES]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _PACKAGES:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}. Public names: {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return sorted(__all__)
