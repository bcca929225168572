"""The two players of an adversarial game: what each is shown, and what each loses."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ...batch import Batch
from ...bounds import Bound, Terms
from ...distributions import centre, draw
from ...posteriors.base import still
from ..objective import Objective
from .objectives import Game, packed
from .packs import pack_weight, part_of_noise
from .penalties import Penalties
from .seen import seen


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
        parts = {"critic_loss": losses.detach(), **self._seen(rows, drawn, real_score, fake_score, batch.weight)}
        if self.penalties.any:
            penalty = self.penalties(self.score, real, fake)
            parts["critic_penalty"], loss = penalty.detach(), loss + self._mean(penalty, batch)
        return Terms(losses.detach(), losses.detach(), parts), loss

    def generator_loss(self, batch: Batch, kl_weight: Tensor) -> tuple[Terms, Tensor]:
        """The generator's terms and loss; no gradient reaches the critic."""
        with still(self.critic):
            losses = self._fooling(batch)
            loss = self.game_weight * self._mean(losses, batch)
            parts = {"generator_loss": losses.detach()}
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
        """Mean over the packs of all processes, each as often as it counts; the samples do not depend on the weights."""
        weight = pack_weight(batch, self.pack)
        if weight is not None:
            losses = losses * (weight / self.mean_weight**self.pack)
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

    def _seen(
        self, rows: Tensor, drawn: Tensor, real: Tensor, fake: Tensor, weight: Tensor | None
    ) -> dict[str, Tensor]:
        """What diagnosis looks at; of codes, the drawn ones are those of rows."""
        weights = (None, weight) if self.judged == "codes" else (weight, None)
        return seen(rows, drawn, real.detach(), fake.detach(), *weights, pack=self.pack)


def samples(model: Any, n: int, judged: str = "samples") -> Tensor:
    """n draws of x (or means of p(x|z)) from the prior's z, with their gradient, user's units, `(n, *event)`."""
    likelihood = model.likelihood(_drawn(model.prior(), n).unsqueeze(0))
    if judged == "means":
        return centre(likelihood).squeeze(0)
    with part_of_noise(n, axis=1):
        return likelihood.rsample().squeeze(0)


def _drawn(prior: Distribution, n: int) -> Tensor:
    with part_of_noise(n, axis=1):
        shape = torch.Size((1, n))
        return (prior.rsample(shape) if prior.has_rsample else prior.sample(shape)).squeeze(0)
