"""The games that a generator and a critic play: what each loses, from the critic's scores of rows and of samples."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

from ...errors import choose

Scored = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Game:
    """What the critic and the generator lose, pack by pack.

    Arguments:
        name: of the game.
        critic: `critic(real, fake) -> (packs,)`, from the critic's scores of packs of rows and of samples.
        generator: `generator(real, fake) -> (packs,)`, the same for the generator.
        source: where it was published.
        needs_real: whether the generator's loss depends on the scores of the rows.
    """

    name: str
    critic: Scored
    generator: Scored
    source: str
    needs_real: bool = False


def _cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real) + softplus(fake)


def _unsure(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-fake)


def _caught(real: Tensor, fake: Tensor) -> Tensor:
    return -softplus(fake)


def _difference(real: Tensor, fake: Tensor) -> Tensor:
    return fake - real


def _low(real: Tensor, fake: Tensor) -> Tensor:
    return -fake


def _margins(real: Tensor, fake: Tensor) -> Tensor:
    return relu(1 - real) + relu(1 + fake)


def _off_target(real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * ((real - 1).square() + fake.square())


def _off_one(real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * (fake - 1).square()


def _not_above(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(fake - real)


def _not_below(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(real - fake)


_WITH_REAL = "Jolicoeur-Martineau, 2019; Huang et al., 2024, equation 2"
_HINGE = "Lim and Ye, 2017, equations 12 and 13"
GAMES = {
    game.name: game
    for game in (
        Game("non-saturating", _cross_entropy, _unsure, "Goodfellow et al., 2014, section 3"),
        Game("minimax", _cross_entropy, _caught, "Goodfellow et al., 2014, equation 1"),
        Game("wasserstein", _difference, _low, "Arjovsky et al., 2017, equation 2"),
        Game("hinge", _margins, _low, _HINGE),
        Game("least-squares", _off_target, _off_one, "Mao et al., 2017, equation 9"),
        Game("relativistic", _not_above, _not_below, _WITH_REAL, needs_real=True),
    )
}


def game(name: str) -> Game:
    """The game of that name.

    >>> game("hinge").critic(torch.tensor([2.0]), torch.tensor([0.0]))
    tensor([1.])
    """
    return GAMES[choose("objective", name, tuple(GAMES))]


def packed(x: Tensor, pack: int) -> Tensor:
    """`pack` rows side by side as one, `(rows / pack, pack x first axis, *rest)`.

    Source: Lin et al., "PacGAN", 2018, section 3.

    >>> packed(torch.arange(8.0).reshape(4, 2), 2).tolist()
    [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]
    """
    return x if pack == 1 else x.reshape(x.shape[0] // pack, pack * x.shape[1], *x.shape[2:])


def told_apart(
    real: Tensor, fake: Tensor, real_share: Tensor | None = None, fake_share: Tensor | None = None
) -> Tensor:
    """Share of pairs in which the critic scores the row above the sample, ties counting half: 0.5 is a guess.

    Arguments:
        real, fake: scores, `(packs,)` each.
        real_share, fake_share: what each counts, summing to one; None is the same for all.

    >>> told_apart(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 0.0]))
    tensor(0.7500)
    """
    above = 0.5 * ((real.unsqueeze(1) - fake.unsqueeze(0)).sign() + 1)
    by_row = above.mean(1) if fake_share is None else above @ fake_share
    return by_row.mean() if real_share is None else real_share @ by_row
