"""Evidence in float32 of a model in float64: the same numbers up to rounding, from copies."""

import numpy as np
import pytest
import torch

from latentia import VAE, evidence
from latentia.batch import TensorBatches
from latentia.errors import ParameterError
from latentia.models import ProbabilisticPCA
from latentia.posteriors import Exact

X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)


@pytest.fixture(scope="module", params=["normal", "vamp"])
def vae(request: pytest.FixtureRequest) -> VAE:
    """Of a VampPrior p and q share a network, which a copy must share too."""
    options = {"n_latent": 2, "hidden": (8,), "max_epochs": 3, "device": "cpu", "random_state": 0}
    return VAE(**options, prior=request.param).fit(X)


@pytest.mark.parametrize("method", ["importance", "elbo", "annealed"])
def test_in_float32_the_numbers_are_the_same_up_to_rounding(vae: VAE, method: str) -> None:
    found = {name: vae.evidence(X, method, 20, precision=name) for name in ("float64", "float32")}
    assert torch.equal(found["float64"].values, vae.evidence(X, method, 20).values)
    apart = (found["float32"].values - found["float64"].values).abs()
    if method == "annealed":  # a step that is taken in one precision alone leads elsewhere
        assert 0 < float(apart.median()) < float(found["float64"].row_mc_error.median())
    else:
        assert 0 < float(apart.max()) < 1e-3
    assert found["float32"].values.dtype == torch.float64
    assert {p.dtype for m in (vae.model_, vae.posterior_) for p in m.parameters()} == {torch.float64}


def test_what_has_no_precision_of_its_own_is_refused() -> None:
    model, x = ProbabilisticPCA(5, 2), torch.from_numpy(X)
    for method, data, precision, words in (
        ("exact", x, "float32", "exact evidence has none"),
        ("importance", x, "float16", "precision='float16'"),
        ("importance", TensorBatches(x, batch_size=8), "float32", "have a type of their own"),
    ):
        with pytest.raises(ParameterError, match=words):
            evidence.estimate(method, model, Exact(), data, precision=precision)
