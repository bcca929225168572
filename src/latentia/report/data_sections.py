"""Sections that set the data beside what the model makes of them: reconstructions, samples, columns."""

import numpy as np

from ..explore import prior_draws, reconstructions
from ..explore.image_plots import grids_chart
from ..explore.table_plots import correlations_chart, distributions_chart
from ..explore.tables import correlations
from .latent_sections import _columns_words
from .page import Picture, Section, number, picture, plural
from .sheets import reconstructions_sheet
from .view import Part, View

N_PAIRS = 28
N_GRID = 64
N_DOTS = 800
ENOUGH = 60
NO_SAMPLES = (
    "An autoencoder says nothing about how its codes are spread, so that there is nothing to draw new rows from. A density "
    "fitted to the codes, for instance a Gaussian mixture, would do; its draws are decoded with inverse_transform."
)


def reconstruction_section(view: View) -> Section:
    """Rows beside what is left of them after inference and decoding."""
    part, where = _rows_to_rebuild(view)
    found = reconstructions(view.estimator, part.x)
    if not np.isfinite(found.rebuilt).all():
        return Section("reconstructions", "Reconstructions", text=("The reconstructions are not finite numbers.",))
    how = "by the weighted mean of its components" if view.mixture else "and back from the inferred z alone"
    read = f"Each row goes through the model {how}. What is lost on the way did not fit through the latent."
    caption = where
    if view.image_shape is None:
        caption = (
            f"{where} A perfect reconstruction lies on the grey line; R² is the share of the column's variance that is "
            f"reconstructed; below zero, the column's mean would do better.{_columns_words(view)}"
        )
        read += " A column with low R² is noise to the model."
    return Section(
        "reconstructions",
        "Reconstructions beside originals",
        read,
        (),
        (picture(reconstructions_sheet(view, found), "Originals beside reconstructions.", caption),),
    )


def _rows_to_rebuild(view: View) -> tuple[Part, str]:
    """Fresh rows, unless a table has too few of them to say anything about a column."""
    first, enough = view.parts[0], N_PAIRS if view.image_shape else ENOUGH
    most = N_PAIRS if view.image_shape else N_DOTS
    if first.fresh and len(first.x) >= enough:
        part = first.take(most, view.seed)
        return part, f"{number(len(part.x), 0)} of the {first.name}."
    part = view.shown.take(most, view.seed)
    share = "most" if first.fresh else "all"
    return part, f"{plural(len(part.x), 'row')}, {share} of which the model has learnt from."


def samples_section(view: View) -> Section:
    """Draws from the model alone; for a table, its columns beside the real ones."""
    if not view.has_prior:
        return Section("samples", "No samples", text=(NO_SAMPLES,))
    if view.image_shape is None:
        return _table_samples(view)
    mean, draw = prior_draws(view.estimator, N_GRID, view.seed)
    grids = [("means E[x|z]: without the likelihood's noise", mean), ("draws x ~ p(x|z): with it", draw)]
    chart = grids_chart(grids, view.image_shape, view.limits, 8)
    caption = "The same 64 draws of z on both sides. Neither looks at any row of the data."
    read = (
        "New rows made by the model: z is drawn from the prior, and x from the likelihood. The closer they are to the real "
        "pictures above, the better the model."
    )
    return Section(
        "samples", "Samples from the prior", read, (), (picture(chart, "Pictures drawn from the model.", caption),)
    )


def _table_samples(view: View) -> Section:
    real = view.seen(view.shown.x)[:, view.columns]
    sampled = view.estimator.sample(len(view.shown.x), random_state=view.seed)[:, view.columns]
    if not np.isfinite(sampled).all():
        return Section("samples", "Samples from the prior", text=("The samples are not finite numbers.",))
    counts = f"{plural(len(real), 'real row')}, as many sampled from the model.{_columns_words(view)}"
    columns = picture(
        distributions_chart(real, sampled, view.names),
        "Distribution of each column, real beside sampled.",
        f"Share of rows in each bin. {counts}",
    )
    pictures = (columns, _correlations(view, real, sampled)) if real.shape[1] > 1 else (columns,)
    read = (
        "New rows made by the model: z is drawn from the prior, and x from the likelihood. For a good model the orange "
        "outline covers the blue area, and pairs of columns are correlated as in the data."
    )
    return Section("samples", "Samples from the prior", read, (), pictures)


def _correlations(view: View, real: np.ndarray, sampled: np.ndarray) -> Picture:
    gap = np.abs(correlations(real) - correlations(sampled))
    most = f" The largest difference of a pair is {number(float(np.nanmax(gap)), 2)}." if np.isfinite(gap).any() else ""
    constant = " Grey cells belong to constant columns." if np.isnan(gap).any() else ""
    figure = correlations_chart(real, sampled, view.names)
    return picture(
        figure,
        "Correlations, real beside sampled.",
        f"Correlation of each pair of columns; on the right, a pair on the line agrees.{most}{constant}",
    )
