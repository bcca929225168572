"""Networks and rows whose sizes do not fit are told so in a sentence, where a user's own network meets the library."""

import re
from typing import Any

import pytest
import torch
from torch import nn

import latentia
from latentia.conditional import Conditional
from latentia.errors import ParameterError
from latentia.families import Normal
from latentia.learn import AmortizedVI
from latentia.models import LatentVariableModel, StandardNormal
from latentia.posteriors import Amortized


def fit(rows: int = 5, out: int = 10, encoder_in: int = 5, conv: bool = False) -> None:
    p = Conditional(nn.Linear(2, out), Normal((5,), scale="network"), (2,))
    network: Any = nn.Sequential(nn.Conv1d(3, 1, 1), nn.Flatten()) if conv else nn.Linear(encoder_in, 4)
    q = Amortized(Conditional(network, Normal((2,)), (5,), joint=True))
    latentia.fit(
        LatentVariableModel(StandardNormal(2), p), AmortizedVI(q), torch.randn(20, rows), max_epochs=1, device="cpu"
    )


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "last layer": ({"out": 7}, "The network gives (7,) for each row; a normal of event_shape=(5,) reads 10 numbers"),
    "first layer": ({"encoder_in": 4}, "The network cannot read rows of shape (5,)"),
    "channels": ({"conv": True}, "The network cannot read rows of shape (5,): Given groups=1"),
    "rows": ({"rows": 4}, "Rows of shape (4,) came; the model's x has shape (5,)"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_misfit_is_told_in_a_sentence(case: str) -> None:
    options, words = MISFITS[case]
    with pytest.raises(ParameterError, match=re.escape(words)):
        fit(**options)


def test_what_fits_is_learnt_from() -> None:
    fit()


def test_a_fault_inside_a_network_is_not_hidden() -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("my own fault")

    with pytest.raises(RuntimeError, match="my own fault"):
        Conditional(Broken(), Normal((2,)), (5,))(torch.zeros(1, 5))
