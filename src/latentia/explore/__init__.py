"""What a fitted model has learnt, as numbers to look at; the pictures of them are in `explore.plots`."""

from .latent import interpolation, manifold, n_units, prior_draws, prior_quantiles, traversal, unit_order
from .maps import LatentMap, latent_map

__all__ = [
    "LatentMap",
    "interpolation",
    "latent_map",
    "manifold",
    "n_units",
    "prior_draws",
    "prior_quantiles",
    "traversal",
    "unit_order",
]
