"""Whether z is used: KL of each unit, mutual information, encoder lag; once, or while a fit goes on."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ..batch import Batch, TensorBatches
from ..bounds import Elbo
from ..bounds.evaluate import evaluating, held_out_bound
from ..bounds.information import mutual_information
from ..errors import AbilityError, ParameterError
from ..posteriors import Refined
from .diagnostics import active_units

GRID = 6.0  # standard deviations of the prior that the grid of a one-dimensional z covers


@dataclass(frozen=True)
class Diagnosis:
    """What z carries over some rows, nats per row.

    Arguments:
        kl: mean KL(q(z|x) || p(z)).
        unit_kl: of each latent unit, their sum the KL; None where the units are tied together.
        activity: variance over rows of each unit's posterior mean.
        active_units: units whose activity exceeds 0.01.
        mutual_information, ceiling: I_q(x, z), and the most that it could come out as with these rows: log(rows).
        lag: mean of ELBO(q refined to convergence) - ELBO(q): how far the encoder is behind; None where nobody asked.
        rows: that were looked at.
    """

    kl: float
    unit_kl: tuple[float, ...] | None
    activity: tuple[float, ...]
    active_units: int
    mutual_information: float
    ceiling: float
    lag: float | None
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def diagnose(model: Any, posterior: Any, x: Tensor, *, lag_steps: int = 0, seed: int = 0) -> Diagnosis:
    """Look at rows x `(rows, *event)`, user's units.

    Arguments:
        model, posterior: p and q.
        x: the rows; all of them make up the mixture of the mutual information.
        lag_steps: steps in which each row's q is refined for the lag; 0 leaves the lag out. 200 are as good as convergence.
        seed: of the noise, which also depends on each row's content.

    Raises: `AbilityError` where the latent is not a vector of units; for a lag, where q is not normal.

    Sources: Burda et al., 2016, section 5.2 (active units); Hoffman and Johnson, "ELBO surgery", 2016 (mutual information);
    He et al., "Lagging inference networks", 2019, figure 2 (lag).

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> diagnose(ProbabilisticPCA(3, 1), Exact(), torch.zeros(4, 3, dtype=torch.float64)).active_units
    0
    """
    if not model.latent_shape:
        raise AbilityError(
            f"{type(model).__name__} has a finite latent without units to look at. Look at its responsibilities."
        )
    like = next(model.parameters())
    rows = TensorBatches(x.to(like.device), batch_size=1024, dtype=like.dtype)
    with evaluating(model, posterior):
        units = active_units(model, posterior, rows)
        found = mutual_information(model, posterior, rows, seed=seed)
        lag = encoder_lag(model, posterior, x, n_steps=lag_steps, seed=seed) if lag_steps else None
    return Diagnosis(
        found.kl if units.kl is None else float(units.kl.sum()),
        None if units.kl is None else tuple(units.kl.tolist()),
        tuple(units.activity.tolist()),
        units.n_active,
        found.value,
        found.ceiling,
        lag,
        len(x),
    )


def encoder_lag(
    model: Any, posterior: Any, x: Tensor, *, n_steps: int = 200, n_samples: int = 16, seed: int = 0
) -> float:
    """Mean of ELBO(refined q) - ELBO(q) over rows x, nats per row, with the same noise in both: 0 for an encoder up to date.

    Raises: `AbilityError` where q is not normal in each unit.
    """
    like = next(model.parameters())
    rows = TensorBatches(x.to(like.device), batch_size=1024, dtype=like.dtype)
    refined = Refined(posterior, n_steps=n_steps, seed=seed + 1)
    bounds = [held_out_bound(model, q, Elbo(n_samples), rows, seed)["bound"] for q in (refined, posterior)]
    return bounds[0] - bounds[1]


def grid_posterior_means(model: Any, x: Tensor, n_points: int = 401) -> Tensor:
    """E[z|x] under p(z|x) of each row for a one-dimensional z, by summing over a grid, `(rows,)`, float64.

    Raises: `AbilityError` where z has more dimensions.
    """
    if tuple(model.latent_shape) != (1,):
        raise AbilityError(f"A grid is for one-dimensional z; this one has the shape {tuple(model.latent_shape)}.")
    like = next(model.parameters())
    x, means = x.to(like), []
    grid = torch.linspace(-GRID, GRID, n_points, dtype=like.dtype, device=like.device)
    with evaluating(model):
        for part in x.split(64):
            z = grid.reshape(-1, 1, 1).expand(-1, len(part), 1)
            weight = torch.softmax(model.log_joint(part, z).double(), 0)
            means.append(weight.T @ grid.double())
    return torch.cat(means).cpu()


class CollapseWatch:
    """A callback for `fit` that looks at the same rows every few epochs and writes what it finds into the history.

    The rows of the history have the split "probe", with kl, active_units, mutual_information, ceiling and, where it is
    asked for, lag. The fit is the same bits with it and without.

    Arguments:
        x: rows to look at, user's units, `(rows, *event)`; some hundreds will do.
        every: epochs between two looks.
        lag_steps: steps of refinement for the lag; 0 leaves it out.
        trajectory: for a one-dimensional z, keep where the rows are in the plane of E_p[z|x] and E_q[z|x], in `points`, a list
            of (epoch, E_p `(rows,)`, E_q `(rows,)`).
        seed: of the noise.

    Source: He et al., "Lagging inference networks and posterior collapse in variational autoencoders", 2019, figures 1 to 3.

    >>> import latentia
    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> watch = CollapseWatch(x[:32])
    >>> vae = latentia.VAE(n_latent=2, hidden=(8,), max_epochs=2, random_state=0).fit(x, callbacks=[watch])
    >>> [row["epoch"] for row in vae.history_ if row["split"] == "probe"]
    [1, 2]
    """

    def __init__(self, x: Any, *, every: int = 1, lag_steps: int = 0, trajectory: bool = False, seed: int = 0) -> None:
        if every < 1:
            raise ParameterError(f"every={every} cannot be used. Use a whole number of epochs, at least 1.")
        self.x = torch.as_tensor(x)
        self.every, self.lag_steps, self.trajectory, self.seed = every, lag_steps, trajectory, seed
        self.points: list[tuple[int, Tensor, Tensor]] = []

    def __call__(self, loop: Any) -> bool:
        """Look, if it is time; never stops the fit."""
        row = loop.history[-1]
        if row["epoch"] % self.every:
            return False
        found = diagnose(loop.model, loop.posterior, self.x, lag_steps=self.lag_steps, seed=self.seed)
        numbers = {
            "kl": found.kl,
            "active_units": found.active_units,
            "mutual_information": found.mutual_information,
            "ceiling": found.ceiling,
        }
        numbers |= {} if found.lag is None else {"lag": found.lag}
        loop.history.append({"step": row["step"], "epoch": row["epoch"], "split": "probe", **numbers})
        if self.trajectory:
            self.points.append((row["epoch"], *posterior_plane(loop.model, loop.posterior, self.x)))
        return False


def posterior_plane(model: Any, posterior: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """E_p[z|x] by a grid and E_q[z|x] of each row for a one-dimensional z, `(rows,)` each."""
    exact, like = grid_posterior_means(model, x), next(model.parameters())
    with evaluating(model, posterior):
        q = posterior(Batch(x.to(like), torch.arange(len(x), device=like.device)), model)
        return exact, q.mean.double().cpu().flatten()
