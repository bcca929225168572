"""Rows rebuilt in a critic's features teach the likelihood no noise, and the status says so."""

from typing import Any

import pytest
import torch

import latentia
from latentia.conditional import Conditional
from latentia.families import Bernoulli, Normal
from latentia.learn import Adversarial
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import MLP, Critic
from latentia.posteriors import Amortized

D, K = 3, 2
CASES: dict[str, tuple[Any, dict[str, Any], bool]] = {
    "features": (Normal((D,), scale="per-feature"), {"reconstruct": "features", "judged": "means"}, True),
    "features beside samples": (Normal((D,), scale="per-feature"), {"reconstruct": "features"}, False),
    "data": (Normal((D,), scale="per-feature"), {"judged": "means"}, False),
    "a known noise": (Normal((D,), scale=0.3), {"reconstruct": "features", "judged": "means"}, False),
    "bits": (Bernoulli((D,)), {"reconstruct": "features", "judged": "means"}, False),
}


@pytest.mark.parametrize("name", CASES)
def test_a_noise_that_is_not_learnt_is_said(name: str) -> None:
    family, options, said = CASES[name]
    torch.manual_seed(0)
    model = LatentVariableModel(StandardNormal(K), Conditional(MLP(K, D, (8,)), family, (K,)))
    q = Amortized(Conditional(MLP(D, 2 * K, (8,)), Normal((K,)), (D,), joint=True))
    before = [p.detach().clone() for p in family.parameters()]
    who = Adversarial(Critic(D, (8,)), posterior=q, **options)
    x = (torch.randn(64, D) > 0).float()
    fit = latentia.fit(model, who, x, batch_size=32, max_epochs=3, seed=0, device="cpu")
    assert ("noise of the likelihood was not learnt" in fit.status) == said
    if before:
        assert all(torch.equal(a, b) for a, b in zip(before, family.parameters())) == said
