"""Whether latent units stand for known factors: MIG, SAP, DCI, and the FactorVAE score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, ParameterError

IDLE = 0.05  # units whose spread is less than this share of the widest one's take no part in votes


@dataclass(frozen=True)
class Disentanglement:
    """Four answers, each from 0 to 1, higher is better.

    Arguments:
        mig: mutual information gap.
        sap: separated attribute predictability.
        disentanglement, completeness, informativeness: the three of DCI.
        n_rows: rows that they were computed from.
    """

    mig: float
    sap: float
    disentanglement: float
    completeness: float
    informativeness: float
    n_rows: int


def disentanglement(
    codes: Any, factors: Any, *, ordered: Sequence[bool] | None = None, n_bins: int = 20, seed: int = 0
) -> Disentanglement:
    """MIG, SAP and DCI of codes for rows whose factors are known.

    Arguments:
        codes: posterior means, `(rows, units)`.
        factors: `(rows, factors)`, integers.
        ordered: which factors have an order; None is all of them (for SAP).
        n_bins: of each unit, for MIG.
        seed: of DCI's forests.

    Raises: `DataError` for tables that do not belong together.

    >>> factors = np.random.default_rng(0).integers(0, 4, (400, 2))
    >>> round(disentanglement(factors + 0.0, factors).mig, 1)
    1.0
    """
    first, second = _tables(codes, factors)
    parts = dci(first, second, seed=seed)
    return Disentanglement(mig(first, second, n_bins=n_bins), sap(first, second, ordered=ordered), *parts, len(first))


def mig(codes: Any, factors: Any, *, n_bins: int = 20) -> float:
    """Mean over factors v of (I(z_first; v) - I(z_second; v)) / H(v), the two units that tell most about v.

    Units are cut into `n_bins` bins of one width. A single unit has the gap to nothing. Few rows make the information
    of any unit too large, by about (bins - 1) (values - 1) / (2 rows).

    Source: Chen et al., "Isolating sources of disentanglement in VAEs", 2018, section 4.

    >>> v = np.arange(40).reshape(-1, 1) % 4
    >>> mig(np.hstack([v, v]), v)  # two units that know the same: no gap
    0.0
    """
    first, second = _tables(codes, factors)
    if n_bins < 2:
        raise ParameterError(f"n_bins={n_bins} is too small. Use two bins or more.")
    gaps = []
    for v in second.T:
        information = sorted((_information(_binned(z, n_bins), v) for z in first.T), reverse=True)
        gaps.append((information[0] - (information[1] if len(information) > 1 else 0.0)) / _entropy(v))
    return float(np.mean(gaps))


def _binned(z: np.ndarray, n_bins: int) -> np.ndarray:
    low, high = z.min(), z.max()
    if not high > low:
        return np.zeros(len(z), dtype=int)
    return np.minimum(((z - low) / (high - low) * n_bins).astype(int), n_bins - 1)


def _information(a: np.ndarray, b: np.ndarray) -> float:
    """Mutual information of two columns of integers, nats."""
    _, a = np.unique(a, return_inverse=True)
    _, b = np.unique(b, return_inverse=True)
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    outer = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / outer[seen])).sum())


def _entropy(v: np.ndarray) -> float:
    return _information(v, v)


def sap(codes: Any, factors: Any, *, ordered: Sequence[bool] | None = None) -> float:
    """Mean over factors of the gap between the two units that predict it best, each alone.

    Of a factor with an order the score of a unit is R^2 of a line; of one without, how much better than chance the
    nearest class mean tells the classes apart, every class counted the same: (accuracy - 1/C) / (1 - 1/C).

    Source: Kumar, Sattigeri, Balakrishnan, "Variational inference of disentangled latent concepts from unlabeled
    observations", 2018, section 3; there a linear support vector machine tells classes apart.

    >>> v = np.arange(40).reshape(-1, 1) % 4
    >>> round(sap(np.hstack([v, 0 * v]), v), 9)
    1.0
    """
    first, second = _tables(codes, factors)
    with_order = [True] * second.shape[1] if ordered is None else list(ordered)
    if len(with_order) != second.shape[1]:
        raise ParameterError(f"ordered has {len(with_order)} entries for {second.shape[1]} factors. Give one for each.")
    gaps = []
    for v, line in zip(second.T, with_order):
        scores = sorted(((_r2 if line else _classes)(z, v) for z in first.T), reverse=True)
        gaps.append(scores[0] - (scores[1] if len(scores) > 1 else 0.0))
    return float(np.mean(gaps))


def _r2(z: np.ndarray, v: np.ndarray) -> float:
    if not z.std() > 0:
        return 0.0
    return float(np.corrcoef(z, v)[0, 1] ** 2)


def _classes(z: np.ndarray, v: np.ndarray) -> float:
    classes = np.unique(v)
    means = np.array([z[v == c].mean() for c in classes])
    guess = classes[np.abs(z[:, None] - means).argmin(1)]
    accuracy = np.mean([(guess[v == c] == c).mean() for c in classes])
    chance = 1 / len(classes)
    return max(0.0, float((accuracy - chance) / (1 - chance)))


class DCI(NamedTuple):
    """Whether a unit serves one factor, whether a factor needs one unit, and how well all units together tell factors."""

    disentanglement: float
    completeness: float
    informativeness: float


def dci(codes: Any, factors: Any, *, seed: int = 0) -> DCI:
    """Entropies of the importances of units for factors in random forests, and the forests' held-out accuracy.

    R_ij is the importance of unit i for factor j. Disentanglement: 1 - H(R_i. / sum) in base "factors", units weighted
    by their total importance; completeness: 1 - H(R_.j / sum) in base "units", mean over factors.

    Source: Eastwood and Williams, "A framework for the quantitative evaluation of disentangled representations", 2018.

    >>> factors = np.random.default_rng(0).integers(0, 3, (200, 2))
    >>> dci(factors + 0.0, factors).informativeness
    1.0
    """
    from sklearn.ensemble import RandomForestClassifier

    first, second = _tables(codes, factors)
    order = np.random.default_rng(seed).permutation(len(first))
    learn, test = np.split(order, [len(order) * 3 // 4])
    importances, accuracies = [], []
    for v in second.T:
        forest = RandomForestClassifier(50, random_state=seed, max_features=1.0)  # type: ignore[arg-type]
        forest.fit(first[learn], v[learn])
        importances.append(forest.feature_importances_)
        accuracies.append(forest.score(first[test], v[test]))
    return DCI(*dci_of_importances(np.stack(importances, 1)), float(np.mean(accuracies)))


def dci_of_importances(importances: np.ndarray) -> tuple[float, float]:
    """Disentanglement and completeness of importances `(units, factors)`, none negative.

    >>> dci_of_importances(np.eye(4)), dci_of_importances(np.ones((4, 4)))
    ((1.0, 1.0), (0.0, 0.0))
    """
    total = importances.sum()
    if not total > 0:
        return 0.0, 0.0
    share = importances.sum(1) / total
    return float((share * _sureness(importances)).sum()), float(_sureness(importances.T).mean())


def _sureness(rows: np.ndarray) -> np.ndarray:
    """1 - entropy of each row in the base of its length; a row of zeros is sure of nothing."""
    if rows.shape[1] == 1:
        return (rows.sum(1) > 0).astype(float)
    total = rows.sum(1, keepdims=True)
    p = np.divide(rows, total, out=np.full(rows.shape, 1 / rows.shape[1]), where=total > 0)
    entropy = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0).sum(1)
    return 1 - entropy / np.log(rows.shape[1])


def factor_vae_score(
    encode: Callable[[np.ndarray], Any],
    render: Callable[[np.ndarray], np.ndarray],
    sizes: Sequence[int],
    *,
    n_votes: int = 400,
    n_rows: int = 64,
    n_scale: int = 2000,
    seed: int = 0,
) -> float:
    """How often the unit that varies least, while one factor is held fixed, gives that factor away.

    Each vote holds one factor at one value, draws the others, and names the unit of the least variance relative to its
    variance over all data. The table of votes (unit -> most frequent factor) is learnt from one half and scored on the
    other. Units that hardly vary at all take no part.

    Arguments:
        encode: rows -> posterior means, `(rows, units)`; for instance `estimator.transform`.
        render: factors `(rows, factors)` -> rows; for instance `data.render_factors`.
        sizes: how many values each factor takes.
        n_votes, n_rows, n_scale: votes, rows for each, and rows that give the scale of the units.
        seed: of all draws.

    Source: Kim and Mnih, "Disentangling by factorising", 2018, section 4 and appendix B.

    >>> sizes = (4, 4)
    >>> factor_vae_score(lambda x: x, lambda factors: factors + 0.0, sizes, n_votes=40)
    1.0
    """
    if n_votes < 2 or n_rows < 2 or n_scale < 2 or not sizes:
        raise ParameterError("Two votes, two rows for each, two rows for the scale and one factor at least are needed.")
    rng = np.random.default_rng(seed)
    draw = lambda n: np.stack([rng.integers(0, size, n) for size in sizes], 1)  # noqa: E731
    if min(sizes) < 2:
        raise ParameterError(f"sizes={tuple(sizes)}: a factor of one value cannot vary. Leave it out.")
    scale = np.asarray(encode(render(draw(n_scale))), dtype=float).var(0)
    if not np.isfinite(scale).all():
        raise DataError(
            f"{int((~np.isfinite(scale)).sum())} of {len(scale)} units are no finite numbers. Mend the encoder."
        )
    busy = np.sqrt(scale) > IDLE * np.sqrt(scale.max(initial=0.0))
    if not busy.any():
        return 0.0
    votes = np.zeros((2, int(busy.sum()), len(sizes)), dtype=int)
    for vote in range(n_votes):
        fixed = int(rng.integers(len(sizes)))
        factors = draw(n_rows)
        factors[:, fixed] = factors[0, fixed]
        variance = np.asarray(encode(render(factors)), dtype=float).var(0)[busy] / scale[busy]
        votes[vote % 2, int(variance.argmin()), fixed] += 1
    table = votes[0].argmax(1)
    return float(votes[1][np.arange(len(table)), table].sum() / votes[1].sum())


def _tables(codes: Any, factors: Any) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(codes, dtype=float), np.asarray(factors)
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or len(first) < 4:
        raise DataError(
            f"Codes of shape {first.shape} and factors of shape {second.shape} do not belong together; (rows, units) and "
            "(rows, factors) of the same four rows or more are needed."
        )
    if not np.isfinite(first).all():
        raise DataError("Some codes are not finite. Leave those rows out, or look at the encoder.")
    flat = [j for j, v in enumerate(second.T) if len(np.unique(v)) < 2]
    if flat:
        raise DataError(
            f"Factor {flat[0]} takes one value only, so that no unit can tell anything about it. Leave it out."
        )
    return first, second
