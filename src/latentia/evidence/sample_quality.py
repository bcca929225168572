"""Samples beside data, in numbers that carry N and the extractor in their names."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError
from .coverage import neighbourhood
from .distances import frechet_distance, kernel_distance
from .extractors import Features, features

MOST = 10_000


@dataclass(frozen=True)
class Measured:
    """A number about samples that knows what it is.

    Arguments:
        name: what was measured, in which features, of how many rows.
        value: the number.
        error: its standard error over rows; None where there is none.
        floor: the same number of real rows beside other real rows, as many of each; None where there were too few.
        better: "lower", "higher", or "1": near one.
    """

    name: str
    value: float
    error: float | None
    floor: float | None
    better: str

    def __str__(self) -> str:
        error = "" if self.error is None else f" +- {self.error:.4f}"
        floor = "" if self.floor is None else f"; data beside data: {self.floor:.4f}"
        aim = "near 1 is better" if self.better == "1" else f"{self.better} is better"
        return f"{self.name}: {self.value:.4f}{error} ({aim}{floor})"


@dataclass(frozen=True)
class Quality:
    """Distances and shares of one set of samples.

    Arguments:
        numbers: in this order: Frechet distance, kernel distance, precision, recall, density, coverage.
        features: name of the extractor.
        n_rows: rows of each set.
    """

    numbers: tuple[Measured, ...]
    features: str
    n_rows: int

    def __getitem__(self, word: str) -> Measured:
        """The number whose name begins so."""
        for number in self.numbers:
            if number.name.lower().startswith(word.lower()):
                return number
        raise ParameterError(f"{word!r} was not measured. There are: {', '.join(n.name for n in self.numbers)}.")

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"features": self.features, "n": self.n_rows, "numbers": [asdict(number) for number in self.numbers]}

    def __str__(self) -> str:
        return "\n".join(map(str, self.numbers))


def quality(
    samples: Any,
    data: Any,
    extractor: str | Features | Any = "pca",
    *,
    n: int | None = None,
    k: int = 5,
    label: Any = None,
    image_shape: Any = None,
    seed: int = 0,
) -> Quality:
    """Frechet and kernel distance, precision, recall, density and coverage of samples beside data.

    The same N rows of each are taken (a Frechet distance depends on it), the data's at random by the seed. Where the
    data have 2 N rows, `floor` tells what other real rows would get: nothing can be expected to do better.

    Arguments:
        samples: rows of the model, `(rows, columns)`, user's units.
        data: real rows that the model has not learnt from, `(rows, columns)`.
        extractor: see `evidence.features`; one that learns does so from `data`.
        n: rows of each; None takes as many as there are, at most 10,000.
        k: neighbours.
        label, image_shape: of the data, for extractor="classifier".
        seed: of the choice of rows, and of the classifier.

    Raises: `DataError` for rows that are not finite or do not fit together; `ParameterError` for an unknown extractor.

    >>> rng = np.random.default_rng(0)
    >>> found = quality(rng.normal(size=(200, 3)), rng.normal(size=(500, 3)), "raw")
    >>> found["frechet"].name, found["frechet"].value < 0.1
    ('Frechet distance, raw features, N=200', True)
    """
    real, fake = np.asarray(data, dtype=np.float64), np.asarray(samples, dtype=np.float64)
    extract = features(extractor, real, label=label, image_shape=image_shape, seed=seed)
    rows = min(len(real), len(fake), MOST if n is None else n)
    order = np.random.default_rng(seed).permutation(len(real))
    first = extract(real[order[:rows]])
    values = _measure(first, extract(fake[:rows]), k)
    floors = _measure(first, extract(real[order[rows : 2 * rows]]), k) if len(real) >= 2 * rows else {}
    tail = f", {extract.name} features, N={rows}"
    numbers = tuple(
        Measured(f"{name}{tail}", value, error, floors.get(name, (None,))[0], BETTER[name])
        for name, (value, error) in values.items()
    )
    return Quality(numbers, extract.name, rows)


BETTER = {
    "Frechet distance": "lower",
    "kernel distance": "lower",
    "precision": "higher",
    "recall": "higher",
    "density": "1",
    "coverage": "higher",
}


def _measure(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, tuple[float, float | None]]:
    kernel = kernel_distance(real, fake)
    near = neighbourhood(real, fake, k=k)
    shares = {name: (getattr(near, name), None) for name in ("precision", "recall", "density", "coverage")}
    return {
        "Frechet distance": (frechet_distance(real, fake), None),
        "kernel distance": (kernel.value, kernel.error),
        **shares,
    }
