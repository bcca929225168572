"""The estimators' parameters as options: one table, from which the signature of `latentia fit` is made."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import typer

from ..errors import ParameterError

MODELS = {
    "vae": "VAE",
    "ppca": "ProbabilisticPCA",
    "fa": "FactorAnalysis",
    "gmm": "GaussianMixture",
    "linear-ae": "LinearAutoencoder",
    "logistic-pca": "LogisticPCA",
    "ae": "Autoencoder",
    "dae": "DenoisingAutoencoder",
    "gan": "GAN",
    "bgmm": "BayesianGaussianMixture",
    "text-vae": "TextVAE",
}


@dataclass(frozen=True)
class Option:
    """One parameter of the estimators.

    Arguments:
        name: of the parameter; the option is the same with dashes.
        kind: its type on the command line.
        help: what it is, in a line.
        flag: the option's name, where it is another.
    """

    name: str
    kind: type
    help: str
    flag: str = ""

    @property
    def option(self) -> str:
        return f"--{(self.flag or self.name).replace('_', '-')}"


OPTIONS = (
    Option("n_latent", int, "Size of the latent z."),
    Option("n_components", int, "Components of the mixture, or of a normal-mixture prior."),
    Option(
        "posterior",
        str,
        "Family of q(z|x): normal, full-normal, gamma, bernoulli, categorical, ...: `latentia families`.",
    ),
    Option("posterior_options", str, "Of that family, such as df=5 or rank=3 or n_transforms=5,hidden=32x32."),
    Option("prior", str, "auto, vamp, normal-mixture, or a family."),
    Option("prior_options", str, "Of that family, such as df=5."),
    Option("n_pseudo_inputs", int, "Components of a vamp prior."),
    Option("latent_categories", int, "Values of each categorical latent."),
    Option("temperature", float, "Of relaxed and straight-through latents."),
    Option(
        "likelihood",
        str,
        "auto, normal, bernoulli, continuous-bernoulli, poisson, ...: `latentia families` lists them.",
    ),
    Option("likelihood_options", str, "Of that family, such as n_components=10 or df=5."),
    Option("scale", str, "auto, none, standard, unit: the map to the model's units, a part of the density."),
    Option("noise", str, "Scale of a normal likelihood: auto, per-feature, one, network, or a number."),
    Option("binarize", str, "stochastic or threshold, for grey levels under a Bernoulli."),
    Option("network", str, "mlp, conv or pixelcnn; of text: lstm or transformer."),
    Option("unit", str, "Of text: word or character."),
    Option("vocabulary", str, "Of text: a file of one word on each line; learnt without it."),
    Option("max_words", int, "Of text: words of a learnt vocabulary at most."),
    Option("min_count", int, "Of text: how often a word is seen at least to be learnt."),
    Option("max_length", int, "Of text: tokens of a sentence that are used at most, its end included."),
    Option("n_embed", int, "Of text: size of a word's vector."),
    Option("n_hidden", int, "Of text: size of the networks' states."),
    Option("n_layers", int, "Of text: layers of a transformer; also those of a pixelcnn."),
    Option("n_heads", int, "Of text: heads of each layer."),
    Option("dropout", float, "Of text: share of the decoder's cells hidden while learning."),
    Option("word_dropout", float, "Of text: share of the decoder's input words hidden while learning."),
    Option("image_shape", str, "Height x width of flat rows, such as 28x28."),
    Option("hidden", str, "Sizes of the hidden layers, such as 256,256."),
    Option("activation", str, "relu, tanh, silu, gelu, elu, softplus, identity."),
    Option(
        "learner",
        str,
        "amortized, svi, semi-amortized, aggressive, wake-sleep, reweighted-wake-sleep, monte-carlo-em, exact-em, "
        "variational-em, adversarial; closed-form.",
    ),
    Option(
        "learner_options",
        str,
        "The learner's own, such as max_inner=50,window=10; a wrong name is told the right ones.",
    ),
    Option("bound", str, "elbo, importance-weighted or renyi: what is ascended."),
    Option("alpha", float, "Order of the Renyi bound."),
    Option(
        "gradient",
        str,
        "Of the bound by q: auto, pathwise, score, leave-one-out, nvil, disarm, vimco, sticking-the-landing, dreg, ...",
    ),
    Option("gradient_options", str, "Of that estimator, such as decay=0.9 or hidden=50."),
    Option("n_samples", int, "Draws of z per row while learning."),
    Option("kl_weight", float, "Weight of the KL in the objective; reports carry the true bound."),
    Option("kl_warm_up", int, "Steps in which the KL weight rises from 0."),
    Option("kl_annealing", str, "linear, sigmoid, cyclical: how it rises."),
    Option("kl_cycles", int, "Cycles of the cyclical annealing."),
    Option("free_bits", float, "Nats of KL that cost nothing, for each group of latent units."),
    Option("free_bits_group", int, "Units in such a group; 0 is all of them together."),
    Option("target_rate", float, "Nats per row to which the KL is drawn."),
    Option("committed_rate", float, "Nats per row below which the KL cannot fall (delta-VAE)."),
    Option("batch_norm_mean", float, "Spread of the posterior means, fixed by a batch norm (BN-VAE), such as 0.6."),
    Option("skip", bool, "z enters every layer of the decoder."),
    Option("diagnose_every", int, "Epochs between two looks at what z carries, written into history.csv."),
    Option("covariance", str, "full, tied, diag, spherical; of bgmm: unit or full."),
    Option("prior_scale", float, "Standard deviation of the means of a bgmm of unit variance."),
    Option(
        "learn_prior", bool, "Learn the prior's parameters: a family's as a prior of a vae, the prior-scale of a bgmm."
    ),
    Option("weight_concentration", float, "Of the Dirichlet over the weights of a bgmm; below 1 it prefers few."),
    Option("mean_precision", float, "How many rows the prior's knowledge of a mean is worth (bgmm)."),
    Option("degrees_of_freedom", float, "Of the Wishart over the precisions of a bgmm."),
    Option("regulariser", float, "Strength of the covariances' prior, in pseudo-rows."),
    Option("start", str, "k-means or random."),
    Option("n_init", int, "Starts of EM, of which the best is kept."),
    Option("tied", bool, "The decoder has the encoder's weights, transposed (ae, dae)."),
    Option(
        "pretrain_epochs",
        int,
        "Epochs in which each layer is first learnt as an autoencoder of the one below (ae, dae).",
    ),
    Option("sparsity", float, "Penalty on the size of codes (ae, dae)."),
    Option("contraction", float, "Penalty on the slope of codes (ae, dae)."),
    Option("corruption", str, "gaussian, masking, salt-and-pepper: what a dae undoes."),
    Option("noise_scale", float, "Standard deviation of a dae's gaussian noise, in the data's units."),
    Option("corruption_share", float, "Share of the cells that masking and salt-and-pepper destroy."),
    Option("solver", str, "Of linear-ae in closed form: auto, svd, covariance, randomised."),
    Option("max_memory", float, "MiB that linear-ae may take in closed form."),
    Option("l2", str, "Smallest and largest weight of linear-ae's penalties, such as 0.1,0.9."),
    Option("ridge", float, "Penalty on codes and axes of logistic-pca."),
    Option("tol", float, "EM ends when the log-likelihood rises by less, nats per row."),
    Option("max_epochs", int, "Epochs (passes of EM) at most."),
    Option("max_time", float, "Seconds at most."),
    Option("batch_size", int, "Rows per step."),
    Option("objective", str, "Of a game: non-saturating, minimax, wasserstein, hinge, least-squares, relativistic."),
    Option("critic_steps", int, "Steps of the critic before each of the generator."),
    Option("pack", int, "Rows that the critic sees side by side."),
    Option("gradient_penalty", float, "Weight of the penalty on critic slopes other than one; 0.1 for wasserstein."),
    Option("r1", float, "Weight of the critic's squared slope at rows."),
    Option("r2", float, "Weight of the critic's squared slope at samples."),
    Option("spectral", bool, "Spectral normalisation of the critic."),
    Option("average", float, "Decay of the moving average of the generator's weights; 0 for none."),
    Option("channels", int, "Of the finest layer of a game's convolutional networks; of each layer of a pixelcnn."),
    Option("critic_learning_rate", float, "Of the critic, where it is not the generator's."),
    Option("betas", str, "Of Adam in a game, such as 0.5,0.99."),
    Option("optimizer", str, "Name in torch.optim."),
    Option("learning_rate", float, "Of the optimiser."),
    Option("schedule", str, "constant, cosine, linear: of the learning rate."),
    Option("gradient_clip", float, "Largest norm of the gradient."),
    Option("validation_fraction", float, "Share of rows held out for early stopping."),
    Option("patience", int, "Epochs without a better held-out bound before it stops; 0 never stops."),
    Option("device", str, "auto, cpu, cuda, mps."),
    Option("precision", str, "float32, float64, bfloat16."),
    Option("execution", str, "auto, eager, recorded, compiled (torch.compile: half a minute before the first step)."),
    Option("random_state", int, "Seed of all random numbers.", flag="seed"),
)
NOT_OPTIONS = ("warm_start", "verbose")


def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command(..., **params)` a typer option for each row of the table, None where it was not given."""
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    extra = [_parameter(option) for option in OPTIONS]

    def wrapped(**arguments: Any) -> Any:
        return command(**arguments)

    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    wrapped.__signature__ = signature.replace(parameters=[*own, *extra])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in [*own, *extra]}
    return wrapped


def _parameter(option: Option) -> inspect.Parameter:
    default = typer.Option(
        None, option.option, help=option.help, show_default=False, rich_help_panel="Model and learner"
    )
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option.kind | None
    )


def estimator_params(model: str, given: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Constructor arguments from options; raises `ParameterError` for one that the model has not."""
    params: dict[str, Any] = {}
    for option in OPTIONS:
        value = given.get(option.name)
        if value is None:
            continue
        if option.name not in known:
            raise ParameterError(f"{option.option} is not an option of --model {model}. See `latentia fit --help`.")
        params[option.name] = _value(option, value)
    return params


def _value(option: Option, value: Any) -> Any:
    if option.name in ("hidden", "image_shape"):
        parts = [part for part in str(value).replace("x", ",").split(",") if part.strip()]
        if not all(part.strip().isdigit() for part in parts):
            raise ParameterError(f"{option.option}={value!r} is no list of sizes. Use whole numbers, such as 256,256.")
        return tuple(int(part) for part in parts)
    if option.name.endswith("_options"):
        from ..estimators.learners import parsed_options

        return parsed_options(str(value))
    if option.name == "noise":
        try:
            return float(value)
        except ValueError:
            return value
    if option.name == "betas":
        try:
            first, second = (float(part) for part in str(value).split(","))
        except ValueError:
            raise ParameterError(f"--betas={value!r} is no pair of numbers. Use two, such as 0.5,0.99.") from None
        return first, second
    if option.name == "l2":
        return _pair(option, value)
    if option.name == "patience" and value == 0:
        return None
    return value


def _pair(option: Option, value: Any) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in str(value).split(","))
    except ValueError:
        raise ParameterError(f"{option.option}={value!r} is no pair of numbers. Use two, such as 0.1,0.9.") from None
    return low, high
