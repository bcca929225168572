"""Evidence in another precision than the model's own."""

from copy import deepcopy
from typing import Any

import torch

from ..batch import Batches
from ..errors import ParameterError, choose

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


def in_precision(precision: str, model: Any, posterior: Any, data: Any = None) -> tuple[Any, Any]:
    """p and q in that precision: themselves where they have it, else copies, of which what they share is shared.

    Log-densities are added up over cells in this precision, over draws and rows in float64 always.

    Raises: `ParameterError` for an unknown precision, and for `Batches`, which have one of their own.

    >>> from latentia.models import ProbabilisticPCA
    >>> model = ProbabilisticPCA(3, 1)
    >>> next(in_precision("float32", model, None)[0].parameters()).dtype, next(model.parameters()).dtype
    (torch.float32, torch.float64)
    """
    dtype = PRECISIONS[choose("precision", precision, tuple(PRECISIONS))]
    if isinstance(data, Batches):
        raise ParameterError(
            f"precision={precision!r} came beside {type(data).__name__}, which have a type of their own. Make them with "
            f"dtype=torch.{precision}, and the model with .to(torch.{precision})."
        )
    modules = [module for module in (model, posterior) if isinstance(module, torch.nn.Module)]
    if all(value.dtype == dtype for module in modules for value in module.parameters() if value.is_floating_point()):
        return model, posterior
    model, posterior = deepcopy((model, posterior))
    for module in (model, posterior):
        if isinstance(module, torch.nn.Module):
            module.to(dtype)
    return model, posterior
