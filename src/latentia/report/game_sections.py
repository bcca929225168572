"""Sections about a model that was learnt by a game alone: the game, samples through training, samples beside data."""

from collections import Counter

import numpy as np

from ..evidence import Quality, quality
from ..evidence.distances import FEWEST
from ..explore.game_plots import dots_through_training, game_chart, moments, pictures_through_training
from ..explore.image_plots import grids_chart
from .data_sections import N_GRID, samples_section
from .page import Card, Section, Table, number, picture, plural, sentences
from .view import View

N_QUALITY = 2000
NEIGHBOURS_AT_ONCE = 500


def game_section(view: View) -> Section:
    """Losses, how well the critic tells samples from rows, and what the samples leave out."""
    history = view.estimator.fit_.history
    title = "The game"
    if not history:
        return Section("game", title, text=("No history was kept: the fit ended before its first epoch.",))
    read = (
        "Two networks play: the generator makes samples, the critic tells them from rows. Neither loss is a bound on "
        "log p(x), and neither falls as the model gets better: at the end the critic should be left guessing (0.5)."
    )
    caption = (
        "Pairs: how often the critic scores a row above a sample. Missed: share of held-out rows with no sample as near as "
        "their fifth neighbour; the data's own distribution would miss about 3 %."
    )
    return Section(
        "game", title, read, (), (picture(game_chart(history), "Losses and diagnosis over epochs.", caption),)
    )


def game_beside_bound(view: View) -> Section | None:
    """The game of a model that ascends a bound as well; None where there was none."""
    return game_section(view) if any("critic_loss" in row for row in view.estimator.fit_.history) else None


def no_evidence_section(view: View) -> Section:
    """Why there is no log p(x) here, and what would give one."""
    from ..estimators.gan import NO_SCORE

    return Section("evidence", "No log p(x)", text=(NO_SCORE,))


def through_training_section(view: View) -> Section | None:
    """Samples from the same z after some epochs."""
    shown = getattr(view.estimator, "shown_", {})
    if not shown:
        return None
    read = "The same draws of z, decoded after some epochs of learning: how the samples came to be what they are."
    if view.image_shape is not None:
        chart = pictures_through_training(shown, view.image_shape, view.limits)
    elif len(view.columns) > 1:
        two = view.columns[:2]
        rows = view.shown.take(N_QUALITY, view.seed).x[:, two]
        chart = dots_through_training({epoch: x[:, two] for epoch, x in shown.items()}, rows, view.names[:2])
    else:
        return None
    caption = f"After epochs {', '.join(map(str, moments(shown)))}; averaged weights where the fit averages them."
    return Section(
        "training", "Samples through training", read, (), (picture(chart, "Samples through training.", caption),)
    )


def fakes_section(view: View) -> Section:
    """Samples; of pictures beside rows, of a table column by column."""
    if view.image_shape is None:
        return samples_section(view)
    made = view.estimator.sample(N_GRID, random_state=view.seed)
    real = view.parts[0].take(N_GRID, view.seed)
    chart = grids_chart([("samples", made), (real.name, real.x)], view.image_shape, view.limits, 8)
    read = "New rows made by the model, x = G(z), beside rows of the data. The samples are not chosen."
    return Section("samples", "Samples", read, (), (picture(chart, "Samples beside data.", "64 of each."),))


def measured(view: View) -> Quality | None:
    """Samples beside rows that nothing was learnt from, where there are some; None where they are too few."""
    part = view.parts[0]
    n = min(len(part.x), N_QUALITY)
    if n < FEWEST:
        return None
    made = view.estimator.sample(n, random_state=view.seed)
    wide = view.image_shape is not None or part.x.shape[1] > 200  # raw features cost the cube of the columns
    return quality(made, part.x, "pca" if wide else "raw", n=n, k=min(5, n - 2), seed=view.seed)


def quality_section(view: View, found: Quality | None) -> Section | None:
    """Frechet and kernel distance, precision, recall, density, coverage; and modes, where labels name them."""
    if found is None:
        return None
    part, read = (
        view.parts[0],
        "Distances between samples and data in the features named: they depend on the features and on N.",
    )
    rows = tuple((m.name, number(m.value, 4), m.better) for m in found.numbers)
    table = Table(("what", "samples beside data", "better"), rows)
    if any(m.floor is not None for m in found.numbers):
        floors = ["–" if m.floor is None else number(m.floor, 4) for m in found.numbers]
        table = Table(
            ("what", "samples beside data", "data beside data", "better"),
            tuple((name, value, floor, better) for (name, value, better), floor in zip(rows, floors)),
        )
        read += " The second column is what other real rows would get."
    return Section(
        "quality", "Samples beside data, in numbers", read, sentences(f"Data: {part.name}.", _modes(view)), (), table
    )


def _modes(view: View) -> str:
    """How many labels have samples among their rows: nearer to one of them than its own fifth neighbour."""
    part = view.parts[0]
    if part.label is None or len(set(part.label.tolist())) > 100:
        return ""
    rows = part.take(NEIGHBOURS_AT_ONCE * 4, view.seed)
    assert rows.label is not None
    made = view.estimator.sample(NEIGHBOURS_AT_ONCE, random_state=view.seed)
    names = set(part.label.tolist())
    counts = Counter(rows.label[among(made, rows.x)].tolist())
    rarest = min(counts.values()) if len(counts) == len(names) else 0
    return (
        f"Of {len(made)} samples, {sum(counts.values())} lie among the rows (nearer to one than its fifth neighbour is). They "
        f"reach {len(counts)} of {len(names)} labels, the rarest with {plural(rarest, 'sample')}."
    )


def among(made: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The row nearest to each sample, of the samples that are nearer to it than its own fifth neighbour."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(6, len(rows))).fit(rows)
    reach = search.kneighbors(rows)[0][:, -1]
    distance, nearest = (found[:, 0] for found in search.kneighbors(made, n_neighbors=1))
    return nearest[distance <= reach[nearest]]


def game_cards(found: Quality | None) -> list[Card]:
    """The cards at the head of the page; none where there were too few rows to measure by."""
    if found is None:
        return []
    names = {"frechet": "Frechet distance", "precision": "precision", "coverage": "coverage"}
    out = []
    for key, name in names.items():
        m = found[key]
        out.append(Card(name, number(m.value, 3), "", f"{m.name.split(', ', 1)[1]}; {m.better} is better; no log p(x)"))
    return out
