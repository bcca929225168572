"""An encoder learnt without labels, taken further by a few."""

from copy import deepcopy
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..batch import TensorBatches
from ..bounds import LabelBound
from ..bounds.evaluate import evaluating
from ..data.checks import brief
from ..devices import pick_device
from ..errors import AbilityError, DataError
from ..fitted import Fit, load_modules
from ..history import from_csv
from ..learn import AmortizedVI, fit
from ..models import LabelDecoder
from ..posteriors import Point
from ..processes import current
from ..randomness import Stream
from ..storage import read_tensors
from .learning import new_seed
from .parameters import check_kind
from .rows import CHUNK

SOURCE = "source"  # the folder, inside a fine-tuned one's, of the estimator that it began with


class FineTuned(ClassifierMixin, BaseEstimator):
    """A classifier: an encoder, and a linear head that reads its codes. Made by `fine_tune`, or read by `latentia.load`.

    Learnt: `classes_`; `fit_`, how learning went.
    """

    model_: LabelDecoder
    encoder_: nn.Module
    classes_: np.ndarray
    fit_: Fit

    def __init__(self, source: Any = None) -> None:
        self.source = source

    def _check_made(self) -> None:
        if not hasattr(self, "fit_"):
            raise NotFittedError(
                "A FineTuned has learnt nothing by itself. Make one by autoencoder.fine_tune(X, labels)."
            )

    def _codes(self, X: Any) -> Tensor:
        self._check_made()
        like = next(self.model_.parameters())
        rows = _rows(self.source, X).to(like.device, like.dtype)
        with evaluating(self.model_, self.encoder_):
            parts = [self.encoder_(self.model_.standardise(part)) for part in rows.split(CHUNK)]
        return torch.cat(parts)

    def transform(self, X: Any) -> np.ndarray:
        """Codes of rows X by the encoder as it is now, `(rows, n_latent)`."""
        return self._codes(X).double().cpu().numpy()

    def predict_proba(self, X: Any) -> np.ndarray:
        """p(label | x) of each class, `(rows, classes)`."""
        codes = self._codes(X)
        with evaluating(self.model_):
            return self.model_.probabilities(codes).double().cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each row."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def save(self, path: str | Path) -> None:
        """Write a run folder, with the one of the estimator it began with inside; nothing is pickled."""
        self._check_made()
        folder = Path(path)
        self.source.save(folder / SOURCE)
        classes = {"classes": self.classes_.tolist(), "type_of_classes": self.classes_.dtype.str}
        self.fit_.save(folder, seed=self.fit_.seed, estimator=type(self).__name__, **classes)


def fine_tune(
    estimator: Any,
    X: Any,
    labels: Any,
    *,
    max_epochs: int = 50,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    random_state: Any = 0,
) -> FineTuned:
    """Learn p(label|x) = softmax(head(encoder(x))), encoder and head together, from where the encoder is.

    Arguments:
        estimator: a fitted autoencoder; its encoder is copied, and sees rows as it did there (binarised, where it binarises).
        X: rows, user's units, `(rows, columns)`.
        labels: of each row, `(rows,)`: all text, all whole numbers, or all true and false.
        max_epochs, learning_rate, batch_size: of Adam.
        random_state: seed of the order of the rows, or a generator of numpy's; None draws a seed.

    Raises: `DataError` unless there is one label for each row, of two classes at least; `ParameterError` for a number that
    cannot be used; `NotFittedError` before the autoencoder's `fit`; `AbilityError` for an estimator of another kind.

    >>> from latentia import Autoencoder
    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> encoder = Autoencoder(n_latent=2, hidden=(8,), max_epochs=2, random_state=0).fit(x)
    >>> fine_tune(encoder, x, x[:, 0] > 0, max_epochs=2).predict_proba(x).shape
    (64, 2)
    """
    options = {"max_epochs": max_epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    for name, value in options.items():
        check_kind(name, value)
    rows = _rows(estimator, X)
    classes, codes = _classes(labels, len(rows))
    model, encoder = _begin(estimator, len(classes))
    nn.init.zeros_(model.conditional.network.weight)  # type: ignore[arg-type]
    nn.init.zeros_(model.conditional.network.bias)  # type: ignore[arg-type]
    learner = AmortizedVI(Point(encoder), bound=LabelBound(), learning_rate=learning_rate)
    where, seed = pick_device(estimator.device), int(current().from_first(str(new_seed(random_state))))
    label = torch.as_tensor(codes).to(where)
    data = TensorBatches(rows.to(where), batch_size=int(batch_size), label=label, seed=seed)
    done = fit(model, learner, data, max_epochs=int(max_epochs), seed=seed, device=estimator.device)
    return _tuned(estimator, done, encoder, classes)


def read_tuned(folder: Path, record: dict[str, Any], source: Any) -> FineTuned:
    """What `FineTuned.save` wrote, from its run.json and the estimator that it began with."""
    classes = np.array(record["classes"]).astype(record["type_of_classes"])
    model, encoder = _begin(source, len(classes))
    posterior, history = Point(encoder), folder / "history.csv"
    load_modules(read_tensors(folder / "weights.safetensors"), model, posterior, folder)
    rows = from_csv(history.read_text(encoding="utf-8")) if history.is_file() else []
    return _tuned(source, Fit(model.eval(), posterior.eval(), rows, **record["fit"]), encoder, classes)


def _begin(estimator: Any, n_classes: int) -> tuple[LabelDecoder, nn.Module]:
    """A head, and a copy of the encoder, in float32."""
    encoder = deepcopy(estimator.encoder_network()).float().requires_grad_(True)
    with Stream(0):  # what torch draws for a new layer is not used, and must not move the process's generator
        return LabelDecoder(estimator.model_.latent_shape[0], n_classes, estimator.model_.scaling), encoder


def _tuned(source: Any, done: Fit, encoder: nn.Module, classes: np.ndarray) -> FineTuned:
    out = FineTuned(source)
    out.fit_, out.classes_ = done, classes
    out.model_, out.encoder_ = done.model.requires_grad_(False), encoder.requires_grad_(False)  # type: ignore[assignment]
    return out


def _rows(estimator: Any, X: Any) -> Tensor:
    """Rows X as the estimator's encoder sees them; a row's coin flips are those of `transform`."""
    if not hasattr(estimator, "encoder_network"):
        raise AbilityError(
            f"{type(estimator).__name__} has no encoder to be learnt further. Use Autoencoder or DenoisingAutoencoder."
        )
    check_is_fitted(estimator, "fit_")
    return estimator._seen(X)[1]


def _classes(labels: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The classes, and the number of each row's."""
    y = _labels(labels)
    if y.shape != (n_rows,):
        what = "No labels" if labels is None else f"Labels of shape {y.shape}"
        raise DataError(f"{what} came for {n_rows} rows. Give one label for each row.")
    classes, codes = np.unique(_of_one_kind(y), return_inverse=True)
    if len(classes) < 2:
        raise DataError(
            "All labels are the same, so that there is nothing to tell apart. Give rows of two classes at least."
        )
    return classes, codes


def _labels(labels: Any) -> np.ndarray:
    try:
        return np.asarray(labels.detach().cpu() if isinstance(labels, Tensor) else labels)
    except ValueError as error:
        raise DataError(f"The labels are no array ({brief(error)}). Give one label for each row.") from None


def _of_one_kind(y: np.ndarray) -> np.ndarray:
    """The labels, or `DataError` where they are of several kinds, no numbers, or the targets of a regression."""
    if y.dtype.kind == "O":
        kinds = [_kind(label) for label in y]
        odd = next((i for i, kind in enumerate(kinds) if kind is None or kind != kinds[0]), None)
        if odd is not None:
            raise _refusal(y, odd)
        y = y if kinds[0] == "text" else np.array(y.tolist())
    if y.dtype.kind not in "OUbiuf":
        raise _refusal(y, 0)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise _refusal(y, int(np.argmin(np.isfinite(y))))
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        row = int(np.argmax(y != np.floor(y)))
        raise DataError(
            f"Labels are names of classes, and row {row} has {y[row]:g}, a fraction. For a regression feed codes to a regressor: "
            "sklearn.pipeline.make_pipeline(autoencoder, Ridge()).fit(X, y); classes give whole numbers or text."
        )
    return y


def _kind(label: Any) -> str | None:
    """What sort of label it is; None for what can be none."""
    if isinstance(label, (bool, np.bool_)):
        return "truth"
    return "text" if isinstance(label, str) else "number" if isinstance(label, Real) else None


def _refusal(y: np.ndarray, row: int) -> DataError:
    value = y[row : row + 1].tolist()[0]
    return DataError(
        f"Labels are all text, all whole numbers, or all true and false; row {row} has {brief(repr(value))}. Leave out rows "
        "without a label, and give the others labels of one kind."
    )
