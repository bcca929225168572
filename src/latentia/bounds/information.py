"""How much z says about x under q: the mutual information, its ceiling, and how far q's mixture lies from the prior."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from ..batch import Batch, Batches
from ..distributions import draw
from ..errors import ParameterError
from ..processes import whole_of
from ..randomness import row_noise
from .base import enumerable
from .evaluate import evaluating

DENSITIES_AT_ONCE = 2**20  # densities q(z|x_m) at once: 8 MB for each unit of z in float64


@dataclass(frozen=True)
class Information:
    """The mutual information of x and z under q, nats, and what belongs to it.

    Arguments:
        value: I_q(x, z) = E[log q(z|x) - log q(z)], q(z) the mixture of the reference rows' posteriors.
        ceiling: the most that the value could be: the entropy of the reference rows, log M where they weigh the same.
            A value near it says only that the information is at least that large.
        marginal_kl: KL(q(z) || p(z)) = kl - value.
        kl: E[KL(q(z|x) || p(z))], from the same draws.
        error: standard error of the value, over rows and draws.
        n_reference, n_probes: rows in the mixture, and rows drawn from.
    """

    value: float
    ceiling: float
    marginal_kl: float
    kl: float
    error: float
    n_reference: int
    n_probes: int

    def __str__(self) -> str:
        return f"{self.value:.3f} nats (ceiling {self.ceiling:.2f}, from {self.n_reference:,} rows)"


def mutual_information(
    model: Any,
    posterior: Any,
    batches: Batches,
    *,
    n_reference: int = 10_000,
    n_probes: int = 1_000,
    n_samples: int = 1,
    seed: int = 0,
) -> Information:
    """I_q(x, z) = 1/N sum_n E_q(z|x_n)[log q(z|x_n) - log 1/M sum_m q(z|x_m)], nats; KL(q(z) || p(z)) with it.

    E_n[KL(q(z|x_n) || p(z))] = I_q(x, z) + KL(q(z) || p(z)): a KL that is not zero may still carry no information. The
    mixture is that of M evenly spaced rows, the probes are evenly spaced among them; a few reference rows give a low
    ceiling, log M, and a value that is too small. For a finite z everything is summed, and exact for the rows taken.

    Arguments:
        model, posterior: p and q.
        batches: the rows; weights count. The position in them is left where it is; of a share all the rows are taken.
        n_reference: M, rows in the mixture at most.
        n_probes: rows drawn from at most.
        n_samples: draws of z per probe.
        seed: of the noise, which also depends on each row's content.

    Raises: `ParameterError` for counts below one.

    Sources: Hoffman and Johnson, "ELBO surgery", 2016; He et al., "Lagging inference networks and posterior collapse in
    variational autoencoders", 2019, section 3 and appendix.

    >>> from latentia.batch import TensorBatches
    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> rows = TensorBatches(torch.zeros(8, 3), dtype=torch.float64)
    >>> found = mutual_information(ProbabilisticPCA(3, 1), Exact(), rows)
    >>> round(found.value, 6), round(found.ceiling, 3)  # equal rows: z tells them apart by nothing
    (0.0, 2.079)
    """
    for name, value in (("n_reference", n_reference), ("n_probes", n_probes), ("n_samples", n_samples)):
        if value < 1:
            raise ParameterError(f"{name}={value} is too small. At least one is needed.")
    with evaluating(model, posterior):
        reference, probes = [], []
        for batch, is_probe in _spaced(whole_of(batches), n_reference, n_probes):
            q = posterior(batch, model)
            reference.append((q, _weights(batch)))
            probes.append(_drawn(posterior, model, batch, q, is_probe, n_samples, seed))
        found = [each for each in probes if each]
        terms = _terms(found, reference, model.prior(), n_samples)
    weight = torch.cat([own for _, _, own in found])
    return _summed(terms, weight, torch.cat([own for _, own in reference]), n_samples)


def _spaced(batches: Batches, n_reference: int, n_probes: int) -> Iterator[tuple[Batch, Tensor]]:
    """Evenly spaced rows, and which of them are probes; every batch is read, so that the position comes back."""
    n, first = batches.n_rows, 0
    m = min(n, n_reference)
    k = min(m, n_probes)
    for batch in batches.in_order():
        row = torch.arange(first, first + len(batch))
        kept = (row + 1) * m // n > row * m // n
        first += len(batch)
        number = (row * m // n)[kept]
        if bool(kept.any()):
            yield batch.pick(kept), (number + 1) * k // m > number * k // m


def _weights(batch: Batch) -> Tensor:
    return batch.x.new_ones(len(batch)).double() if batch.weight is None else batch.weight.double()


def _drawn(
    posterior: Any, model: Any, batch: Batch, q: Distribution, is_probe: Tensor, n_samples: int, seed: int
) -> tuple[Distribution, Tensor | None, Tensor] | None:
    """q, draws `(samples, probes, *latent)` and weights of the probes of a batch."""
    if not bool(is_probe.any()):
        return None
    if not bool(is_probe.all()):
        batch = batch.pick(is_probe)
        q = posterior(batch, model)
    if enumerable(q):
        return q, None, _weights(batch)
    with row_noise(batch.x, seed):
        return q, draw(q, n_samples), _weights(batch)


def _terms(found: list[Any], reference: list[tuple[Distribution, Tensor]], prior: Any, n_samples: int) -> Tensor:
    """log q(z|x) - log q(z) and log q(z|x) - log p(z) of each probe and sample, `(2, probes, samples)`, float64."""
    if found[0][1] is None:
        mixture = _mean_probs(reference)
        pair = torch.cat([_enumerated(q, mixture, prior) for q, _, _ in found], 1)
        return pair.unsqueeze(-1).expand(2, pair.shape[1], n_samples)
    own = torch.cat([q.log_prob(z).double() for q, z, _ in found], 1)
    z = torch.cat([z for _, z, _ in found], 1)  # against each part of the mixture all at once: batches may be many
    mixture = torch.cat([_log_mixture(part, reference) for part in z.flatten(0, 1).split(_at_once(reference))])
    return torch.stack([own - mixture.unflatten(0, own.shape), own - prior.log_prob(z).double()]).transpose(1, 2)


def _at_once(reference: list[tuple[Distribution, Tensor]]) -> int:
    return max(1, DENSITIES_AT_ONCE // max(len(own) for _, own in reference))


def _log_mixture(z: Tensor, reference: list[tuple[Distribution, Tensor]]) -> Tensor:
    """log sum_m weight_m q(z|x_m) / sum_m weight_m for each z `(n, *latent)`, `(n,)`."""
    parts = [torch.logsumexp(q.log_prob(z.unsqueeze(1)).double() + torch.log(own), 1) for q, own in reference]
    total = torch.stack([own.sum() for _, own in reference]).sum()
    return torch.logsumexp(torch.stack(parts), 0) - torch.log(total)


def _mean_probs(reference: list[Any]) -> Tensor:
    """Probabilities of z under the mixture."""
    total = torch.stack([own.sum() for _, own in reference]).sum()
    return torch.stack([(own.unsqueeze(1) * q.probs.double()).sum(0) for q, own in reference]).sum(0) / total


def _enumerated(q: Categorical, mixture: Tensor, prior: Categorical) -> Tensor:
    probs, others = q.probs.double(), torch.stack([mixture, prior.probs.double().expand_as(mixture)])
    ratio = torch.log(probs) - torch.log(others).unsqueeze(1)
    return torch.where(probs > 0, probs * ratio, torch.zeros_like(ratio)).sum(-1)


def _summed(terms: Tensor, weight: Tensor, every: Tensor, n_samples: int) -> Information:
    share = weight / weight.sum()
    per_probe = terms.mean(-1)
    value, kl = (per_probe * share).sum(1).tolist()
    spread = float((share.square() * (per_probe[0] - value).square()).sum())
    n = len(weight)
    error = sqrt(spread * n / (n - 1)) if n > 1 else float("nan")
    shares = every / every.sum()
    ceiling = max(0.0, -float(torch.xlogy(shares, shares).sum()))
    return Information(value, ceiling, kl - value, kl, error, len(every), n)
