"""scikit-learn style estimators: thin facades over models, learners and evidence."""

from .checks import EXPECTED_FAILED_CHECKS
from .linear import FactorAnalysis, ProbabilisticPCA
from .mixture import GaussianMixture
from .saving import ESTIMATORS, load
from .text import TextVAE
from .vae import VAE

__all__ = [
    "ESTIMATORS",
    "EXPECTED_FAILED_CHECKS",
    "VAE",
    "FactorAnalysis",
    "GaussianMixture",
    "ProbabilisticPCA",
    "TextVAE",
    "load",
]
