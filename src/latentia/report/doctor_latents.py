"""Whether a run's z is used, and whether its encoder keeps up."""

from collections.abc import Iterator
from typing import Any

from ..errors import AbilityError
from ..evidence import Diagnosis, diagnose
from ..learn.collapse import COLLAPSED, collapse_words, cures_in_words, has_own_q
from ..posteriors import Local
from .findings import Finding
from .view import Part

LAG_STEPS = 100
ROWS_OF_THEIR_OWN = 100  # that are looked at where each row's q takes some hundred steps


def latents(estimator: Any, rows: Part, lag: bool) -> Iterator[Finding]:
    """What z says; nothing of a q that is exact, a point, or none."""
    model, q = estimator.model_, estimator.posterior_
    if not getattr(model, "latent_shape", ()) or not has_own_q(q):
        return
    alone = isinstance(q, Local)  # refined already, and behind nobody
    found = _diagnosis(
        estimator, rows.take(ROWS_OF_THEIR_OWN, int(estimator.seed_)) if alone else rows, lag and not alone
    )
    if found is None:
        return
    yield _collapse(estimator, found)
    if found.lag is not None:
        yield _lag(found)


def _diagnosis(estimator: Any, rows: Part, lag: bool) -> Diagnosis | None:
    x = estimator._seen(rows.x)[1]
    for steps in (LAG_STEPS, 0) if lag else (0,):  # a lag is of normal q alone
        try:
            return diagnose(estimator.model_, estimator.posterior_, x, lag_steps=steps, seed=int(estimator.seed_))
        except (AbilityError, NotImplementedError):
            continue
    return None


def _collapse(estimator: Any, found: Diagnosis) -> Finding:
    units, fit = len(found.activity), (estimator.model_, estimator.learner_)
    numbers = {key: value for key, value in found.as_dict().items() if key != "lag"}
    words = collapse_words(*fit, found.kl, estimator.fit_.steps)
    if words:
        return Finding("collapse", "trouble", words, numbers)
    says, cures = _says(estimator, found), cures_in_words(*fit, estimator.fit_.steps)
    if found.active_units == 0:
        text = f"{says} No unit differs from row to row: z is not used. {cures}".strip()
        return Finding("collapse", "trouble", text, numbers)
    if found.mutual_information < COLLAPSED:
        text = f"Collapse in all but name: {says} There is a KL, but z tells rows apart by next to nothing. {cures}".strip()
        return Finding("collapse", "trouble", text, numbers)
    if found.active_units <= units / 2:
        return Finding(
            "collapse", "look", f"{says} The idle ones are not needed: try n_latent={found.active_units}.", numbers
        )
    return Finding("collapse", "fine", says, numbers)


def _says(estimator: Any, found: Diagnosis) -> str:
    target = getattr(getattr(estimator.learner_, "objective", None), "target_rate", None)
    asked = "" if target is None else f" ({target:g} nats were asked for)"
    return (
        f"KL {found.kl:.2f} nats per row{asked}; {found.active_units} of {len(found.activity)} units active; z carries "
        f"{found.mutual_information:.2f} nats about x (at most {found.ceiling:.2f} could show from {found.rows} rows)."
    )


def _lag(found: Diagnosis) -> Finding:
    assert found.lag is not None
    text = f"Refining each row's q by itself would raise its bound by {found.lag:.2f} nats."
    if found.lag > max(0.5, 0.2 * found.kl):
        text += " The encoder lags: try learner='semi-amortized' or 'aggressive', a larger encoder, or more epochs."
        return Finding("encoder", "look", text, {"lag": found.lag})
    return Finding("encoder", "fine", text, {"lag": found.lag})
