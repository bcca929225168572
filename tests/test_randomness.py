"""Streams are given back; a row's noise is its own, and it is noise."""

import numpy as np
import pytest
import torch
from scipy import stats

from latentia.distributions import draw
from latentia.randomness import RowNoise, Stream, row_keys, row_noise


def test_stream_repeats_and_leaves_the_process_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    with Stream(3) as stream:
        first = torch.rand(4)
        state = [s.clone() for s in stream.state()]
        second = torch.rand(4)
        with stream.outside():
            assert torch.equal(torch.get_rng_state(), before)
        stream.restore(state)
        assert torch.equal(torch.rand(4), second)
    assert torch.equal(torch.get_rng_state(), before)
    with Stream(3):
        assert torch.equal(torch.rand(4), first)


def test_stream_is_given_back_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), Stream(3):  # noqa: PT012
        torch.rand(4)
        1 / 0  # noqa: B018
    assert torch.equal(torch.get_rng_state(), before)


def test_noise_is_uniform_normal_and_independent() -> None:
    x = torch.arange(2000, dtype=torch.float64).reshape(-1, 1)
    noise = RowNoise(x, seed=0)
    u = noise.uniform(50, (3,)).numpy()
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-6
    flat = u.reshape(50, -1)
    correlation = np.corrcoef(flat)[np.triu_indices(50, 1)]
    assert np.abs(correlation).max() < 6 / np.sqrt(flat.shape[1])
    cells = np.corrcoef(u.transpose(2, 0, 1).reshape(3, -1))[np.triu_indices(3, 1)]
    assert np.abs(cells).max() < 6 / np.sqrt(100_000)
    assert stats.kstest(noise.normal(20, (2,)).numpy().ravel(), "norm").pvalue > 1e-6


def test_noise_of_a_row_ignores_neighbours_order_and_chunks() -> None:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    whole = RowNoise(x, seed=1).uniform(10, (2,))
    assert torch.equal(RowNoise(x.flip(0), seed=1).uniform(10, (2,)).flip(1), whole)
    assert torch.equal(RowNoise(x[2:3], seed=1).uniform(10, (2,)), whole[:, 2:3])
    assert torch.equal(RowNoise(x, seed=1, first=4).uniform(6, (2,)), whole[4:])
    assert not torch.equal(RowNoise(x, seed=2).uniform(10, (2,)), whole)


def test_keys_are_those_of_the_values() -> None:
    x = torch.tensor([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0], [0.0, 1.5]])
    keys = row_keys(x, 0)
    assert keys[0] == keys[1]
    assert len(set(keys.tolist())) == 3
    assert torch.equal(keys, row_keys(x.double(), 0))


@pytest.mark.parametrize(
    "q",
    [
        torch.distributions.Normal(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])),
        torch.distributions.Laplace(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])),
        torch.distributions.Bernoulli(torch.tensor([0.1, 0.7])),
        torch.distributions.MultivariateNormal(torch.zeros(2, 2), torch.eye(2).expand(2, 2, 2)),
        torch.distributions.Categorical(torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])),
    ],
    ids=lambda q: type(q).__name__,
)
def test_draws_from_noise_have_the_moments(q: torch.distributions.Distribution) -> None:
    n = 40_000
    with row_noise(torch.eye(2), seed=0):
        z = draw(q, n).double()
    if isinstance(q, torch.distributions.Categorical):
        share = torch.nn.functional.one_hot(z.long(), 3).double().mean(0)
        assert (share - q.probs).abs().max() < 6 * 0.5 / np.sqrt(n)
        return
    error = (q.variance / n).sqrt()
    assert ((z.mean(0) - q.mean).abs() < 6 * error).all()
    assert torch.allclose(z.var(0), q.variance.double(), rtol=0.1, atol=0.01)
