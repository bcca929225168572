"""An implicit model: z is drawn, and x is a function of it."""

from collections.abc import Callable, Sequence
from typing import final

from torch import Tensor, nn
from torch.distributions import Distribution

from ..conditional import Conditional
from ..distributions import Implicit, centre
from ..errors import ParameterError
from ..families import Normal
from ..families.base import at_least
from ..scaling import Scaling
from .base import Model
from .latent_variable import LatentVariableModel


@final
class Generator(Model):
    """x = G(z), z ~ prior, G a network: the model of a generative adversarial network.

    It can be sampled, with gradients. It has no density: G maps few numbers to many, so that its samples fill no volume.
    Whatever asks for log p(x) is refused; `with_noise` gives the model that has one.

    Arguments:
        prior: a module called as `prior()`, with the `shape` of one z.
        network: G, maps `(rows, *latent)` to x in the model's units, `(rows, *event)`.
        event_shape: of one row.
        scaling: from the model's units to the user's.

    Source: Goodfellow et al., "Generative adversarial nets", 2014.

    >>> from latentia.networks import MLP
    >>> from latentia.models import StandardNormal
    >>> model = Generator(StandardNormal(2), MLP(2, 5), (5,))
    >>> model.sample(3).shape, model.is_density
    (torch.Size([3, 5]), False)
    """

    no_evidence = (
        "A generator has samples and no density: x is a function of z, so there is no log p(x). With noise of a stated scale there "
        "is one: models.with_noise(model, scale), for evidence.annealed."
    )

    def __init__(
        self,
        prior: Callable[[], Distribution],
        network: nn.Module,
        event_shape: Sequence[int],
        scaling: Scaling | None = None,
    ) -> None:
        super().__init__(scaling)
        self.prior_module, self.network = prior, network
        self.event_shape = tuple(event_shape)
        self.latent_shape = tuple(prior().event_shape)

    @property
    def is_density(self) -> bool:
        return False

    def prior(self) -> Distribution:
        return self.prior_module()

    def likelihood(self, z: Tensor) -> Distribution:
        """All the mass at G(z), in the user's units."""
        lead = z.shape[: z.ndim - len(self.latent_shape)]
        x = self.network(z.reshape(-1, *self.latent_shape))
        if x.numel() != lead.numel() * _cells(self.event_shape):
            raise ParameterError(
                f"The generator's network gave {tuple(x.shape)} for {lead.numel()} rows; rows of shape {self.event_shape} "
                "were expected. Change its last layer, or event_shape."
            )
        return Implicit(self.scaling.to_user(x.reshape(*lead, *self.event_shape)))


def with_noise(model: Generator, scale: float) -> LatentVariableModel:
    """p(x, z) = prior(z) N(x; G(z), scale^2 I): the generator with noise of a stated scale, which has a density.

    Arguments:
        model: whose network and prior are used, not copied.
        scale: standard deviation of the noise, in the model's units.

    log p(x) then depends on the scale as much as on the model, and must be told with it.

    Source: Wu et al., "On the quantitative analysis of decoder-based generative models", 2017, section 3.

    >>> from latentia.networks import MLP
    >>> from latentia.models import StandardNormal
    >>> import torch
    >>> noisy = with_noise(Generator(StandardNormal(2), MLP(2, 5), (5,)), 0.1)
    >>> noisy.log_joint(torch.zeros(4, 5), torch.zeros(1, 4, 2)).shape
    torch.Size([1, 4])
    """
    at_least("noise", scale, 0.0)
    family = Normal(model.event_shape, scale=float(scale))
    conditional = Conditional(model.network, family, model.latent_shape)
    scaling = Scaling(model.scaling.loc, model.scaling.scale, text=model.scaling.text)
    return LatentVariableModel(model.prior_module, conditional, scaling)


def means_of(model: Model) -> Generator:
    """x = E[x|z]: the model without the noise of its likelihood, so that models of other noises can be set side by side.

    Arguments:
        model: a `LatentVariableModel`, whose network and prior are used, not copied; a `Generator` is returned as it is.

    Raises: `ParameterError` for a model without a network that gives means.

    >>> from latentia.networks import MLP
    >>> from latentia.models import StandardNormal
    >>> vae = LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 5), Normal((5,), scale=1.0), (2,)))
    >>> means_of(vae).sample(3).shape
    torch.Size([3, 5])
    """
    if isinstance(model, Generator):
        return model
    if not isinstance(model, LatentVariableModel):
        raise ParameterError(
            f"{type(model).__name__} has no network whose means could be taken. Use a VAE or a GAN, or its own evidence."
        )
    scaling = Scaling(model.scaling.loc, model.scaling.scale, text=model.scaling.text)
    return Generator(model.prior_module, Means(model.conditional), model.event_shape, scaling)


class Means(nn.Module):
    """z -> the mean of a Conditional, `(rows, *event)`."""

    def __init__(self, conditional: Conditional) -> None:
        super().__init__()
        self.conditional = conditional

    def forward(self, z: Tensor) -> Tensor:
        return centre(self.conditional(z))


def _cells(shape: Sequence[int]) -> int:
    out = 1
    for size in shape:
        out *= size
    return out
