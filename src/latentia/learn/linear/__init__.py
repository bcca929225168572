"""Learners of linear maps: principal axes in closed form, by gradient from the covariance, the linear VAE."""

from .gradient import LinearGradient
from .principal import PrincipalAxes
from .vae import LinearVAE

__all__ = ["LinearGradient", "LinearVAE", "PrincipalAxes"]
