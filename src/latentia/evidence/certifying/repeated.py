"""Claims about doing a thing twice: in other batches and orders, with one seed, after saving and loading."""

from copy import deepcopy
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from ...fitted import Fit
from ...randomness import Stream
from ..estimators import elbo, importance
from .base import Refuted, Subject, Unproven, claim, is_finite, require_close

SAME = 1e-9


def _numbers(s: Subject, x: Tensor, model: Any = None, posterior: Any = None, **options: Any) -> Tensor:
    """One number per row that all of p and q goes into, `(rows,)`."""
    p = s.model if model is None else model
    q = s.posterior if posterior is None else posterior
    if q is None:
        z = s.z(2)[:, :1].expand(-1, len(x), *s.latent_shape)
        return p.log_joint(x, z).mean(0).detach()
    if not getattr(p, "is_density", True):
        return _at_centre(p, q, x)
    if is_finite(p.prior()):
        return elbo(p, q, x, seed=s.seed, **options).values
    return importance(p, q, x, n_samples=7, seed=s.seed, **options).values


def _at_centre(p: Any, q: Any, x: Tensor) -> Tensor:
    """log p(x, z) at the centre of q, `(rows,)`, for likelihoods that are no density."""
    from ...batch import Batch

    z = q(Batch(x, torch.arange(len(x))), p).mean.unsqueeze(0)
    return p.log_joint(x, z).squeeze(0).detach()


@claim("rows alone", "a row's numbers do not depend on the rows beside it, on their order, or on the size of a chunk")
def alone(s: Subject) -> str:
    whole = _numbers(s, s.x)
    turned = _numbers(s, s.x.flip(0)).flip(0)
    pieces = torch.cat([_numbers(s, part) for part in s.x.split(5)])
    single = torch.cat([_numbers(s, row) for row in s.x[:4].split(1)])
    require_close(turned, whole, SAME, "in another order")
    require_close(single, whole[:4], SAME, "one by one")
    return require_close(pieces, whole, SAME, "in other pieces")


@claim("seed", "the same seed gives the same bits, and the process's own random state and precision stay as they are")
def seed(s: Subject) -> str:
    before, dtype = torch.get_rng_state(), torch.get_default_dtype()
    one, two = _numbers(s, s.x), _numbers(s, s.x)
    with Stream(s.seed):
        first = s.model.sample(3)
    with Stream(s.seed):
        second = s.model.sample(3)
    if not (torch.equal(one, two) and torch.equal(first, second)):
        raise Refuted("The same seed gave other numbers.")
    if not torch.equal(before, torch.get_rng_state()) or torch.get_default_dtype() != dtype:
        raise Refuted("The process's random state or default precision was changed.")
    return "equal bits; nothing global changed"


@claim("save and load", "what is saved and loaded into a model whose weights are spoilt gives the same bits")
def save_and_load(s: Subject) -> str:
    empty = nn.Module()
    wanted = _numbers(s, s.x)
    model, posterior = deepcopy(s.model), deepcopy(s.posterior)
    with TemporaryDirectory() as folder:
        Fit(s.model, s.posterior if s.posterior is not None else empty).save(folder)
        for module in (model, posterior):
            _spoil(module)
        Fit.load(folder, model, posterior if posterior is not None else nn.Module())
    found = _numbers(s, s.x, model, posterior)
    if not torch.equal(found, wanted):
        raise Refuted(
            f"Loaded numbers differ by up to {float((found - wanted).abs().nan_to_num(torch.inf).max()):.2g}."
        )
    beside = [name for module in filter(None, (model, posterior)) for name in _spoil_unsaved(module)]
    if beside and not torch.equal(_numbers(s, s.x, model, posterior), wanted):
        raise Unproven(
            f"The numbers also depend on {', '.join(beside)}, tensors that are not in the state_dict and are not saved. If they "
            "were learnt from data, register them as buffers; if the constructor makes them, all is well."
        )
    return f"equal bits, {sum(t.numel() for t in s.model.state_dict().values())} numbers of the model"


@torch.no_grad()
def _spoil_unsaved(module: nn.Module) -> list[str]:
    """Change the tensors that a module computes with and does not save; their names."""
    saved = {id(tensor) for tensor in module.state_dict(keep_vars=True).values()}
    names = []
    for prefix, part in module.named_modules():
        for name, value in [*vars(part).items(), *part._buffers.items()]:
            if isinstance(value, Tensor) and value.is_floating_point() and id(value) not in saved:
                setattr(part, name, value * 1.5 + 1)
                names.append(f"{prefix}.{name}".lstrip("."))
    return names


@torch.no_grad()
def _spoil(module: nn.Module | None) -> None:
    for tensor in module.state_dict(keep_vars=True).values() if module is not None else ():
        tensor.copy_(torch.full_like(tensor, 7))
