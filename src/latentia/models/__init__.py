"""p(x, z), and nothing that infers."""

from .base import Model
from .factor import FactorAnalysis, ProbabilisticPCA
from .finite import FiniteLatentModel
from .latent_variable import LatentVariableModel
from .mixture import GaussianMixture
from .priors import CategoricalPrior, FamilyPrior, NormalMixture, StandardNormal, VampPrior

__all__ = [
    "CategoricalPrior",
    "FactorAnalysis",
    "FamilyPrior",
    "FiniteLatentModel",
    "GaussianMixture",
    "LatentVariableModel",
    "Model",
    "NormalMixture",
    "ProbabilisticPCA",
    "StandardNormal",
    "VampPrior",
]
