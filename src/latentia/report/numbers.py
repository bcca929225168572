"""The numbers of a report: evidence, key numbers, latent units."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from ..errors import AbilityError
from ..estimate import Estimate
from ..evidence import Units, active_units
from ..models.decoder import NO_EVIDENCE
from .page import Card, number, plural
from .view import Part, View

MAX_ROWS = 2000
MAX_CELLS = 10**8  # of all draws for all rows: about half a minute on one core
N_SAMPLES = {"exact": 0, "predictive": 0, "elbo": 32, "importance": 128}
SIGN = {"exact": "= ", "lower": "≥ ", "upper": "≤ ", "error": "= "}
KIND = {"exact": "exact", "lower": "lower bound", "upper": "upper bound", "error": "reconstruction"}
NAMES = {"elbo": "ELBO", "importance": "importance-weighted", "exact": "exact"}


@dataclass(frozen=True)
class Scored:
    """An estimate, the rows that it is about ("" where nobody said), and whether nothing was learnt from them."""

    rows: str
    estimate: Estimate
    fresh: bool = False

    @property
    def name(self) -> str:
        """Method and rows, in words."""
        method = NAMES.get(self.estimate.method, self.estimate.method)
        return f"{method}, {self.rows}" if self.rows else method


def score(view: View) -> tuple[list[Scored], list[str]]:
    """Estimates of log p(x) that suit the model, and sentences about those that it refused."""
    closed = view.estimator._default_evidence
    exact = closed in ("exact", "predictive")
    if view.estimator._default_evidence == "reconstruction":
        return [], [NO_EVIDENCE, *(f"{p.name[:1].upper()}{p.name[1:]}: {_error(view, p)}." for p in view.parts)]
    out: list[Scored] = []
    refusals: list[str] = []
    for i, part in enumerate(view.parts):
        methods = (closed,) if exact else ("elbo", "importance") if i == 0 else ("elbo",)
        part = _affordable(view, part, exact)
        for method in methods:
            try:
                out.append(Scored(part.name, _estimate(view, part, method), part.fresh))
            except AbilityError as error:
                refusals.append(str(error))
    return out, list(dict.fromkeys(refusals))


def _error(view: View, part: Part) -> str:
    """log p(x|z) of rows at their codes, in words."""
    return str(view.estimator.reconstruction(part.take(MAX_ROWS, view.seed).x))


def _affordable(view: View, part: Part, exact: bool) -> Part:
    """As many rows as the dearest estimate can afford; the same for all, so that bounds of the same rows compare."""
    draws = 1 if exact else max(N_SAMPLES.values())
    return part.take(
        min(MAX_ROWS, max(200, MAX_CELLS // (draws * max(1, view.estimator._work(part.x[:1]))))), view.seed
    )


def _estimate(view: View, part: Part, method: str) -> Estimate:
    n_samples = N_SAMPLES[method]
    options = {"n_samples": n_samples} if n_samples else {}
    return view.estimator.evidence(part.x, method, sample_weight=part.weight, **options)


def has_bits(view: View) -> bool:
    """Whether log p(x) is a log-probability, so that bits per dimension mean something."""
    plan = view.estimator.plan_
    return plan.scaling.levels is not None or plan.likelihood in ("bernoulli", "categorical")


def key_numbers(view: View, scored: Sequence[Scored], units: Units | None) -> list[Card]:
    """The cards at the head of the page."""
    cards = [_evidence_card(s) for s in _first_of_each(scored)]
    best = best_held_out(view)
    if best is not None and not any(s.fresh for s in scored):
        name = "held-out bound" if view.estimator.model_.is_density else "held-out score"
        cards.insert(0, Card(name, number(best, 2), "nats per row", "the best while learning"))
    if has_bits(view) and scored:
        cards.append(_bits_card(view, _first_of_each(scored)[-1].estimate))
    if units is not None and view.has_prior:
        detail = "active: variance of the posterior mean above 0.01"
        cards.append(Card("active latent units", f"{units.n_active} of {len(units.activity)}", "", detail))
    if view.mixture:
        k = len(view.estimator.model_.prior().probs)
        cards.append(Card("components", str(k), "", "each a Gaussian of its own weight, mean and covariance"))
    return cards


def _first_of_each(scored: Sequence[Scored]) -> list[Scored]:
    first: dict[str, Scored] = {}
    for one in scored:
        first.setdefault(one.estimate.method, one)
    return list(first.values())


def _evidence_card(scored: Scored) -> Card:
    e = scored.estimate
    names = {"exact": "log p(x)", "elbo": "bound (ELBO)", "importance": "importance-weighted log p(x)"}
    name = names.get(e.method, f"log p(x), {e.method}")
    name = f"held-out {name}" if scored.fresh and e.method != "importance" else name
    detail = f"{KIND[e.kind]}; {errors_in_words(e)}; {scored.rows or plural(len(e.values), 'row')}"
    return Card(name, f"{SIGN[e.kind].replace('= ', '')}{number(e.mean, 2)}", f"nats per {e.scope}", detail)


def _bits_card(view: View, e: Estimate) -> Card:
    n_cells = int(view.estimator.n_features_in_)
    bits = number(e.bits_per_dimension(n_cells), 3)
    sign = {"exact": "", "lower": "≤ ", "upper": "≥ "}[e.kind]
    detail = f"−log₂ p(x) / {number(n_cells, 0)}, from {NAMES.get(e.method, e.method)}; lower is better"
    return Card("bits per dimension", f"{sign}{bits}", "bits", detail)


def errors_in_words(e: Estimate) -> str:
    """Both errors of an estimate, kept apart."""
    out = [f"± {number(e.mc_error, 3)} Monte Carlo"] if e.n_samples else []
    out += [f"± {number(e.row_error, 2)} over rows"] if isfinite(e.row_error) else []
    return ", ".join(out) or "one row"


def best_held_out(view: View) -> float | None:
    """The highest held-out bound of the history, nats per row; None without one."""
    rows = [r["bound"] for r in view.estimator.fit_.history if r["split"] == "validation" and isfinite(r["bound"])]
    return max(rows) if rows else None


def latent_units(view: View) -> Units | None:
    """What each latent unit does over the shown rows; None for a mixture."""
    if view.mixture:
        return None
    _, rows = view.estimator._seen(view.shown.x)
    return active_units(view.estimator.model_, view.estimator.posterior_, rows)
