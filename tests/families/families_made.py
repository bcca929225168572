"""One row per family: how it is made, and who knows the answer (SciPy, or a formula written naively in NumPy)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats as st
import torch
from torch import Tensor

from latentia import families as f

CELLS, SETS = 3, 5  # cells of a row, and random sets of parameters


@dataclass(frozen=True)
class Naive:
    """A distribution from three functions; its moments by the trapezoid rule over its quantiles."""

    logpdf: Callable[[Any], Any]
    cdf: Callable[[Any], Any]
    ppf: Callable[[Any], Any]

    def mean(self) -> Any:
        return self._moment(1)

    def var(self) -> Any:
        return self._moment(2) - self._moment(1) ** 2

    def _moment(self, power: int) -> Any:
        u, weight = quantile_nodes()
        shape = (-1, *[1] * np.ndim(self.ppf(0.5)))
        return (weight.reshape(shape) * self.ppf(u.reshape(shape)) ** power).sum(0)


@dataclass(frozen=True)
class NaiveCounts:
    """A distribution of whole numbers from 0 from its probabilities, the levels along the first axis."""

    table: Any

    def logpmf(self, x: Any) -> Any:
        index = np.broadcast_to(x, np.broadcast_shapes(np.shape(x), self.table.shape[1:])).astype(int)
        flat = np.broadcast_to(
            self.table.reshape(len(self.table), *[1] * (index.ndim - self.table.ndim + 1), *self.table.shape[1:]),
            (len(self.table), *index.shape),
        )
        with np.errstate(divide="ignore"):
            return np.log(np.take_along_axis(flat, index[None], 0)[0])

    def cdf(self, x: Any) -> Any:
        return NaiveCounts(np.cumsum(self.table, 0)).pmf(np.floor(x))

    def pmf(self, x: Any) -> Any:
        return np.exp(self.logpmf(x))

    def ppf(self, u: Any) -> Any:
        total = np.cumsum(self.table, 0)
        return (
            np.moveaxis(
                total[..., None]
                < np.moveaxis(np.broadcast_to(u, np.broadcast_shapes(np.shape(u), total.shape[1:])), 0, -1),
                0,
                0,
            )
            .sum(0)
            .transpose(-1, *range(total.ndim - 1))
        )

    def mean(self) -> Any:
        return np.tensordot(np.arange(len(self.table)), self.table, 1)

    def var(self) -> Any:
        return np.tensordot(np.arange(len(self.table)) ** 2, self.table, 1) - self.mean() ** 2


def quantile_nodes(n: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """Nodes u in (0, 1) and weights that sum to 1: the trapezoid rule in logit u, which squeezes the tails."""
    v = np.linspace(-36, 36, n)
    u = 1 / (1 + np.exp(-v))
    weight = u * (1 - u)
    return np.clip(u, 1e-16, 1 - 1e-16), weight / weight.sum()


def array(t: Tensor) -> np.ndarray:
    return t.detach().double().numpy()


def params(d: Any, *names: str) -> list[np.ndarray]:
    return [array(getattr(d, name)) for name in names]


def kumaraswamy(d: Any) -> Naive:
    a, b = params(d, "concentration1", "concentration0")
    power = st.beta(1, b)
    return Naive(
        lambda x: power.logpdf(x**a) + np.log(a) + (a - 1) * np.log(x),
        lambda x: power.cdf(x**a),
        lambda u: power.ppf(u) ** (1 / a),
    )


def continuous_bernoulli(d: Any) -> Naive:
    (logits,) = params(d, "logits")
    right = logits > 0
    base = st.truncexpon(np.abs(logits), scale=1 / np.abs(logits))
    turn = lambda x: np.where(right, 1 - x, x)  # noqa: E731
    return Naive(
        lambda x: base.logpdf(turn(x)),
        lambda x: np.where(right, 1 - base.cdf(1 - x), base.cdf(x)),
        lambda u: turn(base.ppf(turn(u))),
    )


def relaxed_bernoulli(d: Any) -> Naive:
    base = st.logistic(array(d.logits) / d.temperature, 1 / d.temperature)
    logit = lambda x: np.log(x) - np.log1p(-x)  # noqa: E731
    return Naive(
        lambda x: base.logpdf(logit(x)) - np.log(x) - np.log1p(-x),
        lambda x: base.cdf(logit(x)),
        lambda u: 1 / (1 + np.exp(-base.ppf(u))),
    )


def zero_inflated(d: Any) -> NaiveCounts:
    gate = 1 / (1 + np.exp(-array(d.logits)))
    inner = oracle_of_counts(d.base)
    k = np.arange(4000).reshape(-1, *[1] * gate.ndim)
    table = (1 - gate) * inner.pmf(k)
    table[0] += gate
    return NaiveCounts(table)


def oracle_of_counts(d: Any) -> Any:
    if isinstance(d, torch.distributions.Poisson):
        return st.poisson(*params(d, "rate"))
    size, logits = params(d, "total_count", "logits")
    return st.nbinom(size, 1 / (1 + np.exp(logits)))


def logistic_mixture(d: Any) -> NaiveCounts:
    weight = np.exp(array(d.logits))
    weight = weight / weight.sum(-1, keepdims=True)
    base = st.logistic(array(d.loc), array(d.scale))
    ends = np.arange(d.high).reshape(-1, *[1] * weight.ndim) + 0.5
    below = (weight * base.cdf(ends)).sum(-1)
    return NaiveCounts(np.diff(below, axis=0, prepend=0 * below[:1], append=1 + 0 * below[:1]))


@dataclass(frozen=True)
class Case:
    """A family of cells and its oracle.

    Arguments:
        make: event shape -> family.
        oracle: distribution -> SciPy's, with the same parameters.
        point: a value in every support; None where the support moves.
        whole: whether the values are whole numbers.
    """

    make: Callable[[tuple[int, ...]], f.Family]
    oracle: Callable[[Any], Any]
    point: float | None = 0.7
    whole: bool = False

    def raw(self, seed: int = 0, dtype: torch.dtype = torch.float64, size: float = 0.7) -> Tensor:
        torch.manual_seed(seed)
        family = self.make((CELLS,))
        return (size * torch.randn(SETS, *family.raw_shape, dtype=torch.float64)).to(dtype)

    def distribution(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> Any:
        return self.make((CELLS,)).to(dtype)(self.raw(seed, dtype))


def gamma(d: Any) -> Any:
    return st.gamma(array(d.concentration), scale=1 / array(d.rate))


CASES: dict[str, Case] = {
    "normal": Case(f.Normal, lambda d: st.norm(*params(d, "loc", "scale"))),
    "laplace": Case(f.Laplace, lambda d: st.laplace(*params(d, "loc", "scale"))),
    "logistic": Case(f.Logistic, lambda d: st.logistic(*params(d, "loc", "scale"))),
    "gumbel": Case(f.Gumbel, lambda d: st.gumbel_r(*params(d, "loc", "scale"))),
    "cauchy": Case(f.Cauchy, lambda d: st.cauchy(*params(d, "loc", "scale"))),
    "student-t": Case(f.StudentT, lambda d: st.t(*params(d, "df", "loc", "scale"))),
    "student-t of 5": Case(lambda s: f.StudentT(s, df=5.0), lambda d: st.t(*params(d, "df", "loc", "scale"))),
    "uniform": Case(f.Uniform, lambda d: st.uniform(array(d.low), array(d.high - d.low)), None),
    "triangular": Case(f.Triangular, lambda d: st.triang(*params(d, "peak", "loc", "scale")), None),
    "exponential": Case(f.Exponential, lambda d: st.expon(scale=1 / array(d.rate))),
    "gamma": Case(f.Gamma, gamma),
    "erlang": Case(lambda s: f.Erlang(s, shape=3), gamma),
    "chi-squared": Case(f.ChiSquared, lambda d: st.chi2(array(d.df))),
    "fisher-snedecor": Case(f.FisherSnedecor, lambda d: st.f(*params(d, "df1", "df2"))),
    "lognormal": Case(f.LogNormal, lambda d: st.lognorm(array(d.scale), scale=np.exp(array(d.loc)))),
    "weibull": Case(f.Weibull, lambda d: st.weibull_min(array(d.concentration), scale=array(d.scale))),
    "rayleigh": Case(f.Rayleigh, lambda d: st.rayleigh(scale=array(d.scale))),
    "gompertz": Case(f.Gompertz, lambda d: st.gompertz(array(d.concentration), scale=array(d.scale))),
    "pareto": Case(f.Pareto, lambda d: st.pareto(array(d.alpha), scale=array(d.scale)), None),
    "reciprocal": Case(f.Reciprocal, lambda d: st.loguniform(*params(d, "low", "high")), None),
    "beta": Case(f.Beta, lambda d: st.beta(*params(d, "concentration1", "concentration0"))),
    "kumaraswamy": Case(f.Kumaraswamy, kumaraswamy),
    "continuous-bernoulli": Case(f.ContinuousBernoulli, continuous_bernoulli),
    "relaxed-bernoulli": Case(f.RelaxedBernoulli, relaxed_bernoulli),
    "bernoulli": Case(f.Bernoulli, lambda d: st.bernoulli(array(d.probs)), 1.0, True),
    "straight-through-bernoulli": Case(f.StraightThroughBernoulli, lambda d: st.bernoulli(array(d.probs)), 1.0, True),
    "categorical": Case(
        lambda s: f.Categorical(s, n_categories=4), lambda d: NaiveCounts(np.moveaxis(array(d.probs), -1, 0)), 2.0, True
    ),
    "poisson": Case(f.Poisson, oracle_of_counts, 3.0, True),
    "negative-binomial": Case(f.NegativeBinomial, oracle_of_counts, 3.0, True),
    "zero-inflated": Case(f.ZeroInflated, zero_inflated, 0.0, True),
    "zero-inflated negative-binomial": Case(
        lambda s: f.ZeroInflated(s, of="negative-binomial"), zero_inflated, 2.0, True
    ),
    "discretised-logistic-mixture": Case(
        lambda s: f.DiscretisedLogisticMixture(s, n_components=3), logistic_mixture, 200.0, True
    ),
}
NO_DISTRIBUTION = {"cross-entropy"}  # a reconstruction error


def spread(d: Any, i: int) -> np.ndarray:
    """The matrix of scales of row i: the covariance of a normal, less than that of a t."""
    tril = getattr(d, "scale_tril", None)
    return array(d.covariance_matrix[i]) if tril is None else array(tril[i] @ tril[i].T)


def multivariate_normal(d: Any, i: int) -> Any:
    return st.multivariate_normal(array(d.loc[i]), spread(d, i))


def multivariate_t(d: Any, i: int) -> Any:
    return st.multivariate_t(array(d.loc[i]), spread(d, i), df=float(d.df[i]))


def dirichlet(d: Any, i: int) -> Any:
    return st.dirichlet(array(d.concentration[i]))


def vonmises_fisher(d: Any, i: int) -> Any:
    loc = array(d.loc[i])
    return st.vonmises_fisher(loc / np.linalg.norm(loc), float(d.concentration[i]))


def onto_simplex(x: np.ndarray) -> np.ndarray:
    """SciPy asks that shares sum to one in double precision, and wants them along the first axis."""
    return (x / x.sum(-1, keepdims=True)).T


def onto_sphere(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@dataclass(frozen=True)
class RowCase:
    """A family of whole rows and its oracle.

    Arguments:
        make: event shape -> family.
        oracle: distribution and row -> SciPy's, with the same parameters; None where SciPy has none.
        value: a row of three cells in the support.
        line: the distribution of w . z given its centre and spread, of an elliptical family.
        points: rows as SciPy takes them.
        size: cells of a row that a sum over all z still reaches.
    """

    make: Callable[[tuple[int, ...]], f.Family]
    oracle: Callable[[Any, int], Any] | None = None
    value: tuple[float, float, float] = (0.3, -1.2, 0.7)
    line: Callable[[Any, int], Any] | None = None
    points: Callable[[np.ndarray], np.ndarray] = np.asarray
    size: int = 2


SHARES, ONE = (0.2, 0.7, 0.1), (0.0, 1.0, 0.0)
ROWS = {
    "full-normal": RowCase(f.FullNormal, multivariate_normal, line=lambda d, i: st.norm()),
    "low-rank-normal": RowCase(f.LowRankNormal, multivariate_normal, line=lambda d, i: st.norm()),
    "multivariate-student-t": RowCase(f.MultivariateStudentT, multivariate_t, line=lambda d, i: st.t(float(d.df[i]))),
    "dirichlet": RowCase(f.Dirichlet, dirichlet, SHARES, points=onto_simplex),
    "von-mises-fisher": RowCase(f.VonMisesFisher, vonmises_fisher, (0.6, -0.8, 0.0), points=onto_sphere),
    "relaxed-categorical": RowCase(f.RelaxedCategorical, value=SHARES, size=3),
    "straight-through-categorical": RowCase(f.StraightThroughCategorical, value=ONE, size=3),
    "autoregressive-flow": RowCase(lambda s: f.AutoregressiveFlow(s, n_context=2, n_transforms=2, hidden=(8,))),
    "coupling-flow": RowCase(lambda s: f.CouplingFlow(s, n_context=2, n_transforms=2, hidden=(8,))),
    "spline-flow": RowCase(lambda s: f.SplineFlow(s, n_context=2, n_transforms=2, hidden=(8,))),
}
MAKERS: dict[str, Callable[[Any], Any]] = {name: case.make for name, case in (CASES | ROWS).items()}
DTYPES = {"float64": torch.float64, "float32": torch.float32}
