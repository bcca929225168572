"""What `fit` does, from rows to a fitted estimator."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NonFiniteError, ParameterError, ProcessError, RunError, UserError
from ..families.columns import n_columns
from ..fitted import close_failed_run, read_seed
from ..learn import fit
from ..processes import current
from ..randomness import Stream
from .given import Given, take_in
from .parameters import check_numbers
from .plan import warn_constant


class Printing:
    """What `verbose` prints, unless the caller watches for itself."""

    def __init__(self, verbose: int, planned: Callable[..., None] | None, progress: Callable[..., None] | None) -> None:
        if not current().first:
            planned, progress, verbose = None, None, 0
        self.planned = planned or (self._lines if verbose else lambda sentences: None)
        self.progress = progress or (self._line if verbose else None)

    def _lines(self, sentences: Sequence[str]) -> None:
        print(*sentences, sep="\n")

    def _line(self, now: Any) -> None:
        if now.epoch_ended:
            held_out = "" if now.held_out is None else f", held out {now.held_out:.3f}"
            bound = "no bound" if now.bound is None else f"bound {now.bound:.3f} nats per row"
            print(f"epoch {now.epoch}/{now.epochs}: {bound}{held_out}")


def learn(
    estimator: Any,
    X: Any,
    sample_weight: Any,
    folder: Path | None,
    resume: bool,
    note: Mapping[str, Any],
    watch: Printing,
    options: Mapping[str, Any],
) -> None:
    """Check the rows, plan, make model and learner, run the loop, save; arguments as for the estimators' `fit`.

    What fails leaves the estimator as it was, unless something had been learnt, which then is what it holds.
    """
    from .saving import open_run

    with _or_as_it_was(estimator):
        check_numbers(estimator)
        estimator.columns_ = tuple(note.get("data", {}).get("columns", ())) or None
        given = take_in(estimator, X, sample_weight)
        estimator.seed_ = _shared_seed(
            lambda: read_seed(folder) if resume and folder else new_seed(estimator.random_state)
        )
        given.split(estimator)
        estimator.held_out_rows_ = given.held_out
        _begin(estimator, given)
        with current().together():
            if folder is not None and current().first:
                open_run(estimator, folder, resume, note)
        watch.planned(estimator.plan_.sentences)
        with _failing_well(estimator, folder, note):
            _run_loop(estimator, given, folder, resume, watch.progress, options)
        _close(estimator, folder, note)
    if folder is None and estimator.fit_.interrupted:
        raise KeyboardInterrupt(estimator.fit_.status)


@contextmanager
def _or_as_it_was(estimator: Any) -> Iterator[None]:
    """What fails inside, with nothing learnt, leaves the estimator as it was before."""
    before = dict(vars(estimator))
    try:
        yield
    except UserError as error:
        if getattr(error, "fit", None) is None:
            vars(estimator).clear()
            vars(estimator).update(before)
        raise


@contextmanager
def _failing_well(estimator: Any, folder: Path | None, note: Mapping[str, Any]) -> Iterator[None]:
    """Of a loop that fails: keep what was learnt, or take back a run folder that vouches for nothing."""
    try:
        yield
    except UserError as error:
        kept = error.fit if isinstance(error, NonFiniteError) else None
        if kept is not None:
            estimator.fit_ = kept
            _close(estimator, folder, note)
            error.args = (str(error) if folder is None else f"{error} They are in {folder}.",)
        elif folder is not None and current().first and not isinstance(error, (RunError, ProcessError)):
            close_failed_run(folder)
        raise


def _close(estimator: Any, folder: Path | None, note: Mapping[str, Any]) -> None:
    estimator._finish()
    with current().together():
        if folder is not None and current().first:
            estimator.save(folder, **note)


def _shared_seed(choose: Callable[[], int]) -> int:
    """The first process's choice; the others need not see the run's folder."""
    processes = current()
    with processes.together():
        seed = choose() if processes.first else 0
    return int(processes.from_first(str(seed)))


def _run_loop(
    estimator: Any,
    given: Given,
    folder: Path | None,
    resume: bool,
    progress: Callable[..., None] | None,
    options: Mapping[str, Any],
) -> None:
    training, held_out, weight = given.parts()
    options = {**options, "callbacks": [*options.get("callbacks", ()), *estimator._callbacks(training)]}
    estimator.fit_ = fit(
        estimator.model_,
        estimator.learner_,
        training,
        validation=held_out,
        weight=weight,
        seed=estimator.seed_,
        transform=estimator.binarise_,
        checkpoints=None if folder is None else folder / "checkpoints",
        resume=resume,
        progress=progress,
        **options,
        **estimator._loop_options(),
    )


def _begin(estimator: Any, given: Given) -> None:
    warm = getattr(estimator, "warm_start", False) and hasattr(estimator, "model_")
    facts = given.facts()
    if not warm:
        estimator.binarise_ = estimator._binarise(facts)
        seen = facts if estimator.binarise_ is None else given.facts(estimator.binarise_)
        estimator.plan_ = estimator._make_plan(seen, given.weight)
        warn_constant(estimator.plan_.sd, estimator.columns_)
    with Stream(estimator.seed_):
        model, learner = estimator._make(estimator.plan_, given.n_features, given.n_rows)
    if warm:
        _go_on_from(estimator, model, learner)
    estimator.model_, estimator.learner_, estimator.posterior_ = model, learner, learner.posterior
    estimator.n_rows_in_ = given.n_rows
    estimator._prepare(given, warm)


def _go_on_from(estimator: Any, model: Any, learner: Any) -> None:
    """Give new modules the weights of the last fit, a critic's too: one that knew nothing would undo what was learnt."""
    pairs = [(learner.posterior, estimator.posterior_), (model, estimator.model_)]
    before = getattr(estimator.learner_, "critic", None)
    if before is not None and hasattr(learner, "critic"):
        pairs.append((learner.critic, before))
    for new, old in pairs:
        try:
            new.load_state_dict(old.state_dict())
        except RuntimeError as error:
            raise ParameterError(
                "The weights of the last fit do not fit the network that is asked for now "
                f"({str(error).splitlines()[-1].strip()}) Use the sizes of that fit, or warm_start=False."
            ) from None


def finish(estimator: Any) -> None:
    """Freeze what was learnt, in float64 for the numbers to come."""
    estimator.dtype_ = next(estimator.model_.parameters()).dtype
    device = next(estimator.model_.parameters()).device
    for module in (estimator.model_, estimator.posterior_):
        module.requires_grad_(False)
        if device.type != "mps":
            module.double()
    estimator.history_ = estimator.fit_.history
    estimator.n_iter_ = max(1, estimator.fit_.epochs)
    model = estimator.model_
    columns = n_columns(model.prior()) if hasattr(model, "prior") else int(np.prod(model.latent_shape, dtype=int))
    estimator._n_features_out = columns or 1


def new_seed(random_state: Any) -> int:
    """The seed of a fit, from what scikit-learn calls random_state; None draws one without touching global state."""
    if random_state is None:
        return secrets.randbits(31)
    if isinstance(random_state, (np.random.RandomState, np.random.Generator)):
        draw = random_state.randint if isinstance(random_state, np.random.RandomState) else random_state.integers
        return int(draw(2**31 - 1))
    if not isinstance(random_state, (int, np.integer)) or random_state < 0:
        raise ParameterError(
            f"random_state={random_state!r} cannot be used. Use a whole number of at least 0, or None."
        )
    return int(random_state)
