"""scikit-learn style estimators: thin facades over models, learners and evidence."""

from .autoencoder import Autoencoder
from .bayesian_mixture import BayesianGaussianMixture
from .checks import EXPECTED_FAILED_CHECKS
from .denoising import DenoisingAutoencoder
from .gan import GAN
from .linear import FactorAnalysis, ProbabilisticPCA
from .linear_autoencoder import LinearAutoencoder
from .logistic_pca import LogisticPCA
from .mixture import GaussianMixture
from .saving import ESTIMATORS, load, load_latent
from .text import TextVAE
from .vae import VAE

__all__ = [
    "ESTIMATORS",
    "EXPECTED_FAILED_CHECKS",
    "GAN",
    "VAE",
    "Autoencoder",
    "BayesianGaussianMixture",
    "DenoisingAutoencoder",
    "FactorAnalysis",
    "GaussianMixture",
    "LinearAutoencoder",
    "LogisticPCA",
    "ProbabilisticPCA",
    "TextVAE",
    "load",
    "load_latent",
]
