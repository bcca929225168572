"""The reconstruction bound against sums by hand: penalties, corruption, points without a density."""

import numpy as np
import pytest
import torch
from torch import nn

from latentia.batch import Batch
from latentia.bounds import Elbo, LabelBound, Reconstruction
from latentia.conditional import Conditional
from latentia.corruption import GaussianNoise, Given, Masking, SaltAndPepper
from latentia.distributions import Flat, PointMass
from latentia.errors import AbilityError, DataError, ParameterError
from latentia.families import Normal
from latentia.models import Decoder, LabelDecoder, LinearDecoder, LogisticPCA
from latentia.networks import MLP
from latentia.networks.transposed import Transposed, linears
from latentia.posteriors import BestPoint, Point
from latentia.randomness import row_noise
from latentia.scaling import Scaling

N, D, K = 7, 4, 2
SCALE = torch.tensor([1.0, 2.0, 0.5, 3.0])


def made(tied: bool = False) -> tuple[Decoder, Point, Batch]:
    torch.manual_seed(0)
    encoder, scaling = MLP(D, K, (5,), "tanh"), Scaling(torch.arange(4.0), SCALE)
    network = Transposed(linears(encoder), "tanh") if tied else MLP(K, D, (5,), "tanh")
    likelihood = Conditional(network, Normal((D,), scale=1.0), (K,))
    model = Decoder(likelihood, scaling, encoder if tied else None).double()
    q = Point(None if tied else encoder).double()
    return model, q, Batch(torch.randn(N, D).double(), torch.arange(N))


@pytest.mark.parametrize("tied", [False, True])
def test_the_value_is_the_squared_error_in_nats_of_the_users_units(tied: bool) -> None:
    model, q, batch = made(tied)
    terms = Reconstruction()(model, q, batch)
    z = q(batch, model).mean
    back = model.conditional.network(z)
    error = (model.standardise(batch.x) - back).square().sum(1)
    by_hand = -0.5 * error - 0.5 * D * np.log(2 * np.pi) - SCALE.double().log().sum()
    assert torch.allclose(terms.value, by_hand)
    assert torch.equal(terms.surrogate, terms.value)


def test_penalties_are_descended_and_not_reported() -> None:
    model, q, batch = made()
    plain = Reconstruction()(model, q, batch).value
    terms = Reconstruction(sparsity=0.3)(model, q, batch)
    assert torch.equal(terms.value, plain)
    by_hand = 0.3 * q(batch, model).mean.abs().sum(1)
    assert torch.allclose(terms.surrogate, plain - by_hand)
    assert torch.allclose(terms.parts["penalty"], -by_hand)


def test_the_contraction_is_the_jacobian_in_the_models_units() -> None:
    model, q, batch = made()
    units = model.standardise(batch.x)
    exact = torch.stack([torch.autograd.functional.jacobian(q.encoder, u).square().sum() for u in units])  # type: ignore[arg-type]
    torch.manual_seed(1)
    bound = Reconstruction(contraction=2.0)
    draws = torch.stack([-bound(model, q, batch).parts["penalty"].detach() for _ in range(4000)])
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - 2.0 * exact).abs() < 5 * error).all()
    with torch.no_grad():
        assert "penalty" not in bound(model, q, batch).parts


def test_a_corrupted_row_is_encoded_and_the_row_itself_explained() -> None:
    model, q, batch = made()
    terms = Reconstruction(lambda x: x + 1.0)(model, q, batch)
    z = q(Batch(batch.x + 1.0, batch.index), model).mean
    assert torch.allclose(terms.value, model.log_likelihood(batch.x, z.unsqueeze(0))[0])


def test_evaluation_noise_belongs_to_the_row() -> None:
    model, q, batch = made()
    bound = Reconstruction(GaussianNoise(0.5))
    with row_noise(batch.x, 3):
        whole = bound(model, q, batch).value
    part = Batch(batch.x[4:], batch.index[4:])
    with row_noise(part.x, 3):
        assert torch.allclose(bound(model, q, part).value, whole[4:])


X = torch.linspace(0.1, 0.9, 40_000).reshape(-1, 4)
CORRUPTED = {
    "gaussian": (GaussianNoise(0.3), lambda y: (y - X).std(), 0.3, 0.01),
    "masking": (Masking(0.25, 9.0), lambda y: (y == 9.0).float().mean(), 0.25, 0.015),
    "salt": (SaltAndPepper(0.5, -1.0, 2.0), lambda y: (y == 2.0).float().mean(), 0.25, 0.015),
    "pepper": (SaltAndPepper(0.5, -1.0, 2.0), lambda y: (y == -1.0).float().mean(), 0.25, 0.015),
    "left alone": (SaltAndPepper(0.5, -1.0, 2.0), lambda y: (y == X).float().mean(), 0.5, 0.015),
}


@pytest.mark.parametrize("name", CORRUPTED)
def test_corruptions_do_what_they_say(name: str) -> None:
    corrupt, measure, expected, error = CORRUPTED[name]
    torch.manual_seed(0)
    first, second = corrupt(X), corrupt(X)
    assert first.shape == X.shape
    assert not torch.equal(first, second)
    assert float(measure(first)) == pytest.approx(expected, abs=error)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: GaussianNoise(0.0), ParameterError, "noise_scale"),
        (lambda: GaussianNoise(float("inf")), ParameterError, "noise_scale"),
        (lambda: Masking(1.0), ParameterError, "everything is destroyed"),
        (lambda: SaltAndPepper(0.0), ParameterError, "nothing is corrupted"),
        (lambda: Given(lambda x: x[:1]).check(X), DataError, "shape"),
        (lambda: Given(lambda x: x / 0).check(X), DataError, "finite"),
        (lambda: Given(lambda x: x * 0).check(X), DataError, "destroys everything"),
        (lambda: Reconstruction(sparsity=-1.0), ParameterError, "sparsity"),
    ],
)
def test_corruption_that_destroys_everything_is_refused(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_point_has_no_density_and_a_flat_prior_no_draws() -> None:
    model, q, batch = made()
    with pytest.raises(AbilityError, match="no evidence lower bound"):
        Elbo()(model, q, batch)
    with pytest.raises(AbilityError, match="no evidence lower bound"):
        PointMass(torch.zeros(2)).log_prob(torch.zeros(2))
    with pytest.raises(AbilityError, match="no distribution of z"):
        model.sample(3)
    assert torch.equal(Flat(torch.zeros(2)).log_prob(torch.ones(5, 3, 2)), torch.zeros(5, 3))
    with pytest.raises(AbilityError, match="needs a model that holds the encoder"):
        Point(None)(batch, model)
    with pytest.raises(AbilityError, match=r"posteriors\.Point with an encoder"):
        BestPoint()(batch, model)


def test_labels_are_explained_in_the_place_of_rows() -> None:
    torch.manual_seed(0)
    model = LabelDecoder(D, 3, Scaling(torch.zeros(D), SCALE)).double()
    q = Point(nn.Identity())
    x, label = torch.randn(N, D).double(), torch.arange(N) % 3
    value = LabelBound()(model, q, Batch(x, torch.arange(N), label=label)).value
    by_hand = torch.log_softmax(model.conditional.network(x / SCALE.double()), 1)[torch.arange(N), label]
    assert torch.allclose(value, by_hand)
    assert torch.allclose(model.probabilities(x / SCALE.double()).log()[torch.arange(N), label], by_hand)


def test_tied_decoders_hold_the_encoders_weights_once() -> None:
    model, q, _ = made(tied=True)
    assert not list(q.parameters())
    sizes = sum(p.numel() for p in model.parameters())
    assert sizes == (D * 5 + 5) + (5 * K + K) + 5 + D  # weights once, biases of both directions


def test_best_points_against_a_general_optimiser() -> None:
    from scipy.optimize import minimize

    torch.manual_seed(0)
    model = LogisticPCA(6, K, ridge=0.05).double()
    with torch.no_grad():
        model.axes.mul_(8.0)
        model.loc.copy_(torch.linspace(-7, 7, 6))  # far out, where plain Newton steps overshoot
    x = torch.bernoulli(torch.full((25, 6), 0.5)).double()
    axes, loc = model.axes.detach().numpy(), model.loc.detach().numpy()
    observed = torch.rand(25, 6) < 0.8
    for seen in (None, observed):
        z = BestPoint()(Batch(x, torch.arange(25), observed=seen), model).mean
        for i in range(25):
            here = np.ones(6) if seen is None else seen[i].numpy()

            def loss(code: np.ndarray, row: np.ndarray, here: np.ndarray) -> float:
                logits = loc + axes @ code
                return -(here * (row * logits - np.logaddexp(0, logits))).sum() + 0.025 * (code**2).sum()

            best = minimize(loss, np.zeros(K), args=(x[i].numpy(), here), tol=1e-14)
            assert z[i].numpy() == pytest.approx(best.x, abs=1e-4)


def test_linear_decoders_take_no_levels() -> None:
    with pytest.raises(ParameterError, match="without levels"):
        LinearDecoder(3, 1, Scaling(levels=(0.0, 5.0)))
    with pytest.raises(ParameterError, match="no logits"):
        LogisticPCA(3, 1, likelihood="normal")
    with pytest.raises(ParameterError, match="ridge"):
        LogisticPCA(3, 1, ridge=0.0)


def test_evidence_of_a_decoder_is_refused_by_every_estimator() -> None:
    from latentia import evidence

    model, q, batch = made()
    for method in ("elbo", "importance", "exact"):
        with pytest.raises(AbilityError, match="An autoencoder has no distribution of z"):
            evidence.estimate(method, model, q, batch.x)
