"""What to try against what went wrong in a game: never what is in use."""

from collections.abc import Iterable

from .settings import Used, needs

NEARLY_ONE = 0.9999  # a longer moving average would outlive the fit


def try_(cures: Iterable[str]) -> str:
    """The sentence that recommends them.

    >>> try_(["r1=1", "", "more epochs"])
    'Try r1=1, or more epochs.'
    """
    found = [cure for cure in cures if cure]
    return f"Try {', or '.join([', '.join(found[:-1]), found[-1]] if found[1:] else found)}."


def against_divergence(used: Used) -> str:
    if used.judged == "codes":
        return try_(["a larger game_weight", "a tenth of the learning_rate"])
    return try_(["a tenth of the learning_rate", _settings(used) or _slope(used)])


def against_collapse(used: Used) -> str:
    packed = "pack=4 (the critic sees four at a time)" if used.pack < 4 else ""
    if used.judged == "codes":
        return try_([packed, "a larger game_weight", "more epochs"])
    return try_([packed, _settings(used), _relativistic(used), "more epochs"])


def against_a_critic_that_has_won(used: Used) -> str:
    spectral = "" if used.spectral else "a critic with spectral normalisation"
    return try_([_settings(used) or _slope(used), "a smaller critic_learning_rate", spectral])


def against_circles(used: Used) -> str:
    longer = "a larger average" if used.average < NEARLY_ONE else ""
    falling = "" if used.falling else "a schedule that lowers the learning rate"
    return try_([_settings(used) or _slope(used), longer, falling])


def _slope(used: Used) -> str:
    """A penalty on the critic's slope: the game's own, where it has one."""
    if used.objective == "wasserstein":
        return f"a gradient_penalty above {used.gradient_penalty:g}"
    return f"an r1 above {used.r1:g}" if used.r1 else "r1=1"


def _settings(used: Used) -> str:
    """What the Wasserstein game is known to need and has not."""
    if used.objective != "wasserstein":
        return ""
    known = needs("wasserstein")
    missing = (
        (used.critic_steps < known["critic_steps"], "critic_steps={critic_steps}"),
        (used.betas[0] > known["betas"][0], "betas={betas}"),
        (not used.gradient_penalty, "gradient_penalty={gradient_penalty}"),
        (used.r1 > 0, "r1=0"),
    )
    words = [text.format(**known) for lacks, text in missing if lacks]
    return " with ".join([words[0], ", ".join(words[1:])] if words[1:] else words)


def _relativistic(used: Used) -> str:
    missing = [name for name, weight in (("r1", used.r1), ("r2", used.r2)) if weight < 1]
    penalised = " and ".join(f"{name}=1" for name in missing)
    if used.objective == "relativistic":
        return penalised
    return "objective='relativistic'" + (f" with {penalised}" if penalised else "")
