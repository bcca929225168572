"""The same step in other libraries, each in the way its own documentation shows."""

import tempfile
from typing import Any

import numpy as np
import torch
from common import BATCH, HIDDEN, LATENT, PIXELS, Clock
from plain import networks
from torch import nn


def pythae_networks(hidden: int = HIDDEN, latent: int = LATENT) -> tuple[Any, Any]:
    """Encoder and decoder of the benchmark's sizes, in the shape Pythae asks for."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.loc, self.log_variance = (
                nn.Sequential(nn.Linear(PIXELS, hidden), nn.ReLU()),
                nn.Linear(hidden, latent),
                nn.Linear(hidden, latent),
            )

        def forward(self, x: torch.Tensor) -> Any:
            h = self.body(x.reshape(len(x), -1))
            return ModelOutput(embedding=self.loc(h), log_covariance=self.log_variance(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, PIXELS), nn.Sigmoid())

        def forward(self, z: torch.Tensor) -> Any:
            return ModelOutput(reconstruction=self.body(z))

    return Encoder(), Decoder()


def pythae_model(hidden: int = HIDDEN, latent: int = LATENT) -> Any:
    """Pythae's VAE with the benchmark's networks and its binary cross-entropy."""
    from pythae.models import VAE, VAEConfig

    config = VAEConfig(input_dim=(PIXELS,), latent_dim=latent, reconstruction_loss="bce")
    encoder, decoder = pythae_networks(hidden, latent)
    return VAE(config, encoder=encoder, decoder=decoder)


def pythae(x: np.ndarray) -> list[float]:
    """Pythae's trainer; epochs are timed by its own callback."""
    import logging

    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    clock = Clock(len(x))

    class Tick(TrainingCallback):
        def on_epoch_end(self, training_config: Any, **kwargs: Any) -> None:
            clock.tick()

    logging.disable(logging.CRITICAL)
    data = BaseDataset(torch.from_numpy(x), torch.zeros(len(x)))
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=len(clock.epochs()),
            per_device_train_batch_size=BATCH,
            learning_rate=1e-3,
            optimizer_cls="Adam",
        )
        BaseTrainer(pythae_model(), data, training_config=settings, callbacks=[Tick()]).train()
    return clock.seconds()


def pyro(x: np.ndarray) -> list[float]:
    """Pyro's SVI, as in its VAE tutorial, data in memory."""
    import pyro as p
    import pyro.distributions as d
    from pyro.infer import SVI, Trace_ELBO
    from pyro.optim import Adam

    p.clear_param_store()
    encoder, decoder = networks()

    def model(rows: torch.Tensor) -> None:
        p.module("decoder", decoder)
        with p.plate("rows", len(rows)):
            z = p.sample("z", d.Normal(torch.zeros(len(rows), LATENT), 1.0).to_event(1))
            p.sample("x", d.Bernoulli(logits=decoder(z), validate_args=False).to_event(1), obs=rows)

    def guide(rows: torch.Tensor) -> None:
        p.module("encoder", encoder)
        with p.plate("rows", len(rows)):
            loc, log_variance = encoder(rows).chunk(2, -1)
            p.sample("z", d.Normal(loc, torch.exp(0.5 * log_variance)).to_event(1))

    svi = SVI(model, guide, Adam({"lr": 1e-3}), loss=Trace_ELBO())
    rows, clock = torch.from_numpy(x), Clock(len(x))
    for _ in clock.epochs():
        order = torch.randperm(len(rows))
        for start in range(0, len(rows), BATCH):
            svi.step(rows[order[start : start + BATCH]])
        clock.tick()
    return clock.seconds()


def numpyro(x: np.ndarray) -> list[float]:
    """NumPyro's SVI, an epoch compiled as one loop, as in its VAE example."""
    import jax
    import jax.numpy as jnp
    import numpyro as n
    import numpyro.distributions as d
    from numpyro.infer import SVI, Trace_ELBO

    def init(key: Any) -> dict[str, Any]:
        sizes = {"a": (PIXELS, HIDDEN), "b": (HIDDEN, 2 * LATENT), "c": (LATENT, HIDDEN), "d": (HIDDEN, PIXELS)}
        keys = dict(zip(sizes, jax.random.split(key, len(sizes))))
        weights = {name: jax.random.normal(keys[name], size) * size[0] ** -0.5 for name, size in sizes.items()}
        return {**weights, **{f"{name}0": jnp.zeros(size[1]) for name, size in sizes.items()}}

    def model(rows: Any) -> None:
        w = n.param("decoder", {k: start[k] for k in ("c", "c0", "d", "d0")})
        with n.plate("rows", len(rows)):
            z = n.sample("z", d.Normal(jnp.zeros((len(rows), LATENT)), 1.0).to_event(1))
            logits = jax.nn.relu(z @ w["c"] + w["c0"]) @ w["d"] + w["d0"]
            n.sample("x", d.Bernoulli(logits=logits).to_event(1), obs=rows)

    def guide(rows: Any) -> None:
        w = n.param("encoder", {k: start[k] for k in ("a", "a0", "b", "b0")})
        loc, log_variance = jnp.split(jax.nn.relu(rows @ w["a"] + w["a0"]) @ w["b"] + w["b0"], 2, -1)
        with n.plate("rows", len(rows)):
            n.sample("z", d.Normal(loc, jnp.exp(0.5 * log_variance)).to_event(1))

    start = init(jax.random.PRNGKey(0))
    svi = SVI(model, guide, n.optim.Adam(1e-3), Trace_ELBO())
    rows = jnp.asarray(x)
    state = svi.init(jax.random.PRNGKey(1), rows[:BATCH])

    @jax.jit
    def epoch(state: Any, order: Any) -> Any:
        def body(i: Any, state: Any) -> Any:
            return svi.update(state, rows[jax.lax.dynamic_slice_in_dim(order, i * BATCH, BATCH)])[0]

        return jax.lax.fori_loop(0, len(rows) // BATCH, body, state)

    clock = Clock(len(x))
    for i in clock.epochs():
        state = epoch(state, jax.random.permutation(jax.random.PRNGKey(i), len(rows)))
        jax.block_until_ready(state)
        clock.tick()
    return clock.seconds()
