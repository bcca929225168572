"""The doctor: each ailment made on purpose and found, none found in a sound fit; at the command line too."""

import json

import numpy as np
import pytest

from latentia import VAE, GaussianMixture
from latentia.cli import main
from latentia.data import Dataset
from latentia.report.doctor import Finding, examine, worst

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(400, 3))
LINE = RNG.normal(size=(400, 1)) @ np.array([[1.0, -2.0, 0.5, 1.5]]) + 0.2 * RNG.normal(size=(400, 4))
TINY = {"n_latent": 1, "hidden": (8,), "device": "cpu", "random_state": 0, "batch_size": 32, "learning_rate": 5e-3}


def dataset(x):
    return Dataset(x=np.asarray(x), columns=tuple(f"x{i}" for i in range(x.shape[1])), name="made")


def found(estimator, x, **options):
    return {finding.what: finding for finding in examine(estimator, dataset(x), **options)}


def test_a_sound_fit_is_fine():
    findings = found(VAE(**{**TINY, "max_epochs": 70, "patience": 30}).fit(LINE), LINE)
    for what in ("ending", "collapse", "objective", "data"):
        assert findings[what].verdict == "fine", findings[what]
    assert findings["collapse"].numbers["active_units"] == 1
    assert findings["collapse"].numbers["unit_kl"][0] > 0.5
    assert "lag" in findings["encoder"].numbers


@pytest.mark.parametrize(
    ("options", "x", "what", "verdict", "words"),
    [
        ({"max_epochs": 40}, NOISE, "collapse", "trouble", "Posterior collapse"),
        ({"max_epochs": 45, "n_latent": 4}, LINE, "collapse", "look", "try n_latent="),
        ({"max_epochs": 2, "kl_warm_up": 900}, LINE, "warm-up", "trouble", "after 24 of 900 steps. Take kl_warm_up=6"),
        ({"max_epochs": 3, "kl_weight": 0.5}, LINE, "objective", "look", "weighted by 0.5"),
        ({"max_epochs": 2, "likelihood": "normal"}, (NOISE > 0) * 1.0, "likelihood", "trouble", "take bernoulli"),
        ({"max_epochs": 2}, np.floor(np.exp(6 + NOISE)), "likelihood", "look", "negative-binomial"),
        ({"max_epochs": 2, "scale": "none"}, LINE * [1, 1, 1, 1e4], "scale", "look", "take scale='standard'"),
        ({"max_epochs": 8}, LINE, "fit", "look", "Under-fitted: the bound still rose"),
    ],
)
def test_each_ailment_is_found(options, x, what, verdict, words):
    findings = found(VAE(**{**TINY, **options}).fit(x), x, lag=False)
    assert (findings[what].verdict, words in findings[what].text) == (verdict, True), findings[what]
    assert "encoder" not in findings


def test_over_fitting_is_found():
    x = RNG.normal(size=(60, 8)) * RNG.gamma(1, 1, size=(60, 8))
    options = {"n_latent": 4, "hidden": (128, 128), "max_epochs": 120, "patience": None, "kl_weight": 0.05}
    vae = VAE(**{**TINY, **options}, validation_fraction=0.3).fit(x)
    assert "Over-fitted" in found(vae, x, lag=False)["fit"].text


def test_too_few_importance_samples_are_found():
    options = {"n_latent": 3, "max_epochs": 3, "noise": 0.02, "likelihood": "normal"}
    vae = VAE(**{**TINY, **options}).fit(LINE)
    weights = found(vae, LINE, lag=False, n_samples=50)["importance samples"]
    assert (weights.verdict, "Use more samples" in weights.text) == ("look", True), weights


def test_rows_from_elsewhere_are_found():
    vae = VAE(**{**TINY, "max_epochs": 2}).fit(LINE)
    data = Dataset(
        x=LINE, columns=tuple("abcd"), name="made", test=Dataset(x=LINE * 1000, columns=tuple("abcd"), name="other")
    )
    findings = {finding.what: finding for finding in examine(vae, data, lag=False)}
    assert findings["range"].verdict == "trouble"
    assert "other units" in findings["range"].text


def test_a_mixture_without_units_is_examined_too():
    findings = found(GaussianMixture(2, max_epochs=2, tol=0.0, random_state=0).fit(LINE), LINE)
    assert findings["ending"].verdict == "look"
    assert "collapse" not in findings


def test_the_worst_verdict():
    assert worst([]) == "fine"
    assert worst([Finding("a", "fine", ""), Finding("b", "trouble", ""), Finding("c", "look", "")]) == "trouble"


def test_the_command_line(tmp_path, capsys):
    np.savetxt(tmp_path / "rows.csv", NOISE, delimiter=",", header="a,b,c", comments="")
    rows, run = str(tmp_path / "rows.csv"), str(tmp_path / "run")
    command = ["fit", rows, "--out", run, "--n-latent", "1", "--hidden", "8", "--max-epochs", "30", "--no-report"]
    assert main([*command, "--seed", "0", "--batch-size", "32", "--diagnose-every", "10"]) == 0
    capsys.readouterr()
    assert main(["doctor", run, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "trouble"
    assert any("Posterior collapse" in finding["text"] for finding in told["findings"])
    assert main(["doctor", run, "--no-lag", "--on", rows]) == 0
    assert "trouble" in capsys.readouterr().out
    assert main(["doctor", str(tmp_path / "nothing")]) == 2
    assert "probe" in (tmp_path / "run" / "history.csv").read_text()
