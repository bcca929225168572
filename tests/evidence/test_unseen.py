"""States of a discrete q that were never drawn: their mass by a dictionary, and the error against enumeration."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Categorical, Independent, Normal

from latentia import evidence, families
from latentia.conditional import Conditional
from latentia.evidence.unseen import MOST, Unseen, is_discrete
from latentia.models import CategoricalPrior, FiniteLatentModel
from latentia.networks import OneHot


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), states=st.integers(1, 400), chunk=st.integers(1, 50))
def test_the_mass_is_that_of_a_set_of_states(seed: int, states: int, chunk: int) -> None:
    g = torch.Generator().manual_seed(seed)
    q = torch.softmax(4 * torch.randn(3, states, generator=g, dtype=torch.float64), 1)
    z = torch.multinomial(q, 60, replacement=True, generator=g)
    unseen = Unseen(60)
    for part in torch.gather(q, 1, z).T.log().split(chunk):
        unseen.add(part)
    for row, found in enumerate(unseen.error()):
        drawn = {int(state) for state in z[row]}
        left = 1 - sum(float(q[row, state]) for state in drawn)
        alike = sum(float(q[row, state]) <= left for state in drawn)
        assert float(found) == pytest.approx(min(left, MOST / 60) / (1 + alike), abs=1e-9)


@pytest.mark.parametrize(
    ("q", "discrete"),
    [
        (Categorical(torch.ones(2, 3)), True),
        (Independent(Bernoulli(torch.full((2, 3), 0.5)), 1), True),
        (Independent(Normal(torch.zeros(2, 3), 1.0), 1), False),
        (object(), False),
    ],
)
def test_which_are_discrete(q: Any, discrete: bool) -> None:
    assert is_discrete(q) is discrete


class Fixed(torch.nn.Module):
    """q(z|x) of a few rows, given by hand."""

    def __init__(self, probs: torch.Tensor) -> None:
        super().__init__()
        self.probs = probs

    def forward(self, batch: Any, model: Any) -> Categorical:
        return Categorical(self.probs[batch.index])


def test_rows_whose_draws_were_all_alike_have_an_error_that_covers_what_they_miss() -> None:
    """Three states, of which q finds two seldom; log p(x) by their sum."""
    rng = np.random.default_rng(0)
    loc = torch.tensor([[0.0, 3.0, 6.0]], dtype=torch.float64)
    table = torch.nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        table.weight.copy_(loc)
    network = Conditional(OneHot(3, table), families.Normal((1,), scale=1.0), ())
    model = FiniteLatentModel(CategoricalPrior(3), network).double()
    x = torch.from_numpy(rng.normal(0.0, 1.0, (400, 1)))
    each = Normal(loc, 1.0).log_prob(x) - np.log(3.0)
    truth = torch.logsumexp(each, 1)
    q = torch.softmax(0.8 * each + torch.from_numpy(rng.normal(0.0, 0.3, (400, 3))), 1)
    found = evidence.importance(model, Fixed(q), x, n_samples=100)
    assert found.row_mc_error is not None
    off = (found.values - truth).abs() / found.row_mc_error.clamp_min(1e-9)
    alike = found.ess > 99.999  # all draws of one state
    assert int(alike.sum()) > 50
    assert float((off[alike] < 3).double().mean()) > 0.98
    assert float((off < 3).double().mean()) > 0.98
