"""The two players of an adversarial game: what each is shown, and what each loses."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ...batch import Batch
from ...bounds import Bound, Terms
from ...distributions import centre, draw
from ...errors import AbilityError
from ...posteriors.base import still
from ...randomness import PartNoise, current_part
from ..objective import Objective
from .objectives import Game, packed, told_apart
from .penalties import Penalties

PAIRED = 256  # packs of each whose scores are compared pair by pair


@dataclass
class Players:
    """A model (with a posterior, if it has one) and a critic, and the losses of both.

    Arguments:
        model, critic, posterior: the networks.
        game, penalties, pack, judged: see `Adversarial`.
        bound, objective: what model and posterior ascend besides; None for the game alone.
        game_weight: of the game beside the bound.
        on_features: whether rows are reconstructed in the critic's features.
        mean_weight: mean row weight of the data.
    """

    model: Any
    critic: nn.Module
    posterior: nn.Module
    game: Game
    penalties: Penalties
    pack: int
    judged: str
    bound: Bound | None
    objective: Objective | None
    game_weight: float
    on_features: bool
    mean_weight: float

    def __post_init__(self) -> None:
        norms = nn.modules.batchnorm._BatchNorm
        self.apart = any(isinstance(part, norms) for part in self.critic.modules())

    # --- what the critic is shown ------------------------------------------------------------------------------

    def real(self, batch: Batch) -> Tensor:
        """Rows in the model's units, `(rows, *event)`; of codes, draws of the prior."""
        if self.judged == "codes":
            return _drawn(self.model.prior(), len(batch)).detach().flatten(1)
        return self.model.standardise(batch.x)

    def fake(self, batch: Batch) -> Tensor:
        """As many samples in the model's units, with their gradient; of codes, draws of q(z|x)."""
        if self.judged == "codes":
            return draw(self.posterior(batch, self.model), 1).squeeze(0).flatten(1)
        return self.model.standardise(samples(self.model, len(batch), self.judged))

    def scores(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """What the critic thinks of packs, `(packs,)` each; batch norms see rows and samples apart."""
        if self.apart:
            return self.score(real), self.score(fake)
        both = self.score(torch.cat([real, fake]))
        return both[: len(real)], both[len(real) :]

    def score(self, packs: Tensor) -> Tensor:
        """What the critic thinks of packs, `(packs,)`."""
        return self.critic(packs).reshape(-1)

    # --- what each loses ---------------------------------------------------------------------------------------

    def critic_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """The critic's terms and loss; no gradient reaches the model or the posterior."""
        with torch.no_grad():
            rows, drawn = self.real(batch), self.fake(batch)
        real, fake = packed(rows, self.pack), packed(drawn, self.pack)
        real_score, fake_score = self.scores(real, fake)
        losses = self.game.critic(real_score, fake_score)
        loss = self._mean(losses, batch)
        parts = {"critic_loss": loss.detach(), **self._seen(rows, drawn, real_score.detach(), fake_score.detach())}
        if self.penalties.any:
            penalty = self.penalties(self.score, real, fake)
            parts["critic_penalty"], loss = penalty.detach(), loss + penalty * (len(batch) / batch.n_together)
        return Terms(losses.detach(), losses.detach(), parts), loss

    def generator_loss(self, batch: Batch, kl_weight: Tensor) -> tuple[Terms, Tensor]:
        """The generator's terms and loss; no gradient reaches the critic."""
        with still(self.critic):
            losses = self._fooling(batch)
            loss = self.game_weight * self._mean(losses, batch)
            parts = {"generator_loss": self._mean(losses, batch).detach()}
            if self.bound is None or self.objective is None:
                return Terms(losses.detach(), losses.detach(), parts), loss
            terms = self.bound(self.model, self.posterior, batch)
            if self.on_features:
                terms = self._in_features(terms, batch)
            loss = loss + self.objective(terms, batch, kl_weight, self.mean_weight)
            return replace(terms, parts={**terms.parts, **parts}), loss

    def _fooling(self, batch: Batch) -> Tensor:
        fake = packed(self.fake(batch), self.pack)
        if self.game.needs_real:
            real_score, fake_score = self.scores(packed(self.real(batch), self.pack), fake)
            return self.game.generator(real_score, fake_score)
        fake_score = self.score(fake)
        return self.game.generator(fake_score, fake_score)

    def _mean(self, losses: Tensor, batch: Batch) -> Tensor:
        """Mean over packs; a pack weighs the product of its rows' weights, which the samples do not depend on."""
        if batch.weight is not None:
            weight = batch.weight / self.mean_weight
            losses = losses * weight.reshape(-1, self.pack).prod(1)
        return losses.mean() * (len(batch) / batch.n_together)

    def _in_features(self, terms: Terms, batch: Batch) -> Terms:
        """The same terms, with -1/2 |f(x) - f(x')|^2 to be differentiated in place of the reconstruction."""
        z = draw(self.posterior(batch, self.model), 1)
        rebuilt = self.model.standardise(centre(self.model.likelihood(z)).squeeze(0))
        features: Any = self.critic.features
        with torch.no_grad():
            wanted = features(self.model.standardise(batch.x))
        near = -0.5 * (features(rebuilt) - wanted).square().flatten(1).sum(1)
        return replace(terms, surrogate=near - terms.parts["kl"])

    def _seen(self, rows: Tensor, drawn: Tensor, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """What diagnosis looks at: mean scores, how well they are told apart, spread of samples beside that of rows."""
        spread = drawn.flatten(1).var(0, False).sum() / rows.flatten(1).var(0, False).sum().clamp_min(1e-12)
        apart = told_apart(real[:PAIRED], fake[:PAIRED])
        return {"real_score": real.mean(), "fake_score": fake.mean(), "told_apart": apart, "spread": spread}


def samples(model: Any, n: int, judged: str = "samples") -> Tensor:
    """n draws of x (or means of p(x|z)) from the prior's z, with their gradient, user's units, `(n, *event)`."""
    likelihood = model.likelihood(_drawn(model.prior(), n).unsqueeze(0))
    if judged == "means":
        return centre(likelihood).squeeze(0)
    with _part():
        return likelihood.rsample().squeeze(0)


def _drawn(prior: Distribution, n: int) -> Tensor:
    with _part():
        shape = torch.Size((1, n))
        return (prior.rsample(shape) if prior.has_rsample else prior.sample(shape)).squeeze(0)


def _part() -> Any:
    part = current_part()
    return nullcontext() if part is None else PartNoise(*part, axis=1)


def whole_packs(batch: Batch, pack: int) -> Batch | None:
    """The rows of a batch that make whole packs; None where there is not one."""
    if batch.observed is not None:
        raise AbilityError(
            "A critic sees whole rows; these have missing cells. Fill them first, or leave such rows out, or use a VAE."
        )
    n = len(batch) - len(batch) % pack
    if n == len(batch):
        return batch
    cut = lambda t: None if t is None else t[:n]  # noqa: E731
    return (
        None
        if n == 0
        else replace(batch, x=batch.x[:n], index=batch.index[:n], weight=cut(batch.weight), label=cut(batch.label))
    )
