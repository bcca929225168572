"""The floor (matrix products alone) and the loop that a careful person writes by hand."""

import math
from collections.abc import Callable

import numpy as np
import torch
from common import BATCH, HIDDEN, LATENT, PIXELS, Clock
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy


def floor(x: np.ndarray) -> list[float]:
    """Forward and backward products of the four layers: eleven of them, nothing else."""
    rows = torch.from_numpy(x[:BATCH])
    weights = [
        torch.randn(a, b) for a, b in ((PIXELS, HIDDEN), (HIDDEN, 2 * LATENT), (LATENT, HIDDEN), (HIDDEN, PIXELS))
    ]
    inputs = [rows, torch.randn(BATCH, HIDDEN), torch.randn(BATCH, LATENT), torch.randn(BATCH, HIDDEN)]
    outputs = [torch.randn(BATCH, w.shape[1]) for w in weights]
    clock = Clock(len(x))
    with torch.no_grad():
        for _ in clock.epochs():
            for _ in range(len(x) // BATCH):
                for i, (a, w, g) in enumerate(zip(inputs, weights, outputs)):
                    a @ w
                    a.T @ g
                    if i:
                        g @ w.T
            clock.tick()
    return clock.seconds()


def adam(x: np.ndarray) -> list[float]:
    """Fused Adam alone, on as many numbers."""
    sizes = [
        (PIXELS, HIDDEN),
        (HIDDEN,),
        (HIDDEN, 2 * LATENT),
        (2 * LATENT,),
        (LATENT, HIDDEN),
        (HIDDEN,),
        (HIDDEN, PIXELS),
    ]
    parameters = [nn.Parameter(torch.randn(size)) for size in sizes]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    clock = Clock(len(x))
    for _ in clock.epochs():
        for _ in range(len(x) // BATCH):
            optimizer.step()
        clock.tick()
    return clock.seconds()


def networks(hidden: int = HIDDEN, latent: int = LATENT) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder, one hidden layer each."""
    encoder = nn.Sequential(nn.Linear(PIXELS, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent))
    return encoder, nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, PIXELS))


def encode(encoder: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of q(z|x)."""
    loc, log_variance = encoder(x).flatten(1).chunk(2, -1)
    return loc, log_variance


def negative_elbo(encoder: nn.Module, decoder: nn.Module, x: Tensor) -> Tensor:
    """The loss of a VAE, by hand."""
    loc, log_variance = encode(encoder, x)
    z = loc + torch.exp(0.5 * log_variance) * torch.randn_like(loc)
    reconstruction = cross_entropy(decoder(z).reshape(x.shape), x, reduction="sum")
    kl = -0.5 * (1 + log_variance - loc.square() - log_variance.exp()).sum()
    return (reconstruction + kl) / len(x)


def negative_importance(encoder: nn.Module, decoder: nn.Module, x: Tensor, k: int = 50) -> Tensor:
    """The loss of an importance-weighted autoencoder, by hand."""
    loc, log_variance = encode(encoder, x)
    noise = torch.randn(k, *loc.shape)
    z = loc + torch.exp(0.5 * log_variance) * noise
    log_likelihood = -cross_entropy(decoder(z), x.expand(k, *x.shape), reduction="none").sum(-1)
    log_weight = log_likelihood + 0.5 * (noise.square() - z.square() + log_variance).sum(-1)
    return math.log(k) - torch.logsumexp(log_weight, 0).mean()


def train(x: np.ndarray, encoder: nn.Module, decoder: nn.Module, loss_of: Callable[..., Tensor]) -> list[float]:
    """Data in memory, a permutation per epoch, fused Adam; no history, no checks, no checkpoints."""
    rows = torch.from_numpy(x)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3, fused=True)
    clock = Clock(len(x))
    for _ in clock.epochs():
        order = torch.randperm(len(rows))
        for start in range(0, len(rows), BATCH):
            loss = loss_of(encoder, decoder, rows[order[start : start + BATCH]])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        clock.tick()
    return clock.seconds()


def loop(x: np.ndarray) -> list[float]:
    """The MLP VAE."""
    return train(x, *networks(), negative_elbo)


def importance_loop(x: np.ndarray) -> list[float]:
    """The same with the importance-weighted bound."""
    return train(x, *networks(), negative_importance)


def conv_loop(x: np.ndarray) -> list[float]:
    """With latentia's own convolutional networks: the workload is the step, not the architecture."""
    from latentia.networks import ConvDecoder, ConvEncoder

    encoder = ConvEncoder((28, 28), 2 * LATENT, n_hidden=128)
    return train(x, encoder, ConvDecoder(LATENT, (28, 28), 1, n_hidden=128), negative_elbo)
