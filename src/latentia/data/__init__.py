"""Files and frames become arrays here; named data sets are found, fetched and read. Knows no model, and no torch."""

from .arrays import from_array
from .checks import check_rows, check_weight, to_numeric
from .dataset import Dataset
from .factors import FACTORS, draw_factors, every_factor, factor_images, render_factors
from .loading import load, open_data
from .named import describe, fetch, names
from .shards import Shards, open_shards
from .tables import from_frame
from .text import Sentences, Vocabulary, read_lines

__all__ = [
    "FACTORS",
    "Dataset",
    "Sentences",
    "Shards",
    "Vocabulary",
    "check_rows",
    "check_weight",
    "describe",
    "draw_factors",
    "every_factor",
    "factor_images",
    "fetch",
    "from_array",
    "from_frame",
    "load",
    "names",
    "open_data",
    "open_shards",
    "read_lines",
    "render_factors",
    "to_numeric",
]
