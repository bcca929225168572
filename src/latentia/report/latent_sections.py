"""Sections about the latent space: map, traversals, manifold, interpolation, components."""

import numpy as np

from ..evidence import Units
from ..explore import interpolation, latent_map, manifold, prior_quantiles, stops, traversal
from ..explore.groups import Groups
from ..explore.image_plots import line_chart, manifold_chart
from ..explore.latent import columns_of_unit, walked
from ..explore.maps import LatentMap
from ..explore.plots import map_chart
from ..explore.table_plots import heat_chart, weights_chart
from .page import Section, number, picture, plural, sentences
from .sheets import line_sheet, standard, walks_sheet
from .view import Part, View

MOST_STRIPS = 32  # units of pictures shown
MOST_PANELS = 12  # units of a table shown
WALKS = {
    "category": "A latent unit is a choice among categories. It takes one after the other",
    "share": "A latent unit is a whole that is shared out. One share after the other is all of it",
    "axis": "A latent unit is a point on a sphere. It goes to both ends of one axis after the other",
}
NOT_FINITE = "What the model decodes are not finite numbers, so that there is nothing to show."


def map_section(view: View) -> Section:
    """Rows as points in the latent plane, coloured by label."""
    found = latent_map(view.estimator, view.shown.x)
    groups = view.groups
    pictures = []
    if view.mixture:
        component = view.estimator.predict(view.shown.x)
        names = tuple(str(k) for k in range(int(view.estimator._n_features_out)))
        by = Groups(component, names) if len(names) <= 20 else Groups(None, values=component.astype(float))
        words = f"Each dot is a row, coloured by its most probable component; {_how_mapped(view, found)}"
        pictures.append(picture(map_chart(found, by, "component"), "Map of the rows by component.", words))
    if groups is not None or not view.mixture:
        coloured = ", coloured by its label" if groups is not None else ""
        words = f"Each dot is a row{coloured}; {_how_mapped(view, found)}"
        if len(found.axes) == 1:
            words = f"Rows along one axis; {_how_mapped(view, found)}"
        pictures.append(picture(map_chart(found, groups), "Map of the latent space.", words))
    read = (
        "Rows that the model holds to be alike lie close together. Labels were not shown to the model: where classes form "
        "islands, it has found them by itself."
    )
    label = "" if groups is not None else "The data have no label to colour by."
    text = sentences(label, groups.note if groups is not None else "")
    return Section("map", "Map of the latent space", read, text, tuple(pictures))


def _how_mapped(view: View, found: LatentMap) -> str:
    codes = "posterior means" if view.has_prior else "codes"
    if found.kind == "units":
        return "coordinates are " + (
            "the latent units themselves, at their posterior means." if view.has_prior else "the codes."
        )
    what = "data in the model's units" if found.kind == "data-pca" else codes
    return f"coordinates are the first principal axes of the {what}, which carry {found.share:.0%} of their variance."


def traversal_section(view: View, units: Units) -> Section:
    """What each latent unit does, from one end of its prior to the other."""
    order = np.argsort(-units.activity.numpy(), kind="stable")
    if not _finite(view):
        return Section("traversals", "Along each latent unit", text=(NOT_FINITE,))
    most = MOST_STRIPS if view.image_shape else MOST_PANELS
    shown = order[:most]
    walks = [(_unit_name(units, u), traversal(view.estimator, int(u))) for u in shown]
    kind = walked(view.estimator)
    where, others = WALKS.get(kind), "mean"
    if where is None:
        where, others = f"One latent unit moves from the 1st to the 99th percentile of its {view.spread}", "median"
    read = (
        f"{where} while all others stay at their {others}: what changes is what the unit stands for. "
        "Nothing changes along an idle unit."
    )
    left_out = f"The {most} most active of {len(order)} units are shown." if len(order) > most else ""
    figure = walks_sheet(view, walks, stops(view.estimator))
    if view.image_shape:
        along = f"at percentiles of the {view.spread}" if kind == "percentile" else f"by {kind}"
        caption = f"Mean picture E[x|z] {along}, most active units first."
    else:
        caption = f"Change of E[x|z] from the {view.spread}'s {others}, in standard deviations of each column.{_columns_words(view)}"
    return Section(
        "traversals",
        "Along each latent unit",
        read,
        sentences(left_out, _rotation(view)),
        (picture(figure, "Decoded rows along each latent unit.", caption),),
    )


def _unit_name(units: Units, unit: int) -> str:
    return f"unit {unit}" if units.kl is None else f"unit {unit}  ({float(units.kl[unit]):.1f} nats)"


def _rotation(view: View) -> str:
    if view.estimator._default_evidence != "exact":
        return ""
    return "A linear model fits equally well when its latent axes are turned, so that a single axis need not mean anything."


def manifold_section(view: View, units: Units) -> Section | None:
    """The plane of the two most active units, decoded; for pictures."""
    if view.image_shape is None or len(units.activity) < 2 or columns_of_unit(view.estimator) > 1 or not _finite(view):
        return None
    order = np.argsort(-units.activity.numpy(), kind="stable")
    pair = int(order[0]), int(order[1])
    n = 15 if max(view.image_shape[:2]) <= 32 else 10
    figure = manifold_chart(manifold(view.estimator, pair, n), pair, view.image_shape, view.limits)
    rest = "" if len(order) == 2 else ", the others staying at their median"
    caption = f"Mean pictures over the two most active units, from the 2.5th to the 97.5th percentile of the {view.spread}{rest}."
    read = "Neighbours in this plane should look alike, and change smoothly from one kind of picture into another."
    return Section(
        "plane",
        "The plane of the two most active units",
        read,
        (),
        (picture(figure, "Decoded grid over two latent units.", caption),),
    )


def interpolation_section(view: View) -> Section | None:
    """From one row to another through the latent space."""
    part = view.parts[0]
    if len(part.x) < 2 or not _finite(view):
        return None
    a, b = _two_rows(view, part)
    between = interpolation(view.estimator, part.x[a], part.x[b], 9)
    figure = line_sheet(view, part.x[[a, b]], between)
    labels = "" if part.label is None else f" A has the label {part.label[a]}, B the label {part.label[b]}."
    read = (
        "The straight line between what the model infers for two rows, decoded. A good latent space passes through "
        "plausible rows on the way; a poor one shows mixtures of both ends."
    )
    where = f"A and B are two of the {part.name}"
    where += ", as the model saw them." if view.estimator.binarise_ is not None else "."
    caption = f"{where}{labels} The ends of the decoded line are the reconstructions of A and B."
    if not view.image_shape:
        caption += _columns_words(view)
    return Section(
        "interpolation",
        "From one row to another",
        read,
        (),
        (picture(figure, "Decoded rows between two rows.", caption.strip()),),
    )


def _two_rows(view: View, part: Part) -> tuple[int, int]:
    """The first row, and that among the next fifty that lies farthest from it, of another label if there is one."""
    n = min(len(part.x), 51)
    means = view.estimator.transform(part.x[:n])
    distance = np.square(means - means[0]).sum(1)
    if part.label is not None:
        other = np.array([label != part.label[0] for label in part.label[:n].tolist()])
        distance = np.where(other, distance, -1.0) if other.any() else distance
    return 0, max(1, int(distance.argmax()))


def components_section(view: View) -> Section:
    """Weight and mean of each component of a mixture."""
    estimator = view.estimator
    k = int(estimator._n_features_out)
    weights = getattr(estimator, "weights_", None)
    weights = estimator.model_.prior().probs.detach().cpu().numpy() if weights is None else weights
    assigned = np.bincount(estimator.predict(view.shown.x), minlength=k) / len(view.shown.x)
    means = estimator.inverse_transform(np.eye(k))
    order = np.argsort(-weights, kind="stable")[: MOST_STRIPS if view.image_shape else 40]
    bars = picture(
        weights_chart(weights, assigned), "Bars: weight of each component.", f"Over {plural(len(view.shown.x), 'row')}."
    )
    names = [f"{c}" for c in order]
    if view.image_shape:
        figure = line_chart(means[order], names, view.image_shape, view.limits)
        caption = "Mean picture of each component, heaviest first."
    else:
        mean, sd = standard(view)
        cells = ((means[order] - mean) / sd)[:, view.columns]
        figure = heat_chart(
            [("mean of each component", cells)],
            names,
            view.names,
            "standard deviations from the mean",
            "component, heaviest first",
        )
        caption = f"Mean of each component, in standard deviations of each column from its mean.{_columns_words(view)}"
    read = (
        "A mixture explains each row by one of its components. A component's weight is the share of rows it is expected to "
        "explain; its mean is the typical row of its kind."
    )
    least = f"The lightest component has a weight of {number(float(weights.min()), 3)}."
    return Section(
        "components", "Components", read, (least,), (bars, picture(figure, "Means of the components.", caption))
    )


def _finite(view: View) -> bool:
    if columns_of_unit(view.estimator) > 1:
        return bool(np.isfinite(traversal(view.estimator, 0)).all())
    return bool(np.isfinite(view.estimator.inverse_transform(prior_quantiles(view.estimator, (1, 50, 99)))).all())


def _columns_words(view: View) -> str:
    if len(view.columns) == len(view.dataset.columns):
        return ""
    return f" Shown are the {len(view.columns)} of {len(view.dataset.columns)} columns that vary most, in the model's units."
