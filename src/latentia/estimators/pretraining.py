"""Greedy pre-training: each layer learns to be an autoencoder of the layer below, then all are unrolled."""

from typing import Any

import torch
from torch import Tensor, nn

from ..bounds import Reconstruction
from ..bounds.evaluate import evaluating
from ..conditional import Conditional
from ..devices import pick_device, pick_dtype
from ..errors import ParameterError
from ..families import Normal
from ..learn import AmortizedVI, fit
from ..models import Decoder
from ..networks.centred import Centred
from ..networks.transposed import Transposed, linears
from ..posteriors import Point
from .given import Given, InMemory


def pretrain(estimator: Any, given: Given) -> None:
    """Move the weights of an autoencoder's layers, the lowest first; each layer's rows are the codes of the one below.

    Source: Bengio et al., "Greedy layer-wise training of deep networks", 2007.
    """
    if not isinstance(given, InMemory):
        raise ParameterError("Layers are pre-trained on rows in memory. Use pretrain_epochs=0 for rows on a disk.")
    rows, _, weight = given.parts()
    where, dtype = pick_device(estimator.device), pick_dtype(estimator.precision)
    options = {"weight": None if weight is None else torch.as_tensor(weight), "max_epochs": estimator.pretrain_epochs}
    options |= {"batch_size": estimator.batch_size, "seed": estimator.seed_, "device": estimator.device}
    options |= {"precision": estimator.precision}
    how = {"optimizer": estimator.optimizer, "learning_rate": estimator.learning_rate}
    how["execution"] = "eager" if estimator.learner_.execution == "eager" else "auto"  # a layer is not worth compiling
    n_layers = len(linears(estimator.encoder_network()))
    for i in range(n_layers):
        model, q = layer(estimator, i, n_layers)
        bound = estimator.learner_.bound if i == 0 else Reconstruction()
        learner = AmortizedVI(q, bound=bound, **how)
        fit(model, learner, rows, transform=estimator.binarise_ if i == 0 else None, **options)
        if i == 0 and estimator.binarise_ is not None:
            rows = estimator.binarise_(torch.as_tensor(rows), estimator.seed_)
        with evaluating(model, q):
            network = model.encoder if q.encoder is None else q.encoder
            assert network is not None
            rows = torch.cat(
                [network(model.standardise(part.to(where, dtype))) for part in _as_tensor(rows).split(4096)]
            )


def layer(estimator: Any, i: int, n_layers: int) -> tuple[Decoder, Point]:
    """The i-th layer and the one that decodes it, the very modules of the deep autoencoder, as an autoencoder."""
    act = lambda inside: nn.Identity() if inside else type(_activation(estimator))()  # noqa: E731
    encoding = linears(estimator.encoder_network())[i]
    encoder: nn.Module = nn.Sequential(encoding, act(i + 1 == n_layers))
    whole = estimator.encoder_network()
    if i == 0 and isinstance(whole, Centred):
        encoder = Centred(whole.middle, whole.unit, encoder)
    deep = estimator.model_.conditional
    size = encoding.in_features
    family = deep.family if i == 0 else Normal((size,), scale=1.0)
    scaling = estimator.model_.scaling if i == 0 else None
    if not estimator.tied:
        decoder = nn.Sequential(linears(deep.network)[n_layers - 1 - i], act(i == 0))
        return Decoder(Conditional(decoder, family, (encoding.out_features,)), scaling), Point(encoder)
    decoder = Transposed([encoding], estimator.activation, ends=i == 0)
    decoder.biases[0] = deep.network.biases[n_layers - 1 - i]
    return Decoder(Conditional(decoder, family, (encoding.out_features,)), scaling, encoder), Point(None)


def _activation(estimator: Any) -> nn.Module:
    from ..networks import activation

    return activation(estimator.activation)


def _as_tensor(rows: Any) -> Tensor:
    return rows if torch.is_tensor(rows) else torch.as_tensor(rows)
