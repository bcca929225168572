"""Sentences by free parameters per row, and the cures of the networks: batch-normalised means, and a short way from z to the words."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import latentia
from latentia import TextVAE
from latentia.cli import main
from latentia.errors import ParameterError, UserError
from latentia.estimators.learners import LEARNERS
from latentia.networks import LSTMDecoder, TransformerDecoder
from latentia.networks.skip_decoder import SkipDecoder

LINES = [f"the {noun} {verb}" for noun in ("cat", "dog", "bird") for verb in ("sat", "ran", "slept")] * 4 + [
    "",
    "birds",
]
SMALL = {"n_latent": 2, "n_embed": 8, "n_hidden": 16, "max_epochs": 3, "random_state": 0, "device": "cpu"}
ROWS = {"learner": "svi", "learner_options": {"row_steps": 2, "infer_steps": 25, "check_steps": 5}}
NETWORKS = {"lstm": {}, "transformer": {"network": "transformer", "n_layers": 1, "n_heads": 2}}


# --- svi ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_free_parameters_of_sentences_are_saved_loaded_and_inferred_anew(network: str, tmp_path: Path) -> None:
    model = TextVAE(**SMALL, **ROWS, **NETWORKS[network]).fit(LINES)
    codes, sd = model.transform(LINES, return_std=True)
    assert codes.shape == sd.shape == (len(LINES), 2)
    assert np.ptp(codes, 0).min() > 0  # something was inferred
    np.testing.assert_allclose(model.transform(LINES[::-1])[::-1], codes, atol=1e-9)  # a row's q is its own
    model.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    assert np.array_equal(again.transform(LINES), codes)
    assert np.array_equal(TextVAE(**SMALL, **ROWS, **NETWORKS[network]).fit_transform(LINES), codes)
    assert np.isfinite(again.score_samples(LINES[:4], n_samples=3)).all()
    assert all(isinstance(line, str) for line in again.reconstruct(LINES[:3]))


def test_free_parameters_of_sentences_ascend_the_bound_of_a_held_p() -> None:
    """More steps for each row, p held, give a higher bound; they begin at the prior, where the KL is nothing."""
    fitted = TextVAE(**{**SMALL, "max_epochs": 30, "learning_rate": 1e-2, "patience": None}, **ROWS).fit(LINES)
    bounds = []
    for steps in (1, 10, 100):
        fitted.posterior_.n_steps = steps
        bounds.append(fitted.evidence(LINES[:18], "elbo", n_samples=400).mean)
    assert bounds[0] < bounds[1] < bounds[2] + 0.02


# --- the networks' cures -----------------------------------------------------------------------------------------------


def decoders() -> dict[str, SkipDecoder]:
    torch.manual_seed(0)
    inner = {"lstm": LSTMDecoder(9, 3, 4, 8), "transformer": TransformerDecoder(9, 3, 8, 1, 2)}
    return {name: SkipDecoder(network).double() for name, network in inner.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_word_by_word_and_all_at_once_are_the_same_with_a_short_way(name: str) -> None:
    network = decoders()[name]
    context, tokens = torch.randn(4, 3, dtype=torch.float64), torch.randint(0, 9, (4, 6))
    whole, state = network(context, tokens), network.begin(context)
    for place in range(6):
        logits, state = network.advance(state, tokens[:, place])
        assert torch.allclose(logits, whole[:, place])
    by_hand = network.network(context, tokens) + (context @ network.way.weight.T)[:, None]
    assert torch.equal(whole, by_hand)


def test_z_reaches_the_words_when_the_network_is_deaf_to_it() -> None:
    network = decoders()["lstm"]
    inner = network.network
    assert isinstance(inner, LSTMDecoder)
    torch.nn.init.zeros_(inner.cell.weight)
    torch.nn.init.zeros_(inner.lstm.weight_ih_l0)
    context, tokens = torch.randn(2, 3, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.long)
    assert torch.equal(*inner(context, tokens))
    assert not torch.allclose(*network(context, tokens))


@pytest.mark.parametrize("network", NETWORKS)
def test_both_cures_are_saved_loaded_and_generate(network: str, tmp_path: Path) -> None:
    cures = {"batch_norm_mean": 0.6, "skip": True}
    model = TextVAE(**SMALL, **NETWORKS[network], **cures).fit(LINES)
    model.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    assert np.array_equal(again.transform(LINES), model.transform(LINES))
    for how in ("greedy", "sample", "beam"):
        assert again.generate(np.ones((2, 2)), how) == model.generate(np.ones((2, 2)), how)
    assert again.sample(3) == model.sample(3)


def test_batch_normalised_means_hold_the_kl_up_on_words_that_z_knows_nothing_of() -> None:
    """KL >= units x scale^2 / 2 on a batch of learning; every row of noise would collapse without."""
    words = np.random.default_rng(0).choice(list("abcd"), (128, 3))
    lines = [" ".join(line) for line in words]
    options = {**SMALL, "max_epochs": 20, "validation_fraction": 0.0, "batch_size": 64, "learning_rate": 1e-2}
    plain, cured = (TextVAE(**options, batch_norm_mean=scale).fit(lines) for scale in (0.0, 0.8))
    assert plain.history_[-1]["kl"] < 0.3
    assert cured.history_[-1]["kl"] >= 2 * 0.8**2 / 2 - 1e-3
    with pytest.raises(ParameterError, match="batch_norm_mean=-1"):
        TextVAE(**SMALL, batch_norm_mean=-1.0).fit(lines)


def test_recorded_steps_give_the_same_bits_with_both_cures() -> None:
    options = {**SMALL, "max_epochs": 130, "batch_size": 19, "validation_fraction": 0.0, "batch_norm_mean": 0.6}
    ways = [TextVAE(**options, skip=True, execution=how).fit(LINES) for how in ("eager", "auto")]
    assert ways[0].fit_.steps > 200
    assert all(torch.equal(a, b) for a, b in zip(*(way.fit_.tensors().values() for way in ways)))


def test_the_command_line_reaches_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n")
    sizes = ["--model", "text-vae", "--n-latent", "2", "--n-hidden", "8", "--n-embed", "8", "--max-epochs", "1"]
    command = ["fit", str(tmp_path / "lines.txt"), *sizes, "--no-report", "--json"]
    assert main([*command, "--out", str(tmp_path / "a"), "--batch-norm-mean", "0.6", "--skip"]) == 0
    params = json.loads((tmp_path / "a" / "run.json").read_text())["params"]
    assert (params["batch_norm_mean"], params["skip"]) == (0.6, True)
    options = ["--learner", "svi", "--learner-options", "infer_steps=4,check_steps=2"]
    assert main([*command, "--out", str(tmp_path / "b"), *options]) == 0
    assert main(["encode", str(tmp_path / "b"), str(tmp_path / "lines.txt"), "--out", str(tmp_path / "z.csv")]) == 0
    assert main(["doctor", str(tmp_path / "b"), "--samples", "4"]) == 0
    assert "collapse" in capsys.readouterr().out


# --- every learner -----------------------------------------------------------------------------------------------------

OWN = {
    "svi": ROWS["learner_options"],
    "semi-amortized": {"n_steps": 2},
    "aggressive": {"max_inner": 4, "window": 2, "mi_every": 2},
    "reweighted-wake-sleep": {"n_samples": 3, "fit": "both"},
    "monte-carlo-em": {"n_proposals": 5, "n_samples": 2},
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_learns_sentences_or_refuses(learner: str, network: str) -> None:
    options = {**SMALL, **NETWORKS[network], "max_epochs": 1}
    model = TextVAE(**options, learner=learner, learner_options=OWN.get(learner), gradient_clip=None)
    if learner in ("exact-em", "variational-em", "adversarial"):
        with pytest.raises(UserError, match="Use "):
            model.fit(LINES)
        return
    model.fit(LINES)
    assert np.isfinite(model.transform(LINES[:3])).all()
    assert "posterior=" not in model.fit_.status
