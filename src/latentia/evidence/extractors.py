"""Features of rows, in which samples and data are compared: raw, PCA, or a classifier trained here on labels."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..bounds.evaluate import evaluating
from ..errors import DataError, ParameterError
from ..networks import MLP, ConvEncoder
from ..randomness import Stream

CHUNK = 4096
MOST_EXACT = 2000  # rows or columns, whichever are fewer, of which all principal axes are worked out
KNOWN = "raw, pca, pca-K (K components), classifier (needs labels)"


@dataclass(frozen=True)
class Features:
    """An extractor with its name.

    Arguments:
        name: with everything that a number made with it depends on.
        extract: rows `(rows, columns)` -> features `(rows, features)`.
    """

    name: str
    extract: Callable[[np.ndarray], Any]

    def __call__(self, x: Any) -> np.ndarray:
        """Features of rows, `(rows, features)`, float64."""
        return np.asarray(self.extract(np.asarray(x)), dtype=np.float64)


def features(
    name: str | Features | nn.Module | Callable[[np.ndarray], Any],
    x: Any,
    *,
    label: Any = None,
    image_shape: Sequence[int] | None = None,
    seed: int = 0,
) -> Features:
    """The extractor of that name, learnt from rows x where it has something to learn.

    Arguments:
        name: "raw"; "pca" or "pca-K" (50 components without K); "classifier" (units of the last hidden layer of a
            network trained on the labels); or a module or function of your own, from rows to features. One without a name
            (a module, a lambda) is called by its kind and some digits from its features of the first rows.
        x: rows to learn from, `(rows, columns)`: the data, never the samples.
        label: of the rows, `(rows,)`.
        image_shape: of a row; the classifier is convolutional then.
        seed: of the classifier.

    Raises: `ParameterError` for an unknown name; `DataError` for a classifier without labels.

    >>> features("pca-2", np.eye(4)).name, features("raw", np.eye(4))(np.eye(4)).shape
    ('PCA-2', (4, 4))
    """
    if isinstance(name, Features):
        return name
    rows = np.asarray(x, dtype=np.float64)
    if isinstance(name, nn.Module):
        return _told_apart(type(name).__name__, lambda given: _apply(name, given), rows)
    if not isinstance(name, str):
        own = getattr(name, "__name__", "<lambda>")
        kind = "function" if isinstance(name, FunctionType) else type(name).__name__
        return _told_apart(kind, name, rows) if own == "<lambda>" else Features(own, name)
    if name == "raw":
        return Features("raw", lambda given: given)
    if match := re.fullmatch(r"pca(?:-(\d+))?", name):
        return _principal(rows, int(match[1] or 50))
    if name == "classifier":
        return _classifier(rows, label, image_shape, seed)
    raise ParameterError(f"features={name!r} is not known. Use one of: {KNOWN}; or a function from rows to features.")


def _told_apart(kind: str, extract: Callable[[np.ndarray], Any], x: np.ndarray) -> Features:
    """An extractor without a name of its own, which gets one from what it makes of the first rows: two are not one number."""
    found = Features(kind, extract)
    digest = sha256(found(x[:16]).astype(np.float32).tobytes()).hexdigest()
    return replace(found, name=f"{kind} {digest[:6]}")


def _principal(x: np.ndarray, k: int) -> Features:
    k = min(k, x.shape[1])
    if k < 1:
        raise ParameterError("features='pca-0' has no component. Use pca-1 or more.")
    mean = x.mean(0)
    axes = _axes(x - mean, k)
    k = axes.shape[1]
    return Features(f"PCA-{k}", lambda given: (given - mean) @ axes)


def _axes(centred: np.ndarray, k: int) -> np.ndarray:
    """The first k principal axes, `(columns, k)`, of as many as there are; exact where rows or columns are few enough."""
    rows, columns = centred.shape
    if min(rows, columns) > MOST_EXACT:
        from sklearn.utils.extmath import randomized_svd

        return randomized_svd(centred, k, n_iter=7, random_state=0)[2].T  # pyright: ignore[reportArgumentType]
    if columns <= rows:
        return np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :k]
    squares, vectors = np.linalg.eigh(centred @ centred.T)  # of the rows, whose axes are combinations of the rows
    kept = (squares > squares[-1] * 1e-12).nonzero()[0][::-1][:k]
    return centred.T @ (vectors[:, kept] / np.sqrt(squares[kept]))


def _classifier(x: np.ndarray, label: Any, image_shape: Sequence[int] | None, seed: int) -> Features:
    if label is None:
        raise DataError(
            "features='classifier' is trained on labels, and these data have none. Use raw or pca, or --label."
        )
    classes, target = np.unique(np.asarray(label), return_inverse=True)
    if len(classes) < 2 or len(classes) > len(x) // 10:
        raise DataError(
            f"{len(classes)} classes came for {len(x)} rows: 2 or more are needed, ten rows of each at least."
        )
    loc, scale = x.mean(0), max(float(x.std()), 1e-12)
    scaled = torch.as_tensor((x - loc) / scale, dtype=torch.float32)
    n_held_out = max(1, len(x) // 10)
    with Stream(seed):
        order = torch.randperm(len(x))
        net = _network(x.shape[1], len(classes), image_shape)
        _train(net, scaled[order[n_held_out:]], torch.as_tensor(target)[order[n_held_out:]])
    held_out = order[:n_held_out]
    guess = _apply(net, scaled[held_out]).argmax(1)
    accuracy = float((guess == target[held_out.numpy()]).mean())
    width = net.layers[-1].in_features
    net.layers[-1] = nn.Identity()  # what is left gives the hidden layer
    name = f"classifier-{width} ({accuracy:.3f} right of {n_held_out} held out)"
    return Features(name, lambda given: _apply(net, (given - loc) / scale))


def _network(n_features: int, n_classes: int, image_shape: Sequence[int] | None) -> Any:
    if image_shape is not None:
        return ConvEncoder(image_shape, n_classes, channels=(16, 32), n_hidden=64)
    return MLP(n_features, n_classes, (256, 64))


def _train(net: nn.Module, x: Tensor, y: Tensor, n_epochs: int = 10, batch_size: int = 128) -> None:
    steps = n_epochs * -(-len(x) // batch_size)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(x)).split(batch_size):
            loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _apply(net: nn.Module, x: Any) -> np.ndarray:
    like = next(net.parameters(), torch.zeros(()))
    with evaluating(net):
        parts = torch.as_tensor(x, dtype=like.dtype, device=like.device).split(CHUNK)
        return torch.cat([net(part).flatten(1) for part in parts]).double().cpu().numpy()
