"""Expectation maximisation in one sitting: a Gaussian mixture and probabilistic PCA, from expected statistics.

    python recipes/em.py           a few seconds
    python recipes/em.py --tiny    less

Both algorithms have one shape. The E-step reads the data once and adds up the expected sufficient statistics under the
exact posterior p(z|x); the M-step turns these sums into the parameters that maximise E[log p(x, z)]. log p(data) never
falls. Everything up to `main` is plain NumPy; `main` then compares the maxima with those of latentia's models.

Sources: Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977; Tipping and
Bishop, "Probabilistic principal component analysis", 1999.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.datasets import load_iris, load_wine

import latentia
from latentia.evidence import exact
from latentia.learn import ExactEM
from latentia.models import GaussianMixture, ProbabilisticPCA

Parameters = dict[str, Any]
Statistics = dict[str, np.ndarray]
EStep = Callable[[np.ndarray, Parameters], tuple[Statistics, np.ndarray]]


# --- the algorithm ---------------------------------------------------------------------------------------------------


def em(x: np.ndarray, p: Parameters, e_step: EStep, m_step: Any, tol: float) -> tuple[Parameters, float, int]:
    """Alternate the two moves until log p(data) rises by less than `tol` nats per row.

    Returns the parameters, the mean of log p(x) in nats per row, and the number of passes.
    """
    before, passes = -math.inf, 0
    while True:
        statistics, log_prob = e_step(x, p)
        now, passes = float(log_prob.mean()), passes + 1
        assert now >= before - 1e-9, f"EM must never lose likelihood, and fell from {before} to {now}"
        if now - before < tol:
            return p, now, passes
        p, before = m_step(statistics, len(x)), now


# --- a Gaussian mixture: z is the number of a component --------------------------------------------------------------


def log_normal(x: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """log N(x; mean, covariance) of each row, by a Cholesky factor, `(rows,)`."""
    chol = np.linalg.cholesky(covariance)
    e = np.linalg.solve(chol, (x - mean).T)
    return -0.5 * (e**2).sum(0) - np.log(np.diag(chol)).sum() - 0.5 * x.shape[1] * math.log(2 * math.pi)


def mixture_e_step(x: np.ndarray, p: Parameters) -> tuple[Statistics, np.ndarray]:
    """Responsibilities r_nk = p(z_n = k | x_n), and the sums r_nk, r_nk x_n, r_nk x_n x_n^T over the rows."""
    parts = zip(p["weight"], p["mean"], p["covariance"])
    log_joint = np.stack([math.log(w) + log_normal(x, m, c) for w, m, c in parts], 1)  # (rows, K)
    log_prob = logsumexp(log_joint, 1)
    r = np.exp(log_joint - log_prob[:, None])
    second = np.einsum("nk,ni,nj->kij", r, x, x)
    return {"count": r.sum(0), "first": r.T @ x, "second": second}, log_prob


def mixture_m_step(s: Statistics, n_rows: int) -> Parameters:
    """weight = count / N, mean = first / count, covariance = second / count - mean mean^T."""
    mean = s["first"] / s["count"][:, None]
    covariance = s["second"] / s["count"][:, None, None] - mean[:, :, None] * mean[:, None, :]
    return {"weight": s["count"] / n_rows, "mean": mean, "covariance": covariance}


def mixture_start(x: np.ndarray, k: int) -> Parameters:
    """An M-step after a crude E-step: k groups of equal size along the first principal axis.

    A start at single rows can end at a component of too few rows, where a full covariance has no maximum.
    """
    axis = np.linalg.svd(x - x.mean(0), full_matrices=False)[2][0]
    rank = np.argsort(np.argsort(x @ axis))
    r = np.eye(k)[rank * k // len(x)]
    statistics = {"count": r.sum(0), "first": r.T @ x, "second": np.einsum("nk,ni,nj->kij", r, x, x)}
    return mixture_m_step(statistics, len(x))


# --- probabilistic PCA: z ~ N(0, I), x = mean + W z + noise of variance s2 -------------------------------------------


def ppca_e_step(x: np.ndarray, p: Parameters) -> tuple[Statistics, np.ndarray]:
    """p(z|x) = N(M^-1 W^T (x - mean), s2 M^-1) with M = W^T W + s2 I, and the sums that the M-step needs."""
    w, s2, d = p["w"], p["s2"], x - p["mean"]
    m_inverse = np.linalg.inv(w.T @ w + s2 * np.eye(w.shape[1]))
    z = d @ w @ m_inverse  # E[z|x], (rows, k)
    zz = len(x) * s2 * m_inverse + z.T @ z  # sum of E[z z^T | x]
    statistics = {"mean": p["mean"], "xz": d.T @ z, "zz": zz, "xx": (d**2).sum()}
    return statistics, log_normal(x, p["mean"], w @ w.T + s2 * np.eye(x.shape[1]))


def ppca_m_step(s: Statistics, n_rows: int) -> Parameters:
    """W = (sum d z^T)(sum z z^T)^-1; s2 the mean square of what is left."""
    w = s["xz"] @ np.linalg.inv(s["zz"])
    left = s["xx"] - 2 * (w * s["xz"]).sum() + np.trace(s["zz"] @ w.T @ w)
    return {"mean": s["mean"], "w": w, "s2": left / (n_rows * len(w))}


def ppca_start(x: np.ndarray, n_latent: int) -> Parameters:
    """The mean, which is its maximum at once, and any W that is not zero."""
    w = np.random.default_rng(0).normal(size=(x.shape[1], n_latent))
    return {"mean": x.mean(0), "w": w, "s2": float(x.var(0).mean())}


# --- the same with latentia ------------------------------------------------------------------------------------------


def with_latentia(model: Any, learner: ExactEM, x: np.ndarray) -> float:
    """The maximum that latentia finds: mean of log p(x), nats per row."""
    rows = torch.tensor(x)
    latentia.fit(model, learner, rows, max_epochs=learner.max_iter + 1)
    return exact(model, rows).mean


def compare_mixture(x: np.ndarray, k: int, tol: float) -> list[Any]:
    """Full covariances, maximum likelihood; latentia starts elsewhere, from k-means."""
    p, value, passes = em(x, mixture_start(x, k), mixture_e_step, mixture_m_step, tol)
    model = GaussianMixture(x.shape[1], k, regulariser=0.0)
    theirs = with_latentia(model, ExactEM(tol=tol, max_iter=5000), x)
    gap = np.abs(np.sort(p["weight"]) - np.sort(model.weights().detach().numpy())).max()
    return [f"mixture of {k} normals", value, theirs, gap, passes]


def compare_ppca(x: np.ndarray, k: int, tol: float) -> list[Any]:
    """Plain EM by hand; latentia's is parameter-expanded, takes another road and ends at the same place."""
    p, value, passes = em(x, ppca_start(x, k), ppca_e_step, ppca_m_step, tol)
    model = ProbabilisticPCA(x.shape[1], k)
    theirs = with_latentia(model, ExactEM(tol=tol, max_iter=5000, start="random"), x)
    gap = abs(p["s2"] / float(model.scale[0].detach() ** 2) - 1)
    return [f"probabilistic PCA, k = {k}", value, theirs, gap, passes]


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Run both, print a table, and return its rows."""
    parser = argparse.ArgumentParser(description="EM by hand, checked against latentia.")
    parser.add_argument("--tol", type=float, default=1e-11, help="nats per row")
    parser.add_argument("--tiny", action="store_true", help="fewer rows and columns")
    options = parser.parse_args(arguments)

    iris, wine = load_iris().data, load_wine().data
    wine = (wine - wine.mean(0)) / wine.std(0)
    k = 2 if options.tiny else 3
    rows = [compare_mixture(iris[:, :3] if options.tiny else iris, k, options.tol)]
    rows.append(compare_ppca(wine[:60, :6] if options.tiny else wine, k, options.tol))

    print("Maximum of log p(x), nats per row, higher is better.")
    print(f"  {'model':28s}{'by hand':>12s}{'latentia':>12s}{'difference':>12s}{'parameters':>12s}{'passes':>8s}")
    for name, by_hand, theirs, gap, passes in rows:
        print(f"  {name:28s}{by_hand:12.6f}{theirs:12.6f}{by_hand - theirs:12.1e}{gap:12.1e}{passes:8d}")
    print("  'parameters' is the largest difference of a component's weight, and the relative one of a noise variance.")
    return rows


if __name__ == "__main__":
    main()
