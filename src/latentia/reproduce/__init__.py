"""Published numbers, run again by one command each."""

import time

from .._version import __version__
from ..errors import ParameterError
from . import autoencoders, deep, games, lagging, linear
from .base import Budget, Found, Number, Reproduced, Target
from .records import default_folder, keep, machine, read_all, table

__all__ = [
    "TARGETS",
    "Budget",
    "Found",
    "Number",
    "Reproduced",
    "Target",
    "default_folder",
    "keep",
    "read_all",
    "reproduce",
    "table",
]

TARGETS = (
    Target(
        "pca",
        "Principal components of MNIST: squared error per test image",
        "Hinton and Salakhutdinov 2006 (k = 30); direct computation (others)",
        "13.87 +- 0.01 at k = 30",
        1,
        linear.pca,
    ),
    Target(
        "ppca",
        "Probabilistic PCA of MNIST: greatest log-likelihood",
        "Lucas et al. 2019; Tipping and Bishop 1999",
        "299.758 at k = 20, to 1e-3, in closed form and by EM",
        3,
        linear.ppca,
    ),
    Target(
        "linear-vae",
        "A VAE with linear networks is probabilistic PCA",
        "Lucas et al. 2019",
        "ELBO within 0.1 of 299.758",
        5,
        linear.linear_vae,
    ),
    Target(
        "denoising-score",
        "A denoising autoencoder learns the score of the smoothed density",
        "Alain and Bengio 2014",
        "relative L2 error below 5 %, cosine above 0.99",
        4,
        autoencoders.denoising_score,
    ),
    Target(
        "principal-axes",
        "Which linear autoencoders find the principal axes of MNIST",
        "Bao, Lucas, Sachdeva, Grosse 2020",
        "uniform L2 0.70 to 0.77; rotation-augmented <= 0.02, its subspace <= 1e-6",
        4,
        autoencoders.principal_axes,
    ),
    Target(
        "deep-autoencoder",
        "784-1000-500-250-30 on MNIST: squared error per test image",
        "Hinton and Salakhutdinov 2006",
        "below logistic PCA's 8.01; 3.00 on a GPU",
        8,
        autoencoders.deep_autoencoder,
    ),
    Target(
        "static-mnist",
        "VAE 784-400-40, static MNIST, NLL with 200 importance samples",
        "reference 89.9; Pythae 89.78",
        "<= 89.9 with the full schedule; <= 91.5 in 10 minutes on 4 cores",
        10,
        deep.static_mnist,
    ),
    Target(
        "iwae",
        "Importance-weighted autoencoders beat VAEs and use more units",
        "Burda, Grosse, Salakhutdinov 2016, table 1",
        "at equal epochs k = 5 better by 0.3 nat and with no fewer units",
        20,
        deep.iwae,
    ),
    Target(
        "binary-latents",
        "Gradient estimators for 200 binary latents, static MNIST",
        "Yin and Zhou 2019; Mnih and Gregor 2014",
        "leave-one-out better than the score function by 10 nats at 100,000 steps",
        20,
        deep.binary_latents,
    ),
    Target(
        "aevb-speed",
        "One million training samples of the network of 2013",
        "Kingma and Welling 2014",
        "30 seconds",
        1,
        deep.speed,
    ),
    Target(
        "synthetic-text",
        "Lagging inference: a VAE of text collapses by plain training, not by aggressive training",
        "He et al. 2019",
        "plain KL < 0.1; aggressive MI > 0.5 at a better NLL; time ratio <= 4; over 5 seeds",
        5,
        lagging.synthetic_text,
    ),
    Target(
        "gan-modes",
        "Modes that a GAN finds: a ring of 8 and a grid of 25",
        "Lin et al. 2018 (PacGAN)",
        ">= 7.9 and >= 24.8 modes, >= 95 % and >= 93 % of high quality",
        5,
        games.gan_modes,
    ),
)


def reproduce(name: str, budget: Budget | None = None) -> Reproduced:
    """Run the set-up of a published number at a budget.

    Arguments:
        name: of a target, one of `TARGETS`.
        budget: minutes, device, seed, rows.

    Returns published numbers and ours, side by side, with what differs; `keep` writes them down.

    Raises: `ParameterError` for an unknown name; `DataError` where the data are not here.
    """
    known = {target.name: target for target in TARGETS}
    if name not in known:
        raise ParameterError(f"{name!r} is no target. Use one of: {', '.join(known)}.")
    budget = Budget() if budget is None else budget
    begun = time.perf_counter()
    found = known[name].run(budget)
    seconds = time.perf_counter() - begun
    return Reproduced(
        name,
        tuple(found.numbers),
        tuple(found.differences),
        budget.seed,
        budget.minutes,
        round(seconds, 1),
        machine(budget.device),
        {"latentia": __version__},
    )
