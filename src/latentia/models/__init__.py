"""p(x, z), and nothing that infers."""

from .base import Model
from .factor import FactorAnalysis, ProbabilisticPCA
from .finite import FiniteLatentModel
from .latent_variable import LatentVariableModel
from .mixture import GaussianMixture
from .priors import CategoricalPrior, StandardNormal

__all__ = [
    "CategoricalPrior",
    "FactorAnalysis",
    "FiniteLatentModel",
    "GaussianMixture",
    "LatentVariableModel",
    "Model",
    "ProbabilisticPCA",
    "StandardNormal",
]
