"""Whether a run's data suit its model: values, ranges, noise, words."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..data.checks import check_rows
from ..data.text import UNKNOWN
from ..errors import AbilityError, DataError
from ..explore.latent import has_prior
from ..families import Normal
from .findings import Finding
from .text_sections import is_text
from .view import Part, View

MOST_UNKNOWN = 0.05  # share of the tokens


def values(estimator: Any, view: View, rows: Part) -> Iterator[Finding]:
    if is_text(estimator):
        yield _words(estimator, rows)
        return
    found = [*_likelihood(estimator, view), *_range(view, rows), *_noise(estimator)]
    yield from found
    if not found:
        yield Finding("data", "fine", f"The values suit the likelihood ({estimator.plan_.likelihood}).")


def _words(estimator: Any, rows: Part) -> Finding:
    """How many tokens of the rows the vocabulary does not have."""
    tokens = estimator._seen(rows.x)[1]
    share = float((tokens == UNKNOWN).sum()) / float(estimator.n_tokens(rows.x).sum())
    text = (
        f"{100 * share:.1f} % of the tokens of the {rows.name} are not in the vocabulary of {len(estimator.words_):,}."
    )
    if share > MOST_UNKNOWN:
        return Finding("words", "look", f"{text} Take a larger max_words, or unit='character'.", {"unknown": share})
    return Finding("words", "fine", text, {"unknown": share})


def _likelihood(estimator: Any, view: View) -> Iterator[Finding]:
    plan, x = estimator.plan_, view.parts[-1].x
    if not estimator.model_.is_density and not estimator.has_codes:
        text = (
            "x is a function of z: there are samples and no log p(x). With noise of a stated scale there is one: "
            "`latentia score RUN DATA --evidence annealed --noise 0.1`."
        )
        yield Finding("likelihood", "look", text)
        return
    if not estimator.model_.is_density:
        if not has_prior(estimator.model_):
            text = "An autoencoder has an error and no log p(x). A VAE of the same networks has one, see --model vae."
            yield Finding("likelihood", "fine", text)
        else:
            text = "The likelihood is a reconstruction error: there is no log p(x). Take 'continuous-bernoulli', or binarize."
            yield Finding("likelihood", "look", text)
    if plan.likelihood != "normal" or plan.scaling.levels is not None or estimator.binarise_ is not None:
        return
    density = has_prior(estimator.model_)  # a squared error may be of any values
    take = "take" if hasattr(estimator, "likelihood") else "a VAE (--model vae) can take"
    whole = density and (x.dtype.kind != "f" or not bool((x != np.floor(x)).any()))
    if density and plan.kind == "binary":
        text = f"The values are zeros and ones under a normal density, which rises without limit about them: {take} bernoulli."
        yield Finding("likelihood", "trouble", text)
    elif whole and x.min() >= 0:
        text = (
            f"The values are whole numbers from {x.min():g} to {x.max():g} under a normal density: its log p(x) is not the "
            f"log-probability of a count; {take} likelihood='poisson' or 'negative-binomial'."
        )
        yield Finding("likelihood", "look", text)
    sd = x.std(0)
    spread = sd.max() / sd[sd > 0].min() if (sd > 0).any() else 1.0
    if plan.scaling.identity and spread > 100 and not view.mixture:
        text = (
            f"The columns' deviations differ by a factor of {spread:.3g}, and the scale is none: take scale='standard'."
        )
        yield Finding("scale", "look", text, {"spread": float(spread)})


def _range(view: View, rows: Part) -> Iterator[Finding]:
    """Rows that nothing was learnt from, against the range of those learnt from."""
    learnt = view.parts[-1].x
    try:
        check_rows(rows.x, name=rows.name)
        view.estimator._estimate(view.estimator._seen(rows.x[:1])[1], "auto", 1)
    except DataError as error:
        yield Finding("range", "trouble", str(error))
        return
    except AbilityError:
        pass
    if rows.x is learnt or not rows.fresh:
        return
    low, high = learnt.min(0), learnt.max(0)
    margin = 0.5 * (high - low)
    outside = float(((rows.x < low - margin) | (rows.x > high + margin)).mean())
    if outside > 0.01:
        text = (
            f"{100 * outside:.1f} % of the cells of the {rows.name} lie far outside the range of the rows learnt from: they come "
            "from elsewhere, or in other units."
        )
        yield Finding("range", "trouble", text, {"outside": outside})


def _noise(estimator: Any) -> Iterator[Finding]:
    family = getattr(getattr(estimator.model_, "conditional", None), "family", None)
    if not isinstance(family, Normal) or not family.floor or family.scale not in ("one", "per-feature"):
        return
    scale = family.raw_scale.exp()
    share = float((scale < family.floor).double().mean())
    if share > 0:
        text = (
            f"The learnt noise of {100 * share:.0f} % of the columns is at its floor: these values have hardly any noise, and the "
            "density has no finite optimum. Compare log p(x) of such fits only at the same floor, or fix noise=0.1."
        )
        yield Finding("noise", "look", text, {"share": share, "floor": family.floor})
