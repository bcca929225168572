"""The evidence lower bound where all rows share latents."""

from typing import Any

import torch

from ..batch import Batch
from .base import Terms


def with_globals(model: Any, posterior: Any, batch: Batch) -> Terms:
    """The rows' part of the ELBO of a data set, and the part of the latents theta that all rows share.

    ELBO(data set) = sum_i value_i + shared, with
    value_i = sum_c q(c_i) (E_q[log p(x_i | c_i, theta)] + E_q[log p(c_i | theta)] - log q(c_i)) and
    shared = -KL(q(theta) || p(theta)), which is to be counted once. A single value_i bounds E_q(theta)[p(x_i | theta)].

    Arguments:
        model: one that has globals.
        posterior: with `theta`, the parameters of q(theta); called, it gives q(c).
        batch: some rows.
    """
    q, theta = posterior(batch, model), posterior.theta
    weight, log_q = q.probs, q.logits
    zero = torch.zeros_like(weight)
    log_lik = model.expected_log_likelihood(batch.x, theta, batch.observed)
    reconstruction = torch.where(weight > 0, weight * log_lik, zero).sum(1)
    kl = torch.where(weight > 0, weight * (log_q - model.expected_log_weights(theta)), zero).sum(1)
    value = reconstruction - kl
    return Terms(value, value, {"reconstruction": reconstruction, "kl": kl}, shared=-model.globals_kl(theta))
