"""From a fitted estimator and its data to a page on the disk."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from .._version import __version__
from ..data import Dataset
from ..estimate import Estimate
from ..storage import write_text


def write_report(
    estimator: Any,
    dataset: Dataset,
    path: str | Path,
    *,
    evidence: Sequence[Estimate] | None = None,
    title: str | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write one HTML file that opens offline and explains a fit to somebody who did not run it.

    Arguments:
        estimator: fitted, any of latentia's.
        dataset: what it was fitted to; its test part, if any, is what evidence and reconstructions are about, else the
            rows that were held out.
        path: of the file, which is written whole or not at all.
        evidence: estimates to show; None computes those that suit the model, on at most 2000 rows.
        title: of the page; None makes one from the model and the data.
        notes: sentences to put at the head.

    Returns the path.

    Raises: `DataError` where the data set is not that of the fit; `RunError` where the file cannot be written.
    """
    check_is_fitted(estimator, "fit_")
    from .page import render

    with warnings.catch_warnings():
        # make_view has compared the columns by name, which is what scikit-learn warns that it cannot do
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        page = make_page(estimator, dataset, evidence, title, notes)
    path = Path(path)
    write_text(path, render(page))
    return path


def make_page(
    estimator: Any, dataset: Dataset, evidence: Sequence[Estimate] | None, title: str | None, notes: Sequence[str]
) -> Any:
    """Everything that the page says, in order."""
    from . import data_sections as data
    from . import fit_sections as fits
    from . import latent_sections as latent
    from .game_sections import game_beside_bound
    from .numbers import Scored, key_numbers, latent_units, score
    from .page import Page
    from .text_sections import is_text
    from .view import make_view

    if is_text(estimator):
        return _page_of_text(estimator, dataset, evidence, title, notes)
    view = make_view(estimator, dataset)
    if not estimator.has_codes:
        return _page_of_game(view, notes, title)
    scored, refusals = score(view) if evidence is None or _is_error(view) else ([Scored("", e) for e in evidence], [])
    units = latent_units(view)
    sections = [
        fits.fit_section(view, notes),
        fits.learning_section(view),
        game_beside_bound(view),
        fits.evidence_section(view, scored, refusals),
        data.reconstruction_section(view),
        data.samples_section(view),
        latent.map_section(view),
    ]
    if units is None:
        sections.append(latent.components_section(view))
    else:
        sections += [
            fits.units_section(view, units),
            latent.traversal_section(view, units),
            latent.manifold_section(view, units),
            latent.interpolation_section(view),
        ]
    cards = key_numbers(view, scored, units)
    return Page(title or _heading(view), _subtitle(view), cards, [s for s in sections if s], _foot(view))


def _page_of_text(
    estimator: Any, dataset: Dataset, evidence: Sequence[Estimate] | None, title: str | None, notes: Sequence[str]
) -> Any:
    """The page of a model of sentences."""
    from . import fit_sections as fits
    from . import latent_sections as latent
    from . import text_sections as text
    from .numbers import Scored, key_numbers, latent_units, score
    from .page import Page

    view = text.make_text_view(estimator, dataset)
    scored, refusals = score(view) if evidence is None else ([Scored("", e) for e in evidence], [])
    units = latent_units(view)
    sections = [
        fits.fit_section(view, notes),
        text.tokens_section(view),
        fits.learning_section(view),
        fits.evidence_section(view, scored, refusals),
        text.text_reconstructions(view),
        text.text_samples(view),
        text.walks_section(view),
        latent.map_section(view),
        *([] if units is None else [fits.units_section(view, units)]),
    ]
    cards = [*key_numbers(view, scored, units), *text.perplexity_cards(view, scored)]
    return Page(title or _heading(view), _subtitle(view), cards, [s for s in sections if s], _foot(view))


def _page_of_game(view: Any, notes: Sequence[str], title: str | None) -> Any:
    """The page of a model without a q(z|x)."""
    from . import fit_sections as fits
    from . import game_sections as game
    from .page import Page

    found = game.measured(view)
    sections = [
        fits.fit_section(view, notes),
        game.game_section(view),
        game.through_training_section(view),
        game.fakes_section(view),
        game.quality_section(view, found),
        game.no_evidence_section(view),
    ]
    return Page(
        title or _heading(view), _subtitle(view), game.game_cards(found), [s for s in sections if s], _foot(view)
    )


def _heading(view: Any) -> str:
    from .fit_sections import model_name

    name = model_name(view.estimator)
    return f"{name[:1].upper()}{name[1:]} of {view.dataset.name}"


def _foot(view: Any) -> str:
    return f"Made by latentia {__version__}. Seed {view.seed}. This file needs no network and runs no scripts."


def _is_error(view: Any) -> bool:
    return view.estimator._default_evidence == "reconstruction"


def _subtitle(view: Any) -> str:
    from .page import plural
    from .view import latent_size

    rows, columns = plural(len(view.dataset.x), "row"), plural(len(view.dataset.columns), "column")
    return f"{type(view.estimator).__name__} with {latent_size(view.estimator)}, fitted to {view.dataset.name}: {rows}, {columns}."
