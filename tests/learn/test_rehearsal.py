"""A program is handed to torch's interpreter only where that gives its bits; a rehearsal leaves no trace."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from latentia.learn.captured import Captured
from latentia.learn.program import record
from latentia.learn.rehearsal import MAKERS, quicker

X = torch.linspace(-2.0, 2.0, 12).reshape(3, 4)


class Counting(nn.Module):
    """Noise, and a buffer that is written into."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(4.0))
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> list[Tensor]:
        self.count.add_(1)
        loss = ((x + torch.randn_like(x)) @ self.weight * self.count).square().sum()
        return [loss.detach(), *torch.autograd.grad(loss, [self.weight])]


def recorded() -> tuple[Counting, Any]:
    parts = Counting()
    module = record(lambda x: parts(x), [X])
    parts.count.zero_()
    return parts, module


def outcome(program: Any, runs: int = 4) -> list[Tensor]:
    torch.manual_seed(0)
    with torch.no_grad():
        return [tensor for _ in range(runs) for tensor in program(X)]


def test_the_interpreter_is_used_and_gives_the_same_bits() -> None:
    parts, module = recorded()
    program = quicker(module, [X], [parts])
    assert isinstance(program, torch.jit.ScriptModule)
    seen = outcome(program)
    parts.count.zero_()
    assert all(torch.equal(a, b) for a, b in zip(seen, outcome(module), strict=True))


def test_a_rehearsal_leaves_buffers_and_random_state_alone() -> None:
    parts, module = recorded()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    quicker(module, [X], [parts])
    assert float(parts.count) == 0
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("failing", ["refuses", "differs", "drifts"])
def test_where_it_cannot_or_differs_the_program_itself_is_used(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, module = recorded()
    calls: list[int] = []

    def traced(*_: Any) -> Any:
        if failing == "refuses":
            raise RuntimeError("no interpreter here")

        def other(x: Tensor) -> list[Tensor]:
            calls.append(1)
            loss, gradient = module(x)
            return [loss, gradient + (failing == "differs" or len(calls) > 1)]

        return other

    monkeypatch.setitem(MAKERS, "cpu", traced)
    assert quicker(module, [X], [parts]) == module.forward
    assert float(parts.count) == 0


def test_a_parameter_without_a_gradient_keeps_the_program_in_python() -> None:
    weight, unused = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))

    def function(x: Tensor) -> list[Any]:
        loss = (x @ weight).sum()
        return [loss.detach(), *torch.autograd.grad(loss, [weight, unused], allow_unused=True)]

    program = quicker(record(function, [X]), [X], ())
    assert not isinstance(program, torch.jit.ScriptModule)
    assert outcome(program, 1)[2] is None


def by_hand(run: Any) -> Any:
    """A graph of kernels without a device: the function is run once, and run again into the same memory at each launch."""
    results = run()

    def launch() -> None:
        for held, new in zip(results, run(), strict=True):
            held.copy_(new)

    return launch, results


def test_a_captured_program_gives_the_programs_results_from_memory_of_its_own() -> None:
    parts, module = recorded()
    torch.manual_seed(5)
    captured = Captured(module, [X], by_hand)
    parts.count.zero_()
    seen = outcome(captured)
    parts.count.zero_()
    assert all(torch.equal(a, b) for a, b in zip(seen, outcome(module), strict=True))
    given = [torch.full_like(X, 2.0), X]
    doubled = Captured(lambda x: [2 * x], [X], by_hand)
    first, second = doubled(given[0])[0], doubled(given[1])[0]
    assert torch.equal(first, 2 * given[0])  # not written over by the second
    assert torch.equal(second, 2 * X)


def test_a_fit_by_captured_steps_has_the_bits_of_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CUDA device, with a graph that is made by hand."""
    from latentia import VAE

    monkeypatch.setattr("latentia.learn.gradient.RECORD_AFTER", 5)
    x = (torch.rand(60, 6, generator=torch.Generator().manual_seed(0)) > 0.5).numpy().astype("float32")
    made: list[Captured] = []

    def capture(module: Any, arguments: Any) -> Captured:
        made.append(Captured(module, arguments, by_hand))
        return made[-1]

    def learnt() -> list[Tensor]:
        vae = VAE(2, hidden=(8,), batch_size=20, max_epochs=8, validation_fraction=0, device="cpu", random_state=0).fit(
            x
        )
        return list(vae.fit_.tensors().values())

    plain = learnt()
    monkeypatch.setitem(MAKERS, "cpu", capture)
    seen = learnt()
    assert made
    assert all(torch.equal(a, b) for a, b in zip(plain, seen, strict=True))
