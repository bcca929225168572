"""A row's weight is how often the row counts, in a game's losses, penalties and history: against repeated rows."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import latentia
from latentia.batch import Batch, TensorBatches
from latentia.learn import Adversarial
from latentia.learn.games.packs import pack_weight
from latentia.learn.games.penalties import Penalties
from latentia.models import Generator, StandardNormal
from latentia.networks import MLP, Critic

ROWS = torch.tensor([[1.0, 0.0], [10.0, 0.0]])
WEIGHT = torch.tensor([3.0, 1.0])


class Bowl(nn.Module):
    """a |x|^2, whose squared slope is 4 a^2 |x|^2."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x.square().sum(1)


class Fixed(nn.Module):
    """x = b, whatever z: as many samples as one likes, all alike."""

    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.tensor([2.0, 1.0]))

    def forward(self, z: Tensor) -> Tensor:
        return self.b + 0 * z


def loss_and_slope(x: Tensor, weight: Tensor | None, **penalties: float) -> tuple[float, float]:
    """The critic's loss and its derivative in a."""
    model, critic = Generator(StandardNormal(2), Fixed(), (2,)), Bowl()
    players = Adversarial(critic, **penalties)._players(model, 1.0 if weight is None else float(weight.mean()))  # type: ignore[arg-type]
    _, loss = players.critic_loss(Batch(x, torch.arange(len(x)), weight))
    return float(loss.detach()), float(torch.autograd.grad(loss, critic.a)[0])


@pytest.mark.parametrize("penalty", ["r1", "r2"])
def test_a_penalty_of_weighted_rows_is_that_of_repeated_rows(penalty: str) -> None:
    repeated = ROWS.repeat_interleave(WEIGHT.long(), 0)
    weighed = loss_and_slope(ROWS, WEIGHT, **{penalty: 2.0})
    assert weighed == pytest.approx(loss_and_slope(repeated, None, **{penalty: 2.0}), rel=1e-6)
    alone = loss_and_slope(ROWS, WEIGHT)
    at = ROWS if penalty == "r1" else torch.tensor([[2.0, 1.0]]).expand(2, 2)
    by_hand = float((WEIGHT * 4 * at.square().sum(1)).sum() / WEIGHT.sum())  # of weight 2, halved
    assert weighed[0] - alone[0] == pytest.approx(by_hand, rel=1e-6)


def test_rows_of_no_weight_do_not_tilt_the_line_between_rows_and_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    halfway = lambda *shape, **options: torch.full(shape, 0.5)  # noqa: E731
    monkeypatch.setattr("latentia.learn.games.penalties.torch.rand", halfway)
    weighed = loss_and_slope(ROWS, torch.tensor([2.0, 0.0]), gradient_penalty=1.0)
    alone = loss_and_slope(ROWS, torch.tensor([2.0, 0.0]))
    middle = (ROWS[0] + torch.tensor([2.0, 1.0])) / 2
    assert weighed[0] - alone[0] == pytest.approx(float((2 * middle.norm() - 1) ** 2), rel=1e-5)


def test_penalties_are_told_pack_by_pack() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    found = Penalties(r1=3, r2=5)(lambda x: x.square().sum(1), x, 2 * x)
    assert torch.allclose(found, (0.5 * 3 + 0.5 * 5 * 4) * 4 * x.square().sum(1))


def test_a_pack_weighs_the_product_of_its_rows_weights() -> None:
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    batch = Batch(torch.zeros(4, 2), torch.arange(4), weight)
    assert pack_weight(batch, 1) is weight
    assert pack_weight(batch, 2).tolist() == [2.0, 12.0]  # type: ignore[union-attr]
    assert pack_weight(Batch(torch.zeros(4, 2), torch.arange(4)), 2) is None


@pytest.mark.parametrize("weight", [None, torch.arange(1.0, 8.0)])
def test_an_epochs_losses_are_means_over_its_rows(weight: Tensor | None) -> None:
    """With players that stand still, against the losses of all rows at once; the last batch is a short one."""
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    critic, options = Critic(2, (4,)), {"optimizer": lambda p: torch.optim.SGD(p, 0.0), "average": 0.0}
    model = Generator(StandardNormal(2), Fixed(), (2,))
    who = Adversarial(critic, r1=0.5, **options)  # type: ignore[arg-type]
    fit = latentia.fit(model, who, x, weight=weight, batch_size=3, max_epochs=1, device="cpu")
    share = torch.ones(7) if weight is None else weight
    with torch.no_grad():
        real, fake = critic(x).reshape(-1), critic(model.network.b.expand(1, 2)).reshape(-1)  # type: ignore[union-attr, operator]
        lost = nn.functional.softplus(-real) + nn.functional.softplus(fake)
        fooled = nn.functional.softplus(-fake)
    row = fit.history[0]
    assert row["critic_loss"] == pytest.approx(float((share * lost).sum() / share.sum()), rel=1e-5)
    assert row["generator_loss"] == pytest.approx(float(fooled), rel=1e-5)
    assert row["real_score"] == pytest.approx(float((share * real).sum() / share.sum()), rel=1e-5)


def test_a_steps_entries_are_packs_or_beside_a_bound_rows() -> None:
    torch.manual_seed(0)
    model = Generator(StandardNormal(2), MLP(2, 3, (4,)), (3,))
    who: Any = Adversarial(Critic(6, (4,)), pack=2, r1=0.5)
    batches = TensorBatches(torch.randn(8, 3), batch_size=8, weight=torch.arange(1.0, 9.0))
    state = who.init(model, batches)
    _, info = who.step(model, batches, state)
    assert info.weight.shape == (4,)
    assert {tuple(part.shape) for part in info.parts.values()} == {(4,)}
