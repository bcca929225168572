"""What a game says of held-out rows: true samples miss nearly nothing, however rows are sorted, repeated or weighted."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

import latentia
from latentia.batch import Batch, TensorBatches
from latentia.conditional import Conditional
from latentia.families import Normal
from latentia.learn import Adversarial
from latentia.learn.games.held_out import looked_at, missed
from latentia.models import Generator, LatentVariableModel, StandardNormal
from latentia.networks import MLP, Critic
from latentia.posteriors import Amortized

N = 1000


class Ring(nn.Module):
    """Three standard normals -> eight narrow normals on a circle."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = nn.Parameter(torch.tensor(0.05))

    def forward(self, z: Tensor) -> Tensor:
        angle = (8 * torch.special.ndtr(z[:, :1])).floor() * (np.pi / 4)
        return torch.cat([angle.cos(), angle.sin()], 1) + self.noise * z[:, 1:]


def ring() -> Generator:
    return Generator(StandardNormal(3), Ring(), (2,))


def line() -> LatentVariableModel:
    """x = (1, 0.5) z + 0.3 noise."""
    network = MLP(1, 2, ())
    with torch.no_grad():
        network.layers[0].weight.copy_(torch.tensor([[1.0], [0.5]]))
        network.layers[0].bias.zero_()
    return LatentVariableModel(StandardNormal(1), Conditional(network, Normal((2,), scale=0.3), (1,)))


def evaluated(model: Any, x: Tensor, weight: Tensor | None = None, **options: Any) -> dict[str, float]:
    who, batches = Adversarial(Critic(2, (4,)), **options), TensorBatches(x, weight=weight)
    return who.evaluate(model, batches, who.init(model, batches), 0)


def test_rows_sorted_by_mode_are_looked_at_from_all_over() -> None:
    torch.manual_seed(0)
    x = ring().sample(5 * N)
    angle = torch.atan2(x[:, 1], x[:, 0])
    assert evaluated(ring(), x[angle.argsort()])["missed"] < 0.08


def test_the_rows_looked_at_are_the_seeds() -> None:
    batches = TensorBatches(torch.arange(300.0).reshape(300, 1), batch_size=64, weight=torch.arange(300) % 3)
    x, weight = looked_at(batches, 1, most=50)
    again, _ = looked_at(batches, 1, most=50)
    other, _ = looked_at(batches, 2, most=50)
    assert torch.equal(x, again)
    assert not torch.equal(x, other)
    assert weight is not None
    assert torch.equal(weight, x.squeeze(1) % 3)
    assert float(weight.min()) == 1.0
    assert len(looked_at(batches, 1)[0]) == 200
    assert batches.position == {"epoch": 0, "row": 0}


def test_a_model_with_noise_is_looked_at_with_its_noise() -> None:
    torch.manual_seed(0)
    assert evaluated(line(), line().sample(N), judged="means")["missed"] < 0.08


def test_few_held_out_rows_say_nothing() -> None:
    assert evaluated(line(), torch.zeros(5, 2)) == {}


# --- values that come again and again --------------------------------------------------------------------------------

REPEATED: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "four fair bits": lambda rng: (rng.random((N, 4)) < 0.5).astype(float),
    "counts": lambda rng: rng.poisson(3, size=(N, 1)).astype(float),
    "pairs of counts": lambda rng: rng.poisson(3, size=(N, 2)).astype(float),
    "rows of zeros": lambda rng: rng.normal(size=(N, 2)) * (rng.random((N, 1)) < 0.4),
    "cells of zeros": lambda rng: rng.exponential(size=(N, 3)) * (rng.random((N, 3)) < 0.4),
    "a bit beside a number": lambda rng: np.column_stack([rng.random(N) < 0.5, rng.normal(size=N)]),
}


@pytest.mark.parametrize("noise", [0.0, 1e-6, 0.02])
@pytest.mark.parametrize("name", REPEATED)
def test_true_samples_of_repeated_values_miss_little(name: str, noise: float) -> None:
    rng = np.random.default_rng(0)
    rows, drawn = REPEATED[name](rng), REPEATED[name](rng)
    near = drawn + noise * rng.normal(size=drawn.shape)  # as smooth as a generator's samples are
    scaled = [torch.as_tensor((x - rows.mean(0)) / rows.std(0)) for x in (rows, near)]
    assert missed(*scaled) < 0.06


def test_left_out_values_are_missed_by_their_share() -> None:
    rng = np.random.default_rng(0)
    rows, drawn = REPEATED["four fair bits"](rng), REPEATED["four fair bits"](rng)
    drawn[:, 0] = 0
    near = torch.as_tensor(drawn + 0.05 * rng.normal(size=drawn.shape))
    assert missed(torch.as_tensor(rows), near) == pytest.approx(rows[:, 0].mean())


def test_samples_that_are_no_numbers_are_near_nothing() -> None:
    assert missed(torch.randn(20, 2), torch.full((20, 2), torch.nan)) == 1.0


# --- weights ---------------------------------------------------------------------------------------------------------


def test_weighted_rows_against_a_loop() -> None:
    torch.manual_seed(0)
    x, y, weight = torch.randn(40, 2).double(), torch.randn(40, 2).double() + 0.7, torch.rand(40).double()
    lost = 0.0
    for i in range(40):
        others = sorted((float((x[i] - x[j]).norm()), float(weight[j])) for j in range(40) if j != i)
        held = np.cumsum([w for _, w in others])
        radius = next(r for (r, _), mass in zip(others, held) if mass >= 5 * float(weight.mean()))
        lost += float(weight[i]) * all(float((x[i] - b).norm()) > radius for b in y)
    assert missed(x, y, weight=weight) == pytest.approx(lost / float(weight.sum()))
    assert missed(x, y, weight=torch.full((40,), 0.37)) == pytest.approx(missed(x, y))


def test_held_out_rows_of_weight_zero_are_not_missed() -> None:
    torch.manual_seed(0)
    x, weight = torch.cat([ring().sample(N), ring().sample(N) + 9]), torch.cat([torch.ones(N), torch.zeros(N)])
    assert evaluated(ring(), x, weight)["missed"] < 0.08
    assert evaluated(ring(), x, 1 - weight)["missed"] == 1.0


def encoder() -> Amortized:
    torch.manual_seed(1)
    return Amortized(Conditional(MLP(2, 2, (4,)), Normal((1,)), (2,), joint=True))


@pytest.mark.parametrize("judged", ["samples", "codes"])
def test_what_is_seen_of_weighted_rows_is_seen_of_rows_that_often(judged: str) -> None:
    """A row of weight 2 counts as two: against scikit-learn and the variance of repeated rows."""
    torch.manual_seed(0)
    model, x, weight = line(), torch.randn(64, 2), torch.randint(0, 3, (64,))
    critic = Critic(1 if judged == "codes" else 2, (8,))
    who = Adversarial(critic, judged=judged, posterior=encoder() if judged == "codes" else None)
    players = who._players(model, 1.0)
    batch = Batch(x, torch.arange(64), weight.float())
    torch.manual_seed(3)
    with torch.no_grad():
        rows, drawn = players.real(batch), players.fake(batch)
        real, fake = players.scores(rows, drawn)
    torch.manual_seed(3)
    parts = players.critic_loss(batch)[0].parts
    counts = [torch.ones(64).long(), weight] if judged == "codes" else [weight, torch.ones(64).long()]
    area = roc_auc_score([1] * 64 + [0] * 64, torch.cat([real, fake]), sample_weight=torch.cat(counts).numpy())
    assert float(parts["told_apart"]) == pytest.approx(area, abs=1e-5)
    spreads = [float(t.repeat_interleave(n, 0).var(0, False).sum()) for t, n in zip((rows, drawn), counts)]
    assert float(parts["spread"]) == pytest.approx(spreads[1] / spreads[0], rel=1e-4)


def test_weightless_rows_far_away_do_not_widen_the_data() -> None:
    """The weightless far rows have most of the plain variance."""
    torch.manual_seed(0)
    x, weight = (
        torch.cat([line().sample(200), 50 * torch.randn(200, 2)]),
        torch.cat([torch.ones(200), torch.zeros(200)]),
    )
    who = Adversarial(Critic(2, (8,)), learning_rate=1e-9, average=0.0)
    fit = latentia.fit(line(), who, x, weight=weight, batch_size=100, max_epochs=3, seed=0, device="cpu")
    assert abs(fit.history[-1]["spread"] - 1) < 0.4
