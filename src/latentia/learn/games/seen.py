"""What is seen of a game at every step of the critic, and what diagnosis reads: each row counts its weight."""

import torch
from torch import Tensor

from .objectives import told_apart

PAIRED = 256  # packs of each whose scores are compared pair by pair


def seen(
    rows: Tensor,
    drawn: Tensor,
    real: Tensor,
    fake: Tensor,
    row_weight: Tensor | None = None,
    drawn_weight: Tensor | None = None,
    pack: int = 1,
) -> dict[str, Tensor]:
    """The scores, how well they are told apart, the spread of samples as a share of that of rows.

    Arguments:
        rows, drawn: what the critic was shown, `(rows, *event)`.
        real, fake: its scores of packs of these, `(rows / pack,)`.
        row_weight, drawn_weight: `(rows,)`; a pack weighs the product of its rows' weights, as in the losses. Of codes, the
            drawn ones belong to rows and have their weights.
        pack: rows side by side.

    >>> x = torch.tensor([[0.0], [2.0]])
    >>> float(seen(x, 3 * x, torch.ones(2), torch.zeros(2))["spread"])
    9.0
    """
    spread = _variance(drawn, _shares(drawn_weight)) / _variance(rows, _shares(row_weight)).clamp_min(1e-12)
    paired = [_shares(_packs(weight, pack)) for weight in (row_weight, drawn_weight)]
    return {
        "real_score": real,
        "fake_score": fake,
        "told_apart": told_apart(real[:PAIRED], fake[:PAIRED], *paired),
        "spread": spread,
    }


def _packs(weight: Tensor | None, pack: int) -> Tensor | None:
    return None if weight is None else weight.reshape(-1, pack).prod(1)[:PAIRED]


def _shares(weight: Tensor | None) -> Tensor | None:
    """The weights over their sum; the same for all where nothing weighs anything."""
    if weight is None:
        return None
    weight = torch.where(weight.sum() > 0, weight, torch.ones_like(weight))
    return weight / weight.sum()


def _mean(x: Tensor, share: Tensor | None) -> Tensor:
    return x.mean(0) if share is None else share @ x


def _variance(x: Tensor, share: Tensor | None) -> Tensor:
    """Summed over the columns, 0-dimensional."""
    flat = x.flatten(1)
    return _mean((flat - _mean(flat, share)).square(), share).sum()
