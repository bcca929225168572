"""Priors: Conditionals of nothing, mixtures, and the mixture of the posteriors of learnt pseudo-inputs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from .. import distributions
from ..conditional import Conditional
from ..errors import AbilityError, ParameterError
from ..families import Family, bounded, check_standing
from ..families.base import as_shape, whole


class StandardNormal(nn.Module):
    """p(z) = N(0, I).

    Arguments:
        shape: of one z, or the number of its units.

    >>> StandardNormal(2)().log_prob(torch.zeros(2)).item()
    -1.837877...
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, shape: int | Sequence[int]) -> None:
        super().__init__()
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if any(size < 1 for size in self.shape):
            raise ParameterError(f"n_latent={shape} is too small. At least one latent unit is needed.")
        self.register_buffer("loc", torch.zeros(self.shape), persistent=False)
        self.register_buffer("scale", torch.ones(self.shape), persistent=False)

    def forward(self) -> Distribution:
        base = distributions.StandardNormal(self.loc, self.scale, validate_args=False)
        return Independent(base, len(self.shape), validate_args=False)


class CategoricalPrior(nn.Module):
    """p(z = k) = softmax(logits)[k], learnt or fixed at 1 / n_components.

    Arguments:
        n_components: number of values of z.
        learnt: whether the logits are parameters.

    >>> CategoricalPrior(4)().probs
    tensor([0.2500, 0.2500, 0.2500, 0.2500], grad_fn=...)
    """

    logits: Tensor

    def __init__(self, n_components: int, *, learnt: bool = True) -> None:
        super().__init__()
        if n_components < 1:
            raise ParameterError(f"n_components={n_components} is too small. At least one is needed.")
        self.shape = ()
        logits = torch.zeros(n_components)
        if learnt:
            self.logits = nn.Parameter(logits)
        else:
            self.register_buffer("logits", logits)

    def forward(self) -> Categorical:
        return Categorical(logits=self.logits, validate_args=False)


class FamilyPrior(nn.Module):
    """p(z) = family(raw): any family, with its parameters fixed or learnt. With a flow, its map is what is learnt.

    Arguments:
        family: of z; its event shape is z's.
        raw: the family's raw numbers, `family.raw_shape`, in the units that the family documents; zeros without it.
        learnt: whether raw is a parameter.

    Raises: `AbilityError` where the family cannot be a prior, `ParameterError` where raw has another shape.

    >>> from latentia.families import Gamma
    >>> FamilyPrior(Gamma((2,)), torch.tensor([[0.0, 1.0], [0.0, 0.0]]))().mean  # log shapes, log rates
    tensor([1.0000, 2.6935])
    """

    raw: Tensor

    def __init__(self, family: Family, raw: Tensor | None = None, *, learnt: bool = False) -> None:
        super().__init__()
        if not isinstance(family, Family):
            raise ParameterError(f"FamilyPrior needs a family, such as families.Gamma((2,)); {family!r} came.")
        check_standing(family, "prior")
        values = torch.zeros(family.raw_shape) if raw is None else raw.detach().clone()
        if values.shape != family.raw_shape:
            raise ParameterError(
                f"raw has shape {tuple(values.shape)}; a {family.name} prior of event_shape={family.event_shape} needs "
                f"{family.raw_shape}. Give the family's raw numbers, or none for zeros."
            )
        self.family, self.shape = family, family.event_shape
        if learnt and values.numel():
            self.raw = nn.Parameter(values)
        else:
            self.register_buffer("raw", values)

    def forward(self) -> Distribution:
        p = self.family(self.raw)
        cells = len(self.shape) - len(p.event_shape)
        return Independent(p, cells, validate_args=False) if cells else p


class NormalMixture(nn.Module):
    """p(z) = sum_k weight_k N(z; loc_k, diag scale_k^2), weights, means and scales learnt.

    Arguments:
        shape: of one z, or the number of its units.
        n_components: of the mixture.

    The means begin as standard normal draws, with scale one, from the random state of the moment.

    Source: Dilokthanakul et al., "Deep unsupervised clustering with Gaussian mixture variational autoencoders", 2016.

    >>> NormalMixture(2, n_components=5)().log_prob(torch.zeros(3, 2)).shape
    torch.Size([3])
    """

    def __init__(self, shape: int | Sequence[int], n_components: int = 10) -> None:
        super().__init__()
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        n_components = whole("n_components", n_components)
        self.shape = as_shape(self.shape)
        self.logits = nn.Parameter(torch.zeros(n_components))
        self.loc = nn.Parameter(torch.randn(n_components, *self.shape))
        self.log_scale = nn.Parameter(torch.zeros(n_components, *self.shape))

    def forward(self) -> Distribution:
        cells = Normal(self.loc, torch.exp(bounded(self.log_scale)), validate_args=False)
        return _mixture(self.logits, Independent(cells, len(self.shape), validate_args=False))


class VampPrior(nn.Module):
    """p(z) = sum_k weight_k q(z | u_k): the posteriors of learnt pseudo-inputs u_k, mixed.

    The Conditional is q's and p's at once. It belongs to the model, which declares it (`shared`); the posterior borrows it:
    `posteriors.Borrowed`. Learners that move q alone refuse such a model.

    Arguments:
        encoder: the shared Conditional, from x to z, its cells joint.
        pseudo_inputs: where u begins, `(components, *x_shape)`, in the model's units; rows of the data serve.

    Source: Tomczak and Welling, "VAE with a VampPrior", AISTATS 2018, equation 9.

    >>> from latentia.families import Normal
    >>> encoder = Conditional(nn.Linear(4, 6), Normal((3,)), (4,), joint=True)
    >>> VampPrior(encoder, torch.randn(7, 4))().log_prob(torch.zeros(5, 2, 3)).shape
    torch.Size([5, 2])
    """

    def __init__(self, encoder: Conditional, pseudo_inputs: Tensor) -> None:
        super().__init__()
        if pseudo_inputs.shape[1:] != encoder.input_shape or not len(pseudo_inputs):
            raise ParameterError(
                f"pseudo_inputs has shape {tuple(pseudo_inputs.shape)}; the encoder reads {encoder.input_shape}. Use a tensor "
                "of shape (components, *input_shape) with at least one row."
            )
        if not encoder.joint and encoder.event_shape:
            raise AbilityError("A VampPrior mixes densities of whole z. Make the Conditional with joint=True.")
        self.shared, self.shape = encoder, encoder.event_shape
        self.pseudo_inputs = nn.Parameter(pseudo_inputs.detach().clone())
        self.logits = nn.Parameter(torch.zeros(len(pseudo_inputs)))

    def forward(self) -> Distribution:
        return _mixture(self.logits, self.shared(self.pseudo_inputs))


def _mixture(logits: Tensor, components: Distribution) -> Distribution:
    weights = Categorical(logits=logits, validate_args=False)
    return MixtureSameFamily(weights, components, validate_args=False)
