"""Families: finite for every raw output, a density (or a refusal), a start that fits the columns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.errors import DataError, ParameterError
from latentia.families import Bernoulli, Categorical, ContinuousBernoulli, CrossEntropy, Family, Normal, bounded

FAMILIES = {
    "normal-network": (Normal((3,), scale="network"), 0.3),
    "normal-one": (Normal((3,), scale="one"), 0.3),
    "normal-per-feature": (Normal((3,), scale="per-feature"), 0.3),
    "normal-fixed": (Normal((3,), scale=0.5), 0.3),
    "normal-floor": (Normal((3,), scale="network", floor=0.01), 0.3),
    "bernoulli": (Bernoulli((3,)), 1.0),
    "continuous-bernoulli": (ContinuousBernoulli((3,)), 0.3),
    "cross-entropy": (CrossEntropy((3,)), 0.3),
    "categorical": (Categorical((3,), n_categories=4), 2.0),
}


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=60, deadline=None)
@given(raw=st.lists(st.floats(-1e4, 1e4, width=32), min_size=12, max_size=12))
def test_value_and_gradient_are_finite(name: str, raw: list[float]) -> None:
    family, x = FAMILIES[name]
    tensor = torch.tensor(raw[: 3 * family.n_raw]).reshape(1, family.n_raw, 3).requires_grad_()
    value = family(tensor).log_prob(torch.full((1, 3), x))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert tensor.grad is not None
    assert torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=60, deadline=None)
@given(raw=st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_never_nan(name: str, raw: float) -> None:
    family, x = FAMILIES[name]
    value = family(torch.full((1, family.n_raw, 3), raw)).log_prob(torch.full((1, 3), x))
    assert not torch.isnan(value).any()


@pytest.mark.parametrize("family", [Normal((2,), scale="per-feature"), Normal((2,), scale="network"), Bernoulli((2,))])
def test_start_fits_the_columns(family: Family) -> None:
    mean, scale = torch.tensor([0.2, 0.6]), torch.tensor([0.4, 0.49])
    q = family(family.start(mean, scale).unsqueeze(0))
    assert torch.allclose(q.mean, mean.unsqueeze(0), atol=1e-5)
    if isinstance(family, Normal):
        assert torch.allclose(q.stddev, scale.unsqueeze(0), rtol=1e-2)


def test_bounds_are_smooth_and_never_passed() -> None:
    raw = torch.linspace(-1e5, 1e5, 1001, requires_grad=True)
    value = bounded(raw)
    value.sum().backward()
    assert float(value.detach().abs().max()) <= 12
    assert raw.grad is not None
    assert float(raw.grad[500]) == pytest.approx(1.0)


def test_grey_pixels_are_not_coin_flips() -> None:
    with pytest.raises(DataError, match="continuous-bernoulli") as error:
        Bernoulli((2,)).check(np.array([[0.0, 1.0], [0.0, 0.5]]), ["a", "b"])
    for text in ("row 1, column b", "0.5", "stochastic", "cross-entropy", "Grey pixels"):
        assert text in str(error.value)


@pytest.mark.parametrize(
    ("family", "bad"),
    [
        (ContinuousBernoulli((1,)), 1.5),
        (CrossEntropy((1,)), -0.1),
        (Categorical((1,), n_categories=3), 3.0),
        (Categorical((1,), n_categories=3), 0.5),
    ],
)
def test_values_without_a_density_are_named(family: Family, bad: float) -> None:
    with pytest.raises(DataError, match="row 0, column 0"):
        family.check(np.array([[bad]]))


@pytest.mark.parametrize("scale", ["networks", -1.0, 0.0, float("inf"), float("nan")])
def test_a_scale_that_is_none_is_refused(scale: float | str) -> None:
    with pytest.raises(ParameterError, match="scale="):
        Normal((1,), scale=scale)
