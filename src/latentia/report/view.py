"""What a report looks at: which rows, and what is known about them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import Dataset
from ..errors import DataError
from ..estimators.given import split_rows
from ..explore.groups import Groups, group
from ..explore.latent import columns_of_unit, has_prior, n_units
from ..explore.tables import leading_columns
from .page import plural

MAX_ROWS = 5000
HELD_OUT = "rows held out while learning"


def latent_size(estimator: Any) -> str:
    """How large the latent of a fitted estimator is, in words.

    >>> from latentia.estimators import ProbabilisticPCA
    >>> latent_size(ProbabilisticPCA(n_latent=2).fit(np.eye(4)))
    '2 latent units'
    """
    if not estimator.model_.latent_shape:
        return plural(int(estimator._n_features_out), "component")
    each = columns_of_unit(estimator)
    return plural(n_units(estimator), "latent unit") + (f" of {each} columns" if each > 1 else "")


@dataclass(frozen=True)
class Part:
    """Some rows of the data set.

    Arguments:
        name: which rows these are, in words.
        x: `(rows, columns)`, user's units.
        label, weight: `(rows,)`, or None.
        fresh: whether nothing was learnt from them.
    """

    name: str
    x: np.ndarray
    label: np.ndarray | None
    weight: np.ndarray | None
    fresh: bool

    def take(self, n: int, seed: int) -> "Part":
        """At most n of the rows, drawn by the seed, in their order."""
        if len(self.x) <= n:
            return self
        rows = np.sort(np.random.default_rng(seed).choice(len(self.x), n, replace=False))
        return _pick(self, rows)


@dataclass(frozen=True)
class View:
    """A fitted estimator beside its data.

    Arguments:
        estimator, dataset: what was fitted to what.
        shown: the rows that maps and distributions show.
        parts: rows that nothing was learnt from first, if there are any; then those learnt from.
        columns: numbers of the columns that a table's figures show.
        image_shape: (height, width[, channels]), or None for a table.
    """

    estimator: Any
    dataset: Dataset
    shown: Part
    parts: tuple[Part, ...]
    columns: np.ndarray
    image_shape: tuple[int, ...] | None

    @property
    def seed(self) -> int:
        """The fit's own; it also draws whatever the report draws."""
        return int(self.estimator.seed_)

    @property
    def names(self) -> list[str]:
        """Names of the columns that figures show."""
        return [self.dataset.columns[i] for i in self.columns]

    @property
    def groups(self) -> Groups | None:
        """Labels of the shown rows."""
        return group(self.shown.label)

    @property
    def mixture(self) -> bool:
        """Whether the latent is the number of a component."""
        return not self.estimator.model_.latent_shape

    @property
    def has_prior(self) -> bool:
        """Whether there is a distribution of z to draw from; an autoencoder has none."""
        return has_prior(self.estimator.model_)

    @property
    def spread(self) -> str:
        """What the percentiles of a latent unit are of."""
        return "prior" if self.has_prior else "codes"

    def seen(self, x: np.ndarray) -> np.ndarray:
        """Rows as the model is shown them: grey levels become zeros and ones where the fit says so."""
        return self.estimator._seen(x)[1].double().cpu().numpy()

    @property
    def limits(self) -> tuple[float, float]:
        """The values that pictures show as black and white."""
        plan = self.estimator.plan_
        if plan.scaling.levels is not None:
            return plan.scaling.levels
        if plan.likelihood == "bernoulli" or self.estimator.binarise_ is not None:
            return 0.0, 1.0
        return float(self.shown.x.min()), float(self.shown.x.max())


def make_view(estimator: Any, dataset: Dataset) -> View:
    """Choose what to look at; raises `DataError` where the data are not those of the fit."""
    _check_columns(estimator, dataset)
    everything = Part("all rows", dataset.x, dataset.label, dataset.weight, False)
    shown = everything.take(MAX_ROWS, int(estimator.seed_))
    shape = dataset.image_shape or tuple(getattr(estimator, "image_shape_", ())) or None
    units = estimator.model_.standardise(estimator._seen(shown.x)[1]).double().cpu().numpy()
    return View(estimator, dataset, shown, parts_of(estimator, dataset, everything), leading_columns(units), shape)


def _check_columns(estimator: Any, dataset: Dataset) -> None:
    if len(dataset.columns) != estimator.n_features_in_:
        raise DataError(
            f"{dataset.name} has {len(dataset.columns)} columns; the model was fitted to {estimator.n_features_in_}. "
            "Give the data set that it was fitted to."
        )
    known = tuple(map(str, getattr(estimator, "feature_names_in_", dataset.columns)))
    wrong = [(ours, theirs) for ours, theirs in zip(known, dataset.columns) if ours != theirs]
    if wrong:
        raise DataError(
            f"{dataset.name} has the column {wrong[0][1]!r} where the model was fitted to {wrong[0][0]!r}. "
            "Give the data set that it was fitted to, with its columns in the same order."
        )


def parts_of(estimator: Any, dataset: Dataset, everything: Part) -> tuple[Part, ...]:
    """Rows that nothing was learnt from, if there are any; then those learnt from."""
    train, held_out = None, None
    if estimator.n_rows_in_ == len(dataset.x):
        train, held_out = split_rows(estimator, len(dataset.x), int(estimator.seed_))
    learnt = _pick(everything, slice(None) if train is None else train, "rows learnt from")
    for name, words in (("test", "test"), ("valid", "validation")):
        part = getattr(dataset, name)
        if part is not None:
            return Part(f"{words} rows", part.x, part.label, part.weight, True), learnt
    if held_out is not None:
        return _pick(everything, held_out, HELD_OUT, fresh=True), learnt
    return (learnt,)


def _pick(part: Part, rows: Any, name: str | None = None, *, fresh: bool | None = None) -> Part:
    pick = lambda a: None if a is None else a[rows]  # noqa: E731
    is_fresh = part.fresh if fresh is None else fresh
    return Part(name or part.name, part.x[rows], pick(part.label), pick(part.weight), is_fresh)
