"""scikit-learn's conformance checks that are expected to fail, each with its reason."""

_WEIGHTS = (
    "a stochastic learner sees its rows in minibatches in a random order: rows repeated and rows weighted have the same "
    "expected gradient, but not the same draws"
)

EXPECTED_FAILED_CHECKS: dict[str, dict[str, str]] = {
    "VAE": {
        "check_sample_weight_equivalence_on_dense_data": _WEIGHTS,
        "check_sample_weights_equivalence_on_dense_data": _WEIGHTS,
    },
    "Autoencoder": {
        "check_sample_weight_equivalence_on_dense_data": _WEIGHTS,
        "check_sample_weights_equivalence_on_dense_data": _WEIGHTS,
    },
    "DenoisingAutoencoder": {
        "check_sample_weight_equivalence_on_dense_data": _WEIGHTS,
        "check_sample_weights_equivalence_on_dense_data": _WEIGHTS,
    },
    "GAN": {},
    "LinearAutoencoder": {},
    "LogisticPCA": {},
    "ProbabilisticPCA": {},
    "FactorAnalysis": {},
    "GaussianMixture": {},
    "BayesianGaussianMixture": {},
}
