"""An encoder learnt without labels, taken further by a few."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor, nn

from ..batch import TensorBatches
from ..bounds import LabelBound
from ..bounds.evaluate import evaluating
from ..devices import pick_device
from ..errors import DataError
from ..fitted import Fit, load_modules
from ..history import from_csv
from ..learn import AmortizedVI, fit
from ..models import LabelDecoder
from ..posteriors import Point
from ..storage import read_tensors
from .rows import CHUNK, checked_rows

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

    def _codes(self, X: Any) -> Tensor:
        rows = torch.as_tensor(checked_rows(self.source, X, reset=False))
        like = next(self.model_.parameters())
        rows = rows.to(like.device, like.dtype)
        with evaluating(self.model_, self.encoder_):
            parts = [self.encoder_(self.model_.standardise(part)) for part in rows.split(CHUNK)]
        return torch.cat(parts)

    def transform(self, X: Any) -> np.ndarray:
        """Codes of rows X by the encoder as it is now, `(rows, n_latent)`."""
        return self._codes(X).double().cpu().numpy()

    def predict_proba(self, X: Any) -> np.ndarray:
        """p(label | x) of each class, `(rows, classes)`."""
        with evaluating(self.model_):
            return self.model_.probabilities(self._codes(X)).double().cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each row."""
        return self.classes_[self.predict_proba(X).argmax(1)]

    def save(self, path: str | Path) -> None:
        """Write a run folder, with the one of the estimator it began with inside; nothing is pickled."""
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
    random_state: int = 0,
) -> FineTuned:
    """Learn p(label|x) = softmax(head(encoder(x))), encoder and head together, from where the encoder is.

    Arguments:
        estimator: a fitted autoencoder; its encoder is copied.
        X, labels: rows and the label of each.
        max_epochs, learning_rate, batch_size: of Adam.
        random_state: seed of the head and of the order of the rows.

    Raises: `DataError` unless there is one label for each row, of two classes at least.
    """
    rows = torch.as_tensor(checked_rows(estimator, X, reset=False))
    classes, codes = _classes(labels, len(rows))
    model, encoder = _begin(estimator, len(classes))
    nn.init.zeros_(model.conditional.network.weight)  # type: ignore[arg-type]
    nn.init.zeros_(model.conditional.network.bias)  # type: ignore[arg-type]
    learner = AmortizedVI(Point(encoder), bound=LabelBound(), learning_rate=learning_rate)
    where = pick_device(estimator.device)
    data = TensorBatches(
        rows.to(where), batch_size=batch_size, label=torch.as_tensor(codes).to(where), seed=random_state
    )
    done = fit(model, learner, data, max_epochs=max_epochs, seed=random_state, device=estimator.device)
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
    return LabelDecoder(estimator.model_.latent_shape[0], n_classes, estimator.model_.scaling), encoder


def _tuned(source: Any, done: Fit, encoder: nn.Module, classes: np.ndarray) -> FineTuned:
    out = FineTuned(source)
    out.fit_, out.classes_ = done, classes
    out.model_, out.encoder_ = done.model.requires_grad_(False), encoder.requires_grad_(False)  # type: ignore[assignment]
    return out


def _classes(labels: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    y = np.asarray(labels)
    if y.shape != (n_rows,):
        raise DataError(f"Labels of shape {y.shape} came for {n_rows} rows. Give one label for each row.")
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise DataError(
            "All labels are the same, so that there is nothing to tell apart. Give rows of two classes at least."
        )
    return classes, codes
