"""Numbers about log p(x), each an `Estimate` that knows what it is."""

from .ais import Bracket, annealed, bidirectional
from .calibration import Calibration, calibrate
from .certifying import Certificate, Check, certify
from .collapse import CollapseWatch, Diagnosis, diagnose, encoder_lag, grid_posterior_means
from .correlation import Decomposition, Holes, decompose, prior_holes, stratified_log_weights
from .coverage import Neighbourhood, neighbourhood
from .diagnostics import Units, active_units
from .distances import frechet_distance, kernel_distance
from .estimators import elbo, estimate, exact, importance
from .extractors import Features, features
from .gap import Gaps, gaps
from .known_factors import DCI, Disentanglement, dci, disentanglement, factor_vae_score, mig, sap
from .rate import RatePoint, rate_distortion, rate_distortion_curve
from .sample_quality import Measured, Quality, quality
from .shared import predictive
from .totals import Totals

__all__ = [
    "DCI",
    "Bracket",
    "Calibration",
    "Certificate",
    "Check",
    "CollapseWatch",
    "Decomposition",
    "Diagnosis",
    "Disentanglement",
    "Features",
    "Gaps",
    "Holes",
    "Measured",
    "Neighbourhood",
    "Quality",
    "RatePoint",
    "Totals",
    "Units",
    "active_units",
    "annealed",
    "bidirectional",
    "calibrate",
    "certify",
    "dci",
    "decompose",
    "diagnose",
    "disentanglement",
    "elbo",
    "encoder_lag",
    "estimate",
    "exact",
    "factor_vae_score",
    "features",
    "frechet_distance",
    "gaps",
    "grid_posterior_means",
    "importance",
    "kernel_distance",
    "mig",
    "neighbourhood",
    "predictive",
    "prior_holes",
    "quality",
    "rate_distortion",
    "rate_distortion_curve",
    "sap",
    "stratified_log_weights",
]
