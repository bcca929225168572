"""p(x, z), and nothing that infers."""

from .base import Model
from .bayesian_mixture import BayesianGaussianMixture
from .decoder import Decoder, LabelDecoder, LinearDecoder
from .factor import FactorAnalysis, ProbabilisticPCA
from .finite import FiniteLatentModel
from .generator import Generator, means_of, with_noise
from .latent_variable import LatentVariableModel
from .logistic import LogisticPCA
from .mixture import GaussianMixture
from .normal_wishart import NormalWishartMixture
from .priors import CategoricalPrior, FamilyPrior, NormalMixture, StandardNormal, VampPrior

__all__ = [
    "BayesianGaussianMixture",
    "CategoricalPrior",
    "Decoder",
    "FactorAnalysis",
    "FamilyPrior",
    "FiniteLatentModel",
    "GaussianMixture",
    "Generator",
    "LabelDecoder",
    "LatentVariableModel",
    "LinearDecoder",
    "LogisticPCA",
    "Model",
    "NormalMixture",
    "NormalWishartMixture",
    "ProbabilisticPCA",
    "StandardNormal",
    "VampPrior",
    "means_of",
    "with_noise",
]
