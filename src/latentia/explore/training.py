"""A fit watched: where the rows lie, and what the model draws, from epoch to epoch."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..bounds.evaluate import evaluating
from ..distributions import centre
from ..errors import ParameterError
from ..families.columns import from_columns
from ..randomness import Stream, row_noise
from .latent import has_prior


class Watch:
    """A callback for `fit` that keeps pictures' worth of numbers; the fit is the same bits with it and without.

    Arguments:
        estimator: the one that is being fitted.
        X: rows to map, user's units.
        every: epochs between two looks; before the first of them epochs 1, 2, 4, 8, ... are looked at.
        n_draws: draws of z from the prior, the same ones each time; of an autoencoder, which has no prior, the codes of the
            first rows.

    After the fit: `epochs`, a list; `means`, posterior means `(rows, units)` of each; `draws`, E[x|z] in the user's units
    `(n_draws, columns)` of each; `drawn`, what these are, in words.

    >>> from latentia.estimators import VAE
    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> model = VAE(n_latent=2, hidden=(8,), max_epochs=3, random_state=0)
    >>> watch = Watch(model, x[:10])
    >>> _ = model.fit(x, callbacks=[watch])
    >>> watch.epochs, watch.means[0].shape, watch.draws[0].shape
    ([1, 2], (10, 2), (16, 5))
    """

    def __init__(self, estimator: Any, X: Any, every: int = 5, n_draws: int = 16) -> None:
        if every < 1 or n_draws < 1:
            raise ParameterError(f"every={every}, n_draws={n_draws} cannot be used. Use at least 1 each.")
        self.estimator, self.rows, self.every, self.n_draws = estimator, np.asarray(X), every, n_draws
        self.epochs: list[int] = []
        self.means: list[np.ndarray] = []
        self.draws: list[np.ndarray] = []
        self.drawn = "draws from the prior, decoded"

    def __call__(self, loop: Any) -> None:
        epoch = len({row["epoch"] for row in loop.history})
        early = epoch < self.every and epoch & (epoch - 1) == 0
        if not early and epoch % self.every:
            return
        model, posterior = loop.model, loop.posterior
        like = next(p for module in (model, posterior) for p in module.parameters())
        with evaluating(model, posterior), Stream(0, like.device):
            means, prior = self._means(model, posterior, like), model.prior()
            if not has_prior(model):
                self.drawn = "the first rows, reconstructed"
                z = from_columns(means[: self.n_draws], prior).unsqueeze(0)
            else:
                z = prior.sample(torch.Size((1, self.n_draws)))
            self.means.append(_numbers(means))
            self.draws.append(_numbers(centre(model.likelihood(z))[0]))
        self.epochs.append(epoch)

    def _means(self, model: Any, posterior: Any, like: Tensor) -> Tensor:
        rows = torch.as_tensor(self.rows).to(like).reshape(len(self.rows), -1)
        binarise = getattr(self.estimator, "binarise_", None)
        rows = rows if binarise is None else binarise(rows, self.estimator.seed_)
        q = posterior(Batch(rows, torch.arange(len(rows), device=like.device)), model)
        with row_noise(rows, 0):
            return self.estimator._moments(q)[0].flatten(1)


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.double().cpu().numpy()
