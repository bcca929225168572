"""What a finished run suffers from, in plain words, and what to try."""

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

from ..data import Dataset
from ..errors import AbilityError
from ..learn import Adversarial
from ..learn.games.diagnosis import diagnose as diagnose_game
from ..learn.games.settings import used_by
from ..learn.goals import has_own_goals
from .curve_words import BOUNDS
from .doctor_data import values
from .doctor_latents import latents
from .findings import Finding, worst
from .text_sections import is_text, make_text_view
from .view import Part, make_view

__all__ = ["Finding", "examine", "worst"]

ROWS = 500  # that are looked at
KEPT = "The weights are those of the best held-out bound, at step "  # of a fit's status


def examine(estimator: Any, dataset: Dataset, *, n_samples: int = 128, lag: bool = True) -> list[Finding]:
    """Look at a fitted estimator and the data it was fitted to: the ending, z, the objective, the data, the numbers.

    Arguments:
        estimator: fitted.
        dataset: its data; rows that it did not learn from are looked at where there are some.
        n_samples: draws of z per row, for the importance weights.
        lag: whether the encoder's lag is measured, which takes the longest.

    Raises: `DataError` where the data have other columns than the fit's.
    """
    view = (make_text_view if is_text(estimator) else make_view)(estimator, dataset)
    rows = view.parts[0].take(ROWS, view.seed)
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _ending(estimator),
        lambda: _game(estimator),
        lambda: latents(estimator, rows, lag),
        lambda: _objective(estimator),
        lambda: values(estimator, view, rows),
        lambda: _weights(estimator, rows, n_samples),
        lambda: _fitted(estimator),
    )
    return [finding for look in looks for finding in look()]


# --- how it ended --------------------------------------------------------------------------------------------------


def _ending(estimator: Any) -> Iterator[Finding]:
    fit = estimator.fit_
    numbers = {"steps": fit.steps, "epochs": fit.epochs}
    if fit.interrupted:
        yield Finding("ending", "trouble", f"{fit.status} Go on with `latentia resume RUN`.", numbers)
    elif not fit.finished:  # a loss stopped being a number: to go on would be to break again
        yield Finding("ending", "trouble", f"{fit.status} Fit anew.", numbers)
    elif "Stopped after max_iter" in fit.status:
        yield Finding("ending", "look", fit.status, numbers)
    else:
        yield Finding(
            "ending", "fine", fit.status.split(" Posterior collapse")[0].split(" Learnt by a game")[0], numbers
        )


def _game(estimator: Any) -> Iterator[Finding]:
    """What the history of a game says, in the words of the fit's own status."""
    learner = estimator.learner_
    if not isinstance(learner, Adversarial):
        return
    seen = diagnose_game(estimator.fit_.history, used_by(learner))
    for sentence in seen:
        yield Finding("game", "trouble", sentence)
    if not seen:
        yield Finding("game", "fine", "Neither collapse nor a critic that has won, nor circles, nor divergence.")


# --- the objective -------------------------------------------------------------------------------------------------


def _objective(estimator: Any) -> Iterator[Finding]:
    objective = getattr(estimator.learner_, "objective", None)
    if objective is None or not hasattr(objective, "status"):
        return
    steps, words = estimator.fit_.steps, objective.status(estimator.fit_.steps)
    if steps < objective.warm_up:
        text = f"{words} Take kl_warm_up={max(1, steps // 4)}, or more epochs: until it ends, early stopping does not begin."
        numbers = {"steps": steps, "warm_up": objective.warm_up, "weight": objective.weight_at(steps)}
        yield Finding("warm-up", "trouble", text, numbers)
    elif words:
        yield Finding("objective", "look", f"{words} The reported bounds carry the KL at its full price.")
    elif getattr(estimator.learner_, "game_weight", 0.0):
        yield Finding(
            "objective", "look", "A game moved the weights beside the bound, so that they do not maximise it."
        )
    elif has_own_goals(estimator.learner_):
        name, bound = estimator.learner_.name, BOUNDS.get(type(estimator.learner_.bound), "ELBO")
        text = f"{name} has goals of its own, which are not the bound; what is reported, and chooses the weights, is the {bound}."
        yield Finding("objective", "fine", text)
    else:
        yield Finding("objective", "fine", "It was the bound itself at the end.")


# --- the numbers ---------------------------------------------------------------------------------------------------


def _weights(estimator: Any, rows: Part, n_samples: int) -> Iterator[Finding]:
    if estimator._default_evidence != "importance":
        return
    try:
        found = estimator.evidence(rows.x, "importance", n_samples)
    except AbilityError:
        return
    numbers = found.as_dict()
    if found.warning:
        text = f"{found.warning.removeprefix('Warning: ')[:1].upper()}{found.warning.removeprefix('Warning: ')[1:]}"
        yield Finding("importance samples", "look", text, numbers)
    else:
        yield Finding("importance samples", "fine", f"{n_samples} draws of z per row will do for log p(x).", numbers)


def _fitted(estimator: Any) -> Iterator[Finding]:
    history = [row for row in estimator.fit_.history if isfinite(row.get("bound", float("nan")))]
    train = [row["bound"] for row in history if row["split"] == "train"]
    held_out = [row["bound"] for row in history if row["split"] == "validation"]
    if len(train) < 2:
        return
    found = [*_over(estimator, train, held_out), *_under(estimator, held_out or train)]
    yield from found
    if not found:
        yield Finding("fit", "fine", "The bound has levelled off, and rows held out did not fall behind.")


def _over(estimator: Any, train: list[float], held_out: list[float]) -> Iterator[Finding]:
    if len(held_out) < 2:
        return
    best, fell, gap = max(held_out), max(held_out) - held_out[-1], train[-1] - held_out[-1]
    rise = max(best - held_out[0], 1e-12)
    numbers = {"best_held_out": best, "last_held_out": held_out[-1], "last_train": train[-1]}
    if gap > 0.5 and fell > 0.05 * rise and fell > 0.25 * gap:
        text = (
            f"Over-fitted: the held-out bound fell by {fell:.2f} nats from its best, and is {gap:.2f} below the learning rows'. "
            f"{_kept(estimator.fit_.status)}; fewer units or more rows would help."
        )
        yield Finding("fit", "look", text, numbers)


def _kept(status: str) -> str:
    """Which weights a fit ended with.

    >>> _kept("Reached max_epochs=9. The weights are those of the best held-out bound, at step 12.")
    'The best weights were kept, those of step 12'
    """
    _, kept, step = status.partition(KEPT)
    return (
        f"The best weights were kept, those of step {step.partition('.')[0]}" if kept else "The last weights were kept"
    )


def _under(estimator: Any, curve: list[float]) -> Iterator[Finding]:
    """Whether the last tenth of the epochs still rose by more than a hundredth of all there was to rise."""
    status = estimator.fit_.status
    if not status.startswith(("Reached max_epochs", "Reached max_time", "Reached max_steps")):
        return
    tail = max(1, len(curve) // 10)
    if len(curve) < 2 * tail:
        return
    now, before = (sum(part) / tail for part in (curve[-tail:], curve[-2 * tail : -tail]))
    rise, whole = now - before, max(curve) - min(curve)
    if whole > 0 and rise > max(0.01 * whole, 0.01):
        text = (
            f"Under-fitted: the bound still rose by {rise:.2f} nats over the last {tail} of {len(curve)} epochs. Go on with more "
            "epochs (max_epochs, max_time, or `latentia fit --init RUN`)."
        )
        yield Finding("fit", "look", text, {"rise": rise, "epochs": tail})
