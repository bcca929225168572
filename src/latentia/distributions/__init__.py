"""The distributions that torch lacks, and noise of a row turned into draws of any distribution."""

from . import closed_kl as closed_kl  # rows of the table of closed forms
from . import kl_by_moments as kl_by_moments  # and more of them
from . import noise as noise  # rows of the table of draws from noise
from .cell_sequence import CellSequence
from .continuous_bernoulli import ContinuousBernoulli
from .counts import ZeroInflated
from .discretised import Discretised
from .divergence import StandardNormal, kl
from .either import Either
from .flow import FlowDistribution
from .implicit import Implicit
from .interval import log_interval
from .location_scale import Gumbel, Logistic, Triangular, Uniform
from .logistic_mixture import DiscretisedLogisticMixture
from .multivariate_t import MultivariateStudentT
from .normals import LowRankMultivariateNormal, MultivariateNormal
from .point import Flat, PointMass
from .positive import Gompertz, LogNormal, Pareto, Rayleigh, Reciprocal, Weibull
from .quantiles import gamma_icdf, poisson_icdf
from .ratios import FisherSnedecor, StudentT
from .reconstruction import CrossEntropy
from .relaxed import RelaxedBernoulli, RelaxedCategorical, StraightThroughBernoulli, StraightThroughCategorical
from .rescaled import Rescaled
from .rows import centre, draw, from_noise
from .summed import joint_log_prob, summed_log_prob
from .token_sequence import TokenSequence
from .unit import Beta, Kumaraswamy
from .von_mises_fisher import VonMisesFisher

__all__ = [
    "Beta",
    "CellSequence",
    "ContinuousBernoulli",
    "CrossEntropy",
    "Discretised",
    "DiscretisedLogisticMixture",
    "Either",
    "FisherSnedecor",
    "Flat",
    "FlowDistribution",
    "Gompertz",
    "Gumbel",
    "Implicit",
    "Kumaraswamy",
    "LogNormal",
    "Logistic",
    "LowRankMultivariateNormal",
    "MultivariateNormal",
    "MultivariateStudentT",
    "Pareto",
    "PointMass",
    "Rayleigh",
    "Reciprocal",
    "RelaxedBernoulli",
    "RelaxedCategorical",
    "Rescaled",
    "StandardNormal",
    "StraightThroughBernoulli",
    "StraightThroughCategorical",
    "StudentT",
    "TokenSequence",
    "Triangular",
    "Uniform",
    "VonMisesFisher",
    "Weibull",
    "ZeroInflated",
    "centre",
    "draw",
    "from_noise",
    "gamma_icdf",
    "joint_log_prob",
    "kl",
    "log_interval",
    "poisson_icdf",
    "summed_log_prob",
]
