"""Every family that may be a likelihood, and its options, under the autoencoders; and what they say of bad input."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats as st
import torch
from sklearn.exceptions import NotFittedError

import latentia
from latentia import Autoencoder, DenoisingAutoencoder, LinearAutoencoder, LogisticPCA
from latentia.cli import main
from latentia.errors import DataError, ParameterError
from latentia.families import INFLATED, TABLE

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 3))
SHARES = RNG.gamma(2.0, size=(60, 3))
ROWS = {
    "real": REAL,
    "rows": REAL,
    "positive": RNG.gamma(2.0, size=(60, 3)),
    "unit interval": RNG.uniform(0.05, 0.95, (60, 3)),
    "coins": (RNG.random((60, 3)) < 0.4).astype(float),
    "counts": RNG.poisson(2.0, (60, 3)).astype(float),
    "levels": RNG.integers(0, 9, (60, 3)).astype(float),
    "categories": RNG.integers(0, 4, (60, 3)).astype(float),
    "simplex": SHARES / SHARES.sum(1, keepdims=True),
    "sphere": REAL / np.linalg.norm(REAL, axis=1, keepdims=True),
}
LIKELIHOODS = {row.name: row.support for row in TABLE if "likelihood" in row.stands} | dict.fromkeys(INFLATED, "counts")
TINY: dict[str, Any] = {"n_latent": 2, "hidden": (8,), "max_epochs": 12, "batch_size": 30, "learning_rate": 0.01}
TINY |= {"device": "cpu", "random_state": 0, "validation_fraction": 0}
KINDS = [Autoencoder, DenoisingAutoencoder]


# --- families --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", KINDS)
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_every_likelihood_is_learnt_saved_and_loaded(name: str, cls: Any, tmp_path: Path) -> None:
    x = ROWS[LIKELIHOODS[name]]
    model = cls(likelihood=name, **TINY).fit(x)
    assert model.history_[-1]["bound"] > model.history_[0]["bound"]
    assert np.isfinite(model.reconstruct(x)).all()
    model.save(tmp_path / "run")
    assert np.array_equal(latentia.load(tmp_path / "run").score_samples(x), model.score_samples(x))


@pytest.mark.parametrize("name", ["full-normal", "spline-flow", "discretised-logistic-mixture"])
def test_layers_are_pre_trained_under_what_reads_more_than_a_number_per_column(name: str) -> None:
    model = Autoencoder(likelihood=name, pretrain_epochs=2, **TINY).fit(ROWS[LIKELIHOODS[name]])
    assert np.isfinite(model.score(ROWS[LIKELIHOODS[name]]))


@pytest.mark.parametrize("name", ["full-normal", "gamma", "categorical"])
def test_an_encoders_weights_decode_one_number_per_column_only(name: str) -> None:
    with pytest.raises(ParameterError, match=r"one number per column, 3 in all.*tied=False"):
        Autoencoder(likelihood=name, tied=True, **TINY).fit(ROWS[LIKELIHOODS[name]])


# --- options of families ---------------------------------------------------------------------------------------------


def by_scipy(name: str, p: Any, x: np.ndarray) -> np.ndarray:
    """log p(x|z) from the parameters that the network gave, by SciPy's densities."""
    if name == "student-t":
        return st.t.logpdf(x, 5.0, p.loc.numpy(), p.scale.numpy()).sum(1)
    factor, spread = p.cov_factor.numpy(), p.cov_diag.numpy()
    covariance = [w @ w.T + np.diag(d) for w, d in zip(factor, spread)]
    return np.array([st.multivariate_normal.logpdf(*row) for row in zip(x, p.loc.numpy(), covariance)])


@pytest.mark.parametrize("cls", KINDS)
@pytest.mark.parametrize(("name", "options"), [("student-t", {"df": 5.0}), ("low-rank-normal", {"rank": 1})])
def test_options_of_the_family_are_those_of_the_density(name: str, options: dict[str, Any], cls: Any) -> None:
    model = cls(likelihood=name, likelihood_options=options, scale="none", **TINY).fit(REAL)
    z = torch.as_tensor(model.transform(REAL))
    with torch.no_grad():
        p = model.model_.conditional(z)
    assert getattr(model.model_.conditional.family, next(iter(options))) == next(iter(options.values()))
    assert model.score_samples(REAL) == pytest.approx(by_scipy(name, p, REAL), abs=1e-8)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"likelihood": "student-t", "likelihood_options": {"dff": 5}}, "no option 'dff'"),
        ({"likelihood": "normal", "likelihood_options": {"scale": 2}}, "`noise` decide"),
    ],
)
def test_options_that_a_family_has_not_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        Autoencoder(**{**TINY, **options}).fit(REAL)


@pytest.mark.parametrize("kind", ["ae", "dae"])
def test_options_of_the_family_come_from_the_command_line(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    np.savetxt("t.csv", REAL, delimiter=",", header="a,b,c", comments="")
    small = ("--model", kind, "--max-epochs", "2", "--hidden", "8", "--n-latent", "2", "--seed", "0", "--no-report")
    family = ("--likelihood", "low-rank-normal", "--likelihood-options", "rank=2")
    assert main(["fit", "t.csv", "--out", "run", *small, *family]) == 0
    assert latentia.load("run").model_.conditional.family.rank == 2


# --- bad input -------------------------------------------------------------------------------------------------------

EVERY = [Autoencoder, DenoisingAutoencoder, LinearAutoencoder, LogisticPCA]
COMPLEX: dict[str, Callable[[np.ndarray], Any]] = {
    "an array": lambda x: x + 1j,
    "a tensor": lambda x: torch.as_tensor(x + 1j),
    "lists": lambda x: (x + 1j).tolist(),
    "a data frame": lambda x: pytest.importorskip("pandas").DataFrame({"a": x[:, 0], "b": x[:, 1] + 1j}),
}


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize("kind", COMPLEX)
def test_complex_numbers_are_refused_in_one_sentence(kind: str, cls: Any) -> None:
    x = ROWS["coins"][:, :2]
    model = cls(1, max_epochs=1).fit(x)
    for call in (model.fit, model.transform, model.score):
        with pytest.raises(DataError, match=f"{cls.__name__}: complex numbers came") as error:
            call(COMPLEX[kind](x))
        assert len(str(error.value)) < 300
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("cls", EVERY)
def test_nothing_is_saved_before_a_fit(cls: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match=f"{cls.__name__} instance is not fitted"):
        cls(1).save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("cls", KINDS)
@pytest.mark.parametrize("shape", ["2x2", 4, ("2", "2"), (-2, -2), (2.5, 2), (4,), (2, True)], ids=str)
def test_a_shape_of_images_that_is_none_is_refused(shape: Any, cls: Any) -> None:
    with pytest.raises(ParameterError, match=r"image_shape=.* cannot be used\. Use \(height, width\)"):
        cls(network="conv", image_shape=shape, **TINY).fit(RNG.normal(size=(60, 4)))
