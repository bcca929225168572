"""The model of an autoencoder: a likelihood, and nothing known about z."""

from abc import ABC
from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..conditional import Conditional
from ..distributions import Flat
from ..errors import ParameterError
from ..families import Categorical, Normal
from ..scaling import Scaling
from .gaussian import check_sizes
from .latent_variable import LatentVariableModel

POINTS = 101  # percentiles of the codes that are kept
NO_EVIDENCE = (
    "An autoencoder has no distribution of z, so there is no log p(x) and no lower bound on it: what it has is a "
    "reconstruction error. Use reconstruction(X), or fit a VAE (or ProbabilisticPCA) for a density."
)


class FlatPrior(nn.Module):
    """The improper p(z) = constant: nothing is said about z. It remembers the percentiles of codes, for walks along a unit.

    Arguments:
        n_latent: size of z.

    >>> FlatPrior(3)().event_shape
    torch.Size([3])
    """

    like: Tensor
    grid: Tensor

    def __init__(self, n_latent: int) -> None:
        super().__init__()
        check_sizes(n_latent=n_latent)
        self.shape = (n_latent,)
        self.register_buffer("like", torch.zeros(n_latent), persistent=False)
        self.register_buffer("grid", torch.zeros(POINTS, n_latent))

    def forward(self) -> Distribution:
        return Flat(self.like, self.grid)

    @torch.no_grad()
    def spread(self, codes: Tensor) -> None:
        """Remember how codes `(rows, n_latent)` are spread, unit by unit; it is no part of the density."""
        share = torch.linspace(0, 1, POINTS, dtype=codes.dtype, device=codes.device)
        self.grid.copy_(torch.quantile(codes, share, dim=0))


class Decoder(LatentVariableModel):
    """log p(x|z) by a network and a family, under a flat prior: no log p(x), no draws.

    Arguments:
        likelihood: a Conditional from z to x, in the model's units.
        scaling: from the model's units to the user's.
        encoder: of x, where it holds the same weights as the decoder; posteriors.Point(None) borrows it.

    >>> p = Decoder(Conditional(nn.Linear(2, 5), Normal((5,), scale=1.0), (2,)))
    >>> p.log_likelihood(torch.zeros(3, 5), torch.zeros(1, 3, 2)).shape, p.is_density
    (torch.Size([1, 3]), False)
    """

    no_evidence = NO_EVIDENCE

    def __init__(
        self, likelihood: Conditional, scaling: Scaling | None = None, encoder: nn.Module | None = None
    ) -> None:
        super().__init__(FlatPrior(likelihood.input_shape[0]), likelihood, scaling)
        self.encoder = encoder

    @property
    def is_density(self) -> bool:
        return False


class AxesDecoder(Decoder, ABC):
    """A decoder whose raw output is loc + axes z."""

    @property
    def loc(self) -> Tensor:
        """Raw output of the code zero, model's units, `(D,)`."""
        return self.conditional.network.bias  # type: ignore[return-value]

    @property
    def axes(self) -> Tensor:
        """Columns that the units of z stand for, model's units, `(D, k)`."""
        return self.conditional.network.weight  # type: ignore[return-value]


@final
class LinearDecoder(AxesDecoder):
    """x = loc + axes z + error, squared error: log p(x|z) = -|x - loc - axes z|^2 / 2 + constant, in the model's units.

    Learners leave the variance of each code over the rows, `code_variance` `(k,)`, and that of all columns, `total` `()`.

    Arguments:
        n_features: D, columns of x.
        n_latent: k, size of z.
        scaling: from the model's units to the user's.

    >>> LinearDecoder(5, 2).axes.shape
    torch.Size([5, 2])
    """

    code_variance: Tensor
    total: Tensor

    def __init__(self, n_features: int, n_latent: int, scaling: Scaling | None = None) -> None:
        check_sizes(n_features=n_features, n_latent=n_latent)
        if scaling is not None and scaling.levels is not None:
            raise ParameterError("A squared error is one of real numbers. Use a scaling without levels.")
        family = Normal((n_features,), scale=1.0)
        super().__init__(Conditional(nn.Linear(n_latent, n_features), family, (n_latent,)), scaling)
        self.register_buffer("code_variance", torch.zeros(n_latent, dtype=torch.float64))
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))


@final
class LabelDecoder(Decoder):
    """p(label | z) = softmax(head z): a row's label in the place of the row.

    Arguments:
        n_latent: size of z.
        n_classes: K; labels are numbered from 0.
        scaling: of the rows, which the encoder is shown in the model's units; labels have none.

    >>> LabelDecoder(2, 3).probabilities(torch.zeros(4, 2)).shape
    torch.Size([4, 3])
    """

    row_shape = None  # its x is a label; the rows of a batch are the encoder's

    def __init__(self, n_latent: int, n_classes: int, scaling: Scaling | None = None) -> None:
        check_sizes(n_classes=n_classes)
        head = nn.Linear(n_latent, n_classes)
        super().__init__(Conditional(head, Categorical((1,), n_classes), (n_latent,)), scaling)

    def likelihood(self, z: Tensor) -> Distribution:
        return self.conditional(z)

    def probabilities(self, z: Tensor) -> Tensor:
        """Of each class, for codes `(rows, n_latent)`."""
        return torch.softmax(self.conditional.network(z), 1)
