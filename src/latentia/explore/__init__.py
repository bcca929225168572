"""What a fitted model has learnt, as numbers to look at; the pictures of them are in `explore.plots` and its neighbours."""

from .components import Components, components
from .fields import Field, move_of, vector_field, walk
from .frames import animate, strip
from .latent import manifold, middle, n_units, prior_draws, prior_quantiles, stops, traversal, unit_order
from .maps import LatentMap, latent_map
from .neighbours import Neighbours, neighbours
from .paths import interpolation, path
from .reconstructions import Reconstructions, reconstructions
from .training import Watch

__all__ = [
    "Components",
    "Field",
    "LatentMap",
    "Neighbours",
    "Reconstructions",
    "Watch",
    "animate",
    "components",
    "interpolation",
    "latent_map",
    "manifold",
    "middle",
    "move_of",
    "n_units",
    "neighbours",
    "path",
    "prior_draws",
    "prior_quantiles",
    "reconstructions",
    "stops",
    "strip",
    "traversal",
    "unit_order",
    "vector_field",
    "walk",
]
