"""A fitted estimator as a run folder, and back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .._version import __version__
from ..binarise import Binarise
from ..errors import RunError
from ..fitted import FORMAT, Fit, load_modules, read_record
from ..history import from_csv
from ..randomness import Stream
from ..scaling import Scaling
from ..storage import read_tensors, write_json, write_tensors
from .base import LatentEstimator
from .fine_tuning import SOURCE, FineTuned, read_tuned
from .plan import Plan

CRITIC = "critic.safetensors"  # of a game, from which a warm start goes on
ESTIMATORS = {
    "VAE": "vae",
    "ProbabilisticPCA": "linear",
    "FactorAnalysis": "linear",
    "GaussianMixture": "mixture",
    "BayesianGaussianMixture": "bayesian_mixture",
    "LinearAutoencoder": "linear_autoencoder",
    "LogisticPCA": "logistic_pca",
    "Autoencoder": "autoencoder",
    "DenoisingAutoencoder": "denoising",
    "TextVAE": "text",
    "GAN": "gan",
}


def save(estimator: LatentEstimator, folder: Path, **more: Any) -> None:
    """Write run.json, weights.safetensors and history.csv; weights in the type they were learnt in."""
    modules = (estimator.model_, estimator.posterior_)
    try:
        for module in modules:
            module.to(estimator.dtype_)
        record = {"seed": estimator.seed_, "estimator": type(estimator).__name__}
        record["params"] = _json(estimator.get_params(deep=False))
        critic = getattr(estimator.learner_, "critic", None)
        if critic is not None:
            write_tensors(folder / CRITIC, critic.state_dict())
        estimator.fit_.save(folder, **{**record, "learnt": estimator.describe(), **more})
    finally:
        for module in modules:
            module.double()


def open_run(estimator: Any, folder: Path, resume: bool, note: Mapping[str, Any]) -> None:
    """Write run.json before learning begins: what was asked, of which data, with which seed; keep what is there."""
    if (folder / "run.json").exists():
        if resume:
            return
        raise RunError(f"{folder} holds a run already and is kept. Choose another folder, or resume=True.")
    record = {"estimator": type(estimator).__name__, "params": _json(estimator.get_params(deep=False))}
    status = {"status": "Not finished.", "seed": estimator.seed_, "finished": False}
    begun = {"format": FORMAT, "latentia": __version__, "seed": estimator.seed_, **record, **note, "fit": status}
    write_json(folder / "run.json", begun)


def load(path: str | Path) -> Any:
    """The estimator, or the fine-tuned classifier, that was saved in a run folder; runs no code of the folder's.

    Raises:
        RunError: the folder is missing, damaged, newer than this version, or no estimator's.
    """
    folder = Path(path)
    record = read_record(folder)
    if record.get("estimator") != FineTuned.__name__:
        return load_latent(folder)
    source = load_latent(folder / SOURCE)
    with _damage_told(folder):
        return read_tuned(folder, record, source)


def load_latent(path: str | Path) -> LatentEstimator:
    """`load` of an estimator of latents; of a classifier it says where the estimator is that the classifier began with."""
    folder = Path(path)
    record = read_record(folder)
    if record.get("estimator") == FineTuned.__name__:
        raise RunError(
            f"{folder} holds a fine-tuned classifier, which predicts labels in Python: latentia.load(folder).predict(rows). "
            f"The autoencoder that it began with is in {folder / SOURCE}."
        )
    estimator = new_estimator(record, folder)
    if "learnt" not in record:
        raise RunError(f"{folder} holds a fit that has not ended. Finish it with `latentia resume {folder}`.")
    with _damage_told(folder):
        tensors = read_tensors(folder / "weights.safetensors")
        _rebuild(estimator, record, tensors, folder)
        estimator._read_more(folder)
    return estimator


@contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{folder / 'run.json'} is damaged ({error!r}). Restore it from a copy, or fit again.") from None


def new_estimator(record: dict[str, Any], folder: Path) -> LatentEstimator:
    """The unfitted estimator that a run was asked for."""
    name = record.get("estimator")
    if name not in ESTIMATORS:
        raise RunError(f"{folder} holds no estimator of latentia's ({name!r}). Known: {', '.join(ESTIMATORS)}.")
    cls = getattr(import_module(f".{ESTIMATORS[name]}", __package__), name)
    known = set(cls._get_param_names())
    params = {key: _tuple(value) for key, value in record.get("params", {}).items()}
    strange = set(params) - known
    if strange:
        raise RunError(
            f"{folder} asks {name} for {sorted(strange)}, which this version does not know. Update latentia."
        )
    return cls(**params)


def _rebuild(estimator: Any, record: dict[str, Any], tensors: dict[str, torch.Tensor], folder: Path) -> None:
    learnt = record["learnt"]
    loc, scale = tensors.get("model.scaling.loc"), tensors.get("model.scaling.scale")
    levels = tuple(learnt["levels"]) if learnt["levels"] else None
    scaling = Scaling(
        0.0 if loc is None else loc, 1.0 if scale is None else scale, levels=levels, text=learnt["scaling"]
    )
    n = int(learnt["n_features"])
    zeros = np.zeros(n)
    sentences = tuple(learnt["sentences"])
    estimator.plan_ = Plan(learnt["kind"], learnt["likelihood"], scaling, zeros, zeros + 1, learnt["floor"], sentences)
    estimator.n_features_in_, estimator.n_rows_in_ = n, int(learnt["n_rows"])
    if learnt["columns"]:
        estimator.feature_names_in_ = np.array(learnt["columns"], dtype=object)
    if learnt["image_shape"]:
        estimator.image_shape_ = tuple(learnt["image_shape"])
    estimator.columns_ = tuple(learnt["names"]) if learnt["names"] else None
    flips = learnt["binarise"]
    estimator.binarise_ = None if flips is None else Binarise(**flips)
    estimator.seed_ = int(learnt["seed"])
    for key in estimator._learnt:
        setattr(estimator, key, learnt["more"][key])
    with Stream(0):
        model, learner = estimator._make(estimator.plan_, n, estimator.n_rows_in_)
    dtype = getattr(torch, learnt["precision"])
    model.to(dtype)
    learner.posterior.to(dtype)
    load_modules(tensors, model, learner.posterior, folder)
    estimator.model_, estimator.learner_, estimator.posterior_ = model, learner, learner.posterior
    history = folder / "history.csv"
    rows = from_csv(history.read_text(encoding="utf-8")) if history.is_file() else []
    estimator.fit_ = Fit(model, learner.posterior, rows, **record["fit"])
    if (folder / CRITIC).is_file() and hasattr(learner, "critic"):
        _load_critic(learner.critic, folder / CRITIC)
    estimator._finish()


def _load_critic(critic: torch.nn.Module, path: Path) -> None:
    try:
        critic.load_state_dict(read_tensors(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise RunError(f"{path} does not fit this critic ({reason}). Restore it from a copy, or fit again.") from None


def _json(params: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) for key, value in params.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (tuple, np.ndarray)):
        return list(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, (bool, int, float, str, list)) else None


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
