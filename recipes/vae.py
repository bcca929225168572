"""A variational autoencoder in one sitting: Algorithm 1 of the AEVB paper, written out by hand.

    python recipes/vae.py                      about half a minute on a laptop
    python recipes/vae.py --epochs 2 --tiny    a few seconds

The model is p(x, z) = N(z; 0, I) prod_d Bernoulli(x_d; sigmoid(f(z)_d)), the encoder q(z|x) = N(z; mu(x), sigma(x)^2).
Everything up to `main` is plain PyTorch. `main` then hands the very same two networks to latentia and asks it for the
same numbers: with the same noise they are equal but for rounding, with other noise they agree within the Monte Carlo
error.

Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014.
"""

import argparse
import math
from collections.abc import Sequence

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

import latentia
from latentia.batch import Batch
from latentia.bounds import Elbo
from latentia.conditional import Conditional
from latentia.evidence import elbo, importance
from latentia.families import Bernoulli, Normal
from latentia.learn import AmortizedVI
from latentia.models import LatentVariableModel, StandardNormal
from latentia.posteriors import Amortized

PIXELS, HIDDEN, LATENT = 64, 128, 6


# --- data ------------------------------------------------------------------------------------------------------------


def digits(tiny: bool) -> tuple[Tensor, Tensor]:
    """Handwritten digits, 8 x 8, as bits: rows to learn from, rows to judge by."""
    grey = torch.tensor(load_digits().data)
    bits = (grey > 7.5).float()
    order = torch.randperm(len(bits), generator=torch.Generator().manual_seed(0))
    bits = bits[order][:300] if tiny else bits[order]
    return bits[: -len(bits) // 5], bits[-len(bits) // 5 :]


# --- p and q ---------------------------------------------------------------------------------------------------------


def make_networks() -> tuple[nn.Module, nn.Module]:
    """The decoder f, a part of p, and the encoder, which is all of q. They share no parameter."""
    decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, PIXELS))
    encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2 * LATENT))
    return decoder, encoder


def log_likelihood(decoder: nn.Module, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z) = sum_d x_d log sigmoid(f_d) + (1 - x_d) log sigmoid(-f_d), `(samples, rows)`."""
    f = decoder(z)
    return (x * logsigmoid(f) + (1 - x) * logsigmoid(-f)).sum(-1)


def log_normal(z: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:
    """log N(z; mu, sigma^2), summed over the units; the constant stays."""
    return (-0.5 * ((z - mu) / log_sigma.exp()) ** 2 - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)


def sample_q(encoder: nn.Module, x: Tensor, n_samples: int) -> tuple[Tensor, Tensor, Tensor]:
    """z = mu + sigma eps, eps ~ N(0, I): a draw through which the gradient flows, `(samples, rows, units)`."""
    mu, raw = encoder(x).chunk(2, -1)
    log_sigma = 12 * torch.tanh(raw / 12)  # hardly bent near zero, and sigma never overflows
    eps = torch.randn(n_samples, *mu.shape)
    return mu + log_sigma.exp() * eps, mu, log_sigma


# --- the bound, and what it bounds -----------------------------------------------------------------------------------


def elbo_by_hand(decoder: nn.Module, encoder: nn.Module, x: Tensor, n_samples: int = 1) -> Tensor:
    """E_q[log p(x|z)] - KL(q(z|x) || p(z)), nats per row, `(rows,)`.

    KL(N(mu, sigma^2) || N(0, 1)) = 1/2 sum (mu^2 + sigma^2 - 1 - log sigma^2), which is never negative.
    """
    z, mu, log_sigma = sample_q(encoder, x, n_samples)
    kl = 0.5 * (mu**2 + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(-1)
    return log_likelihood(decoder, x, z).mean(0) - kl


@torch.no_grad()
def importance_by_hand(decoder: nn.Module, encoder: nn.Module, x: Tensor, n_samples: int) -> Tensor:
    """log 1/k sum_i p(x, z_i) / q(z_i|x), nats per row, `(rows,)`: tighter than the ELBO, log p(x) as k grows."""
    z, mu, log_sigma = sample_q(encoder, x, n_samples)
    zero = torch.zeros_like(mu)
    log_weight = log_normal(z, zero, zero) + log_likelihood(decoder, x, z) - log_normal(z, mu, log_sigma)
    return torch.logsumexp(log_weight, 0) - math.log(n_samples)


# --- Algorithm 1 -----------------------------------------------------------------------------------------------------


def learn_by_hand(decoder: nn.Module, encoder: nn.Module, x: Tensor, epochs: int, batch_size: int = 64) -> None:
    """Repeat: a minibatch, noise, the gradient of the bound for both networks at once, a step of Adam."""
    optimiser = torch.optim.Adam([*decoder.parameters(), *encoder.parameters()], lr=2e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch_size):
            loss = -elbo_by_hand(decoder, encoder, x[rows]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


# --- the same, said with latentia's nouns ----------------------------------------------------------------------------


def as_latentia(decoder: nn.Module, encoder: nn.Module) -> tuple[LatentVariableModel, Amortized]:
    """p from the decoder, q from the encoder: a network and a family make a Conditional, whichever way it points."""
    model = LatentVariableModel(StandardNormal(LATENT), Conditional(decoder, Bernoulli((PIXELS,)), (LATENT,)))
    return model, Amortized(Conditional(encoder, Normal((LATENT,)), (PIXELS,), joint=True))


def same_noise(decoder: nn.Module, encoder: nn.Module, x: Tensor) -> float:
    """Largest difference of a row's ELBO between the two, when both are given the same noise."""
    model, posterior = as_latentia(decoder, encoder)
    with torch.no_grad():
        torch.manual_seed(1)
        ours = Elbo()(model, posterior, Batch(x, torch.arange(len(x)))).value
        torch.manual_seed(1)
        return float((ours - elbo_by_hand(decoder, encoder, x)).abs().max())


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Learn by hand, evaluate by hand and with latentia, print a table, and return its numbers."""
    parser = argparse.ArgumentParser(description="Algorithm 1 of the AEVB paper by hand, checked against latentia.")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--samples", type=int, default=500, help="draws of z per row for the evidence")
    parser.add_argument("--tiny", action="store_true", help="300 rows only")
    options = parser.parse_args(arguments)

    train, test = digits(options.tiny)
    torch.manual_seed(0)
    decoder, encoder = make_networks()
    learn_by_hand(decoder, encoder, train, options.epochs)
    model, posterior = as_latentia(decoder, encoder)
    k = options.samples

    torch.manual_seed(0)
    by_hand, iw_by_hand = elbo_by_hand(decoder, encoder, test, k), importance_by_hand(decoder, encoder, test, k)
    bound = elbo(model, posterior, test, n_samples=k)
    iw = importance(model, posterior, test, n_samples=k)
    numbers = {
        "ELBO, by hand": float(by_hand.detach().mean()),
        "ELBO, latentia": bound.mean,
        f"importance-weighted (k = {k}), by hand": float(iw_by_hand.mean()),
        f"importance-weighted (k = {k}), latentia": iw.mean,
    }

    torch.manual_seed(0)
    model, posterior = as_latentia(*make_networks())
    latentia.fit(model, AmortizedVI(posterior, learning_rate=2e-3), train, batch_size=64, max_epochs=options.epochs)
    numbers["learnt by latentia.fit, ELBO"] = elbo(model, posterior, test, n_samples=k).mean

    print(f"Bits of handwritten digits, {len(test)} rows not learnt from; nats per row, higher is better.")
    for name, value in numbers.items():
        print(f"  {name:45s}{value:9.3f}")
    numbers["mc_error"] = math.hypot(bound.mc_error, bound.mc_error)
    numbers["iw_mc_error"] = math.hypot(iw.mc_error, iw.mc_error)
    numbers["same_noise"] = same_noise(decoder, encoder, test)
    print(
        f"  Monte Carlo error of a difference: ELBO {numbers['mc_error']:.3f}, weighted {numbers['iw_mc_error']:.3f}."
    )
    print(f"  With the same noise, the ELBO of no row differs by more than {numbers['same_noise']:.1e}.")
    return numbers


if __name__ == "__main__":
    main()
