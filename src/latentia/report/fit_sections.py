"""Sections about the fit as a whole: what was fitted, learning, evidence, latent units."""

from collections.abc import Sequence
from typing import Any

from ..evidence import Units
from ..explore.plots import evidence_chart, learning_curve, units_chart
from .curve_words import curve_name, curve_words, parts_of_curve
from .numbers import KIND, SIGN, Scored, best_held_out, has_bits
from .page import Section, Table, number, picture, plural, sentences
from .view import HELD_OUT, View, latent_size

MODELS = {
    "VAE": "variational autoencoder",
    "ProbabilisticPCA": "probabilistic PCA",
    "FactorAnalysis": "factor analysis",
    "GaussianMixture": "Gaussian mixture",
    "TextVAE": "variational autoencoder of sentences",
    "LinearAutoencoder": "linear autoencoder",
    "LogisticPCA": "logistic principal components",
    "Autoencoder": "autoencoder",
    "DenoisingAutoencoder": "denoising autoencoder",
    "GAN": "generative adversarial network",
    "BayesianGaussianMixture": "Bayesian Gaussian mixture",
}


NONE, ESS = "–", "ESS (median)"


def model_name(estimator: Any) -> str:
    """The kind of model in words."""
    name = type(estimator).__name__
    return MODELS.get(name, name)


def fit_section(view: View, notes: Sequence[str]) -> Section:
    """What was fitted to what, how it ended, and with what."""
    estimator, dataset = view.estimator, view.dataset
    rows = (
        ("Model", _model_words(view)),
        ("Data", _data_words(view)),
        *((("Source", dataset.source),) if dataset.source else ()),
        ("Values, likelihood, scaling", " ".join(_values_words(view))),
        ("Rows", _rows_words(view)),
        ("How it ended", estimator.fit_.status or "No status was kept."),
        ("Learning", _learning_words(view)),
        ("Seed", str(view.seed)),
        ("Versions", ", ".join(f"{k} {v}" for k, v in estimator.fit_.versions.items()) or "not recorded"),
    )
    settings = tuple((key, str(value)) for key, value in sorted(estimator.get_params(deep=False).items()))
    read = (
        "A latent variable model explains each row x of the data by a few hidden numbers z: it draws z from a simple "
        "distribution, the prior, and x from a distribution that depends on z, the likelihood."
    )
    if not view.has_prior:
        read = (
            "An autoencoder explains each row x of the data by a code z of a few numbers, which an encoder makes from the row, and "
            "from which a decoder makes the row again. It is learnt by how well rows come back."
        )
    folded = Table(("setting", "value"), settings, "All settings of the estimator")
    return Section("fit", "What was fitted", read, tuple(notes), table=Table((), rows), folded=folded)


def _model_words(view: View) -> str:
    estimator, model = view.estimator, view.estimator.model_
    count = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    posterior = count(estimator.posterior_)
    encoder = f", and {plural(posterior, 'parameter')} in the encoder that infers z" if posterior else ""
    name = model_name(estimator)
    return f"{name[:1].upper()}{name[1:]} with {latent_size(estimator)}; {plural(count(model), 'parameter')} in the model{encoder}."


def _data_words(view: View) -> str:
    d = view.dataset
    rows, columns = plural(len(d.x), "row"), plural(len(d.columns), "column")
    shape = f", pictures of {' × '.join(map(str, view.image_shape))} pixels" if view.image_shape else ""
    label = "; a label, which the fit did not see" if d.label is not None else ""
    return f"{d.name}: {rows}, {columns}{shape}{label}."


def _values_words(view: View) -> tuple[str, ...]:
    flips = view.estimator.binarise_
    how = {
        "stochastic": "Grey levels were turned into zeros and ones by coin flips, anew in every epoch.",
        "threshold": "Grey levels were turned into zeros and ones by a threshold at the middle.",
    }
    return (*((how[flips.how],) if flips is not None else ()), *view.estimator.plan_.sentences)


def _rows_words(view: View) -> str:
    sizes = {part.name: len(part.x) for part in view.parts}
    if len(view.parts[-1].x) < len(view.dataset.x):
        sizes[HELD_OUT] = len(view.dataset.x) - len(view.parts[-1].x)
    counts = "; ".join(f"{name}: {number(size, 0)}" for name, size in sizes.items())
    weight = " Rows have weights: the evidence counts them, pictures show each row alike." * (
        view.dataset.weight is not None
    )
    shown = f" Maps and distributions show {number(len(view.shown.x), 0)} rows"
    drawn = f"{shown}, drawn at random by the seed." if len(view.shown.x) < len(view.dataset.x) else ""
    return f"{counts[:1].upper()}{counts[1:]}.{weight}{drawn}"


def _learning_words(view: View) -> str:
    estimator, fit = view.estimator, view.estimator.fit_
    how = str(getattr(estimator, "learner", type(estimator.learner_).__name__))
    names = {
        "amortized": "amortised variational inference",
        "exact-em": "exact EM",
        "closed-form": "in closed form",
        "adversarial": "a game with a critic",
    }
    words = names.get(how, how)
    return f"{words[:1].upper()}{words[1:]}: {plural(fit.epochs, 'epoch')}, {plural(fit.steps, 'step')}."


def learning_section(view: View) -> Section:
    """The learning curve with its named parts."""
    history = view.estimator.fit_.history
    title = "Learning"
    if not history:
        return Section("learning", title, text=("No learning curve was kept: the fit ended before its first epoch.",))
    parts, name = parts_of_curve(history), curve_name(view.estimator)
    alt = f"Learning curve over epochs: {', '.join((name, *parts))}."
    chart = picture(learning_curve(history, parts, name), alt, _curve_words(view))
    text = sentences(*curve_words(view.estimator, parts), _warm_up_words(history))
    read = (
        "Each epoch is one pass over the rows. The curve should rise and then level off. Where held-out rows (blue) fall "
        "while the learning rows (grey) still rise, the model has begun to learn its rows by heart."
    )
    return Section("learning", title, read, text, (chart,))


def _warm_up_words(history: Sequence[dict[str, Any]]) -> str:
    if not any("kl_weight" in row for row in history):
        return ""
    return "Learning weighted the KL term; the curve shows the true bound, with weight one."


def _curve_words(view: View) -> str:
    best = best_held_out(view)
    held = f" Best held-out value: {number(best, 3)} nats per row." if best is not None else " No rows were held out."
    cut = " The first epochs may lie outside the frame." if view.estimator.fit_.epochs >= 12 else ""
    return f"Mean over rows, nats per row, higher is better.{held}{cut}"


def evidence_section(view: View, scored: Sequence[Scored], refusals: Sequence[str]) -> Section:
    """log p(x), with kinds and errors."""
    read = (
        "log p(x) says how probable the model holds a row: in nats (one nat is 1.44 bits), higher is better, and only "
        "models of the same data in the same units compare. “=” is exact; “≥” marks a lower bound, so that the true value "
        "is that number or higher. The Monte Carlo error is what more draws of z would shrink, the error over rows "
        "what more rows would."
    )
    if not scored:
        return Section("evidence", "Evidence", text=tuple(refusals) or ("No evidence was computed.",))
    words = "Mean log p(x) per row. Thick: Monte Carlo error; thin: error over rows, one standard error to each side."
    arrow = " An arrow marks a lower bound: log p(x) lies where it points, or at it."
    bounds = any(s.estimate.kind != "exact" for s in scored)
    named = [(s.name, s.estimate) for s in scored]
    chart = picture(evidence_chart(named), "Estimates of mean log p(x) with error bars.", words + arrow * bounds)
    warnings = [s.estimate.warning for s in scored]
    text = sentences(*refusals, _optimism(view, scored), *dict.fromkeys(warnings))
    table = _evidence_table(view, scored)
    return Section("evidence", "Evidence: how probable are the data?", read, text, (chart,), table)


def _optimism(view: View, scored: Sequence[Scored]) -> str:
    if not any(s.rows == HELD_OUT for s in scored) or "best held-out" not in view.estimator.fit_.status:
        return ""
    return (
        "The rows held out while learning chose which weights were kept, so that their numbers are a little too good."
    )


def _evidence_table(view: View, scored: Sequence[Scored]) -> Table:
    n_cells = int(view.estimator.n_features_in_) if has_bits(view) else 0
    rows = [_evidence_row(s, n_cells) for s in scored]
    kept = [key for key in rows[0] if any(row[key] != NONE for row in rows)]
    caption = "ESS: effective sample size of the importance weights; far below the number of draws, the bound is loose."
    cells = tuple(tuple(row[key] for key in kept) for row in rows)
    return Table(tuple(kept), cells, caption if ESS in kept else "")


def _evidence_row(scored: Scored, n_cells: int) -> dict[str, str]:
    e = scored.estimate
    return {
        "estimate": scored.name,
        "kind": KIND[e.kind],
        "nats per row": f"{SIGN[e.kind]}{number(e.mean, 3)}",
        "± Monte Carlo": number(e.mc_error, 3) if e.n_samples else NONE,
        "± over rows": number(e.row_error, 3) if len(e.values) > 1 else NONE,
        "rows": number(len(e.values), 0),
        "draws of z": str(e.n_samples or NONE),
        ESS: NONE if e.ess is None else number(float(e.ess.median()), 1),
        "bits per dimension": number(e.bits_per_dimension(n_cells), 3) if n_cells else NONE,
    }


def units_section(view: View, units: Units) -> Section:
    """KL and activity of each latent unit; of codes, which have no scale of their own, how far each moves."""
    if not view.has_prior:
        return _codes_section(view, units)
    read = (
        "A unit is active where its inferred value differs from row to row. An idle unit keeps to the prior whatever the "
        "row, and carries nothing: many idle units mean that fewer would do, or that learning shut them off."
    )
    kl = None if units.kl is None else units.kl.numpy()
    total = "" if kl is None else f" KL of all units together: {number(float(kl.sum()), 2)} nats per row."
    text = f"{units.n_active} of {plural(len(units.activity), 'latent unit')} active (variance above 0.01).{total}"
    if view.estimator.posterior_ is not None and kl is None:
        text += " The posterior of this model ties the units together, so that the KL cannot be told apart by unit."
    chart = picture(
        units_chart(units.activity.numpy(), kl),
        "Bars: KL of each latent unit and its activity, most active first.",
        f"Over {plural(len(view.shown.x), 'row')}; blue units are active, grey ones idle.",
    )
    return Section("units", "What each latent unit carries", read, (text,), (chart,))


def _codes_section(view: View, units: Units) -> Section:
    read = (
        "A code that hardly moves from row to row, beside the others, carries little. Codes have no units: an encoder may halve "
        "them and the decoder double them, so that only their proportions say something."
    )
    variance = units.activity.numpy()
    share = variance.max() / variance.sum() if variance.sum() > 0 else 1.0
    text = f"{plural(len(variance), 'code')}; the one that moves most has {share:.0%} of their variance. A code is a point, which has no KL."
    chart = picture(
        units_chart(variance, None, None),
        "Variance of each code over the rows, largest first.",
        f"Over {plural(len(view.shown.x), 'row')}.",
    )
    return Section("units", "What each code carries", read, (text,), (chart,))
