"""Over the rows of a data set, batch by batch, into one number per row."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from ..batch import Batch, Batches, as_batches
from ..data.checks import check_weight
from ..errors import AbilityError, DataError, ParameterError
from ..processes import current, part_of
from ..randomness import row_keys
from .running import RowNumbers

CELLS_AT_ONCE = 2**20  # cells of x for all samples of a chunk: 4 MB in float32, which stay in the cache and in the heap
HEAP = 31 * 2**20  # bytes; glibc never hands out more than 32 MB from its heap

Columns = Callable[[Batch, int], Sequence[Tensor]]  # of a batch, and the position of its first row in the data


def rows_of(model: Any, data: Any, weight: Tensor | None, chunk: int) -> Batches:
    """Data as `Batches` of the model's precision and device, so many rows at once that a sample of each fits the cache."""
    keep_heap()
    like = next(model.parameters(), None)
    dtype = torch.float64 if like is None else like.dtype
    if weight is not None and (isinstance(data, Batches) or hasattr(data, "batches")):
        raise ParameterError(
            f"weight= came beside {type(data).__name__}, which bring their own weights. Leave it out, and give the weights where "
            "these are made."
        )
    if isinstance(data, Batches):
        return data
    if hasattr(data, "batches"):
        return as_batches(data, batch_size=chunk, dtype=dtype, device="cpu" if like is None else like.device)
    tensor = torch.as_tensor(data)
    device = tensor.device if like is None else like.device
    if weight is not None:
        weight = torch.from_numpy(check_weight(torch.as_tensor(weight).detach().cpu().numpy(), len(tensor))).to(device)
    rows_at_once = max(1, min(chunk, CELLS_AT_ONCE // max(1, tensor[:1].numel())))
    return as_batches(tensor.to(device), batch_size=rows_at_once, dtype=dtype, weight=weight)


def numbers_of_rows(batches: Batches, columns: Columns) -> tuple[RowNumbers, Tensor]:
    """`over_rows` of what draws with a row's own noise; and a number that rows of the same content, and so noise, share."""
    found = over_rows(batches, 5, lambda batch, first: [*columns(batch, first), content(batch.x)])
    return RowNumbers(*found[:4]), found[4]


def content(x: Tensor) -> Tensor:
    """A whole number for each row from what is in it, `(batch,)`, exact in float64."""
    return torch.bitwise_right_shift(row_keys(x, 0), 11).double()


def keep_heap() -> None:
    """Have the C library keep what chunks give back, for the next chunk.

    glibc returns a freed block to the system if it is larger than any block freed before, and then the next chunk waits for every page
    anew, which takes as long as all that is computed with it. A block that is never written to costs nothing.
    """
    torch.empty(HEAP, dtype=torch.uint8)


def over_rows(batches: Batches, n: int, columns: Columns) -> list[Tensor]:
    """`columns` of every batch, `n` of shape `(batch,)`, put together as `(rows,)`, float64 on the CPU.

    Within `processes.joined` every process takes its part of each batch.
    """
    processes = current()
    out = torch.zeros(n, batches.n_rows, dtype=torch.float64)
    first = 0
    for whole in batches.in_order():
        part = part_of(whole, processes)
        if len(part):
            start = first + (part.place.start if part.place is not None else 0)
            out[:, start : start + len(part)] = torch.stack(list(columns(part, start))).double().cpu()
        first += len(whole)
    return list(*processes.all_sum(out)) if processes.many else list(out)


def at_once(batch: Batch, n_samples: int) -> int:
    """How many of the samples of a batch's rows fit into the cache together."""
    return max(1, min(n_samples, CELLS_AT_ONCE // max(1, batch.x.numel())))


def draws_at_once(batch: Batch, model: Any, n_samples: int) -> int:
    """How many draws of z for a batch's rows fit into the cache together, beside what is worked out of them."""
    size = len(batch) * prod(getattr(model, "latent_shape", ()))
    return max(1, min(n_samples, CELLS_AT_ONCE // 4 // max(1, size)))


def weights_of(batches: Batches) -> Tensor | None:
    """Row weights in float64 on the CPU, `(rows,)`, or None."""
    weight = batches.weights()
    return None if weight is None else weight.double().cpu()


def refuse_no_numbers(batch: Batch) -> Batch:
    """The batch; raises `DataError` where a cell that is not marked as missing is no finite number."""
    bad = ~torch.isfinite(batch.x)
    if batch.observed is not None:
        bad &= batch.observed.bool()
    rows = bad.flatten(1).any(1) if len(bad) else bad
    if bool(rows.any()):
        first = int(batch.index[rows][0])
        raise DataError(
            f"Row {first} holds what is no finite number ({int(rows.sum())} such rows came). Leave them out, or fill in what is "
            "missing."
        )
    return batch


def require_density(model: Any) -> None:
    """Raise `AbilityError` where there is no log p(x) to speak of."""
    if callable(getattr(model, "likelihood", None)) and getattr(model, "is_density", True):
        return
    if not callable(getattr(model, "likelihood", None)):
        raise AbilityError(
            f"{type(model).__name__} has samples and no density (no likelihood p(x|z)), so there is no log p(x). Give it "
            "an observation noise, for instance models.LatentVariableModel with a normal likelihood."
        )
    if hasattr(model, "no_evidence"):
        raise AbilityError(model.no_evidence)
    raise AbilityError(
        "This model's likelihood is a reconstruction error (cross-entropy) and no density, so there is no log p(x). "
        "Use likelihood='continuous-bernoulli' or binarize='stochastic' with likelihood='bernoulli'."
    )


def at_least_one(n_samples: int) -> None:
    """Raise `ParameterError` where no sample is asked for."""
    if n_samples < 1:
        raise ParameterError(f"n_samples={n_samples} is too small. At least one sample per row is needed.")
