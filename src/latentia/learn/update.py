"""The optimiser's update inside a recorded program: each parameter's right after its gradient, while both are warm."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.optim import Adam, AdamW, Optimizer

from .program import readers

_ATEN = torch.ops.aten
_UPDATES = {Adam: _ATEN._fused_adam_.tensor_lr, AdamW: _ATEN._fused_adamw_.tensor_lr}
_STATE = ("exp_avg", "exp_avg_sq", "step")


class Update:
    """torch's fused Adam or AdamW with one group of parameters, as operations of a program.

    The arithmetic, and so every bit, is the optimiser's own; its state stays where the optimiser keeps it. Where the loss
    is not finite nothing is updated, which the kernel sees to without asking the device.

    Arguments:
        optimizer: whose update; `fits` says whether it is one that can be written into a program.
        parameters: that have gradients in the program, in its order.

    >>> weight = nn.Parameter(torch.ones(2))
    >>> Update.fits(torch.optim.SGD([weight], lr=0.1), [weight])
    False
    """

    def __init__(self, optimizer: Optimizer, parameters: Sequence[nn.Parameter]) -> None:
        self.optimizer, self.group = optimizer, optimizer.param_groups[0]
        self.parameters, self.device = list(parameters), parameters[0].device
        self.learning_rate = float(self.group["lr"])
        self.rate = torch.tensor(self.learning_rate, dtype=torch.float64, device=self.device)

    @staticmethod
    def fits(optimizer: Optimizer | None, parameters: Sequence[nn.Parameter]) -> bool:
        """Whether the optimiser's update can be written into a program: it has made a step, and has no extras."""
        if optimizer is None or type(optimizer) not in _UPDATES or len(optimizer.param_groups) != 1:
            return False
        group = optimizer.param_groups[0]
        extras = [group[name] for name in ("amsgrad", "maximize", "differentiable", "capturable")]
        hooks = [*optimizer._optimizer_step_pre_hooks, *optimizer._optimizer_step_post_hooks]
        plain = group["fused"] and not (any(extras) or hooks or torch.is_tensor(group["lr"]))
        return (
            bool(plain) and len({p.device for p in parameters}) == 1 and all(p in optimizer.state for p in parameters)
        )

    def tensors(self) -> list[Tensor]:
        """All that an update changes: parameters, moments, counts of steps."""
        return [*(p.detach() for p in self.parameters), *self.state()]

    def state(self) -> list[Tensor]:
        """What the optimiser keeps of each parameter: moments, count of steps."""
        states = [self.optimizer.state[p] for p in self.parameters]
        return [state[name] for state in states for name in _STATE]

    def follow(self) -> None:
        """Take over the learning rate that the optimiser has now."""
        if self.group["lr"] != self.learning_rate:
            self.learning_rate = float(self.group["lr"])
            self.rate.fill_(self.learning_rate)

    def join(self, module: GraphModule) -> None:
        """Let a program whose last results are the parameters' gradients update them, and return the others only."""
        graph = module.graph
        output = graph.output_node()
        results: list[Any] = list(output.args[0])  # type: ignore[arg-type]
        first = len(results) - len(self.parameters)
        kept, gradients = results[:first], results[first:]
        places = {node: i for i, node in enumerate(graph.nodes)}
        ends = [
            max([gradient, *_readers(module, parameter)], key=places.__getitem__)
            for parameter, gradient in zip(self.parameters, gradients)
        ]
        module.register_buffer("update_rate", self.rate, persistent=False)
        with graph.inserting_before(kept[0].next):
            finite = graph.call_function(_ATEN.isfinite.default, (kept[0],))
            counted = graph.call_function(_ATEN._to_copy.default, (finite,), {"dtype": torch.float32})
            refused = graph.call_function(_ATEN.rsub.Scalar, (counted, 1))
        for i, (gradient, end) in enumerate(zip(gradients, ends)):
            with graph.inserting_before(end.next):
                self._write(module, i, gradient, counted, refused)
        output.args = (kept,)
        graph.lint()
        module.recompile()

    def _write(self, module: GraphModule, i: int, gradient: Node, counted: Node, refused: Node) -> None:
        parameter = self.parameters[i]
        held = {"parameter": parameter.detach(), **{name: self.optimizer.state[parameter][name] for name in _STATE}}
        nodes = {}
        for name, tensor in held.items():
            module.register_buffer(f"update_{i}_{name}", tensor, persistent=False)
            nodes[name] = module.graph.get_attr(f"update_{i}_{name}")
        module.graph.call_function(_ATEN.add_.Tensor, (nodes["step"], counted))
        tensors = (nodes["parameter"], gradient, nodes["exp_avg"], nodes["exp_avg_sq"], None, nodes["step"])
        settings = {name: self.group[name] for name in ("weight_decay", "eps", "amsgrad", "maximize")}
        settings |= dict(zip(("beta1", "beta2"), self.group["betas"])) | {
            "lr": module.graph.get_attr("update_rate"),
            "found_inf": refused,
        }
        lists = tuple([] if tensor is None else [tensor] for tensor in tensors)
        module.graph.call_function(_UPDATES[type(self.optimizer)], lists, settings)


def _readers(module: GraphModule, parameter: nn.Parameter) -> list[Node]:
    held = [n for n in module.graph.nodes if n.op == "get_attr" and getattr(module, str(n.target)) is parameter]
    return [reader for node in held for reader in readers(node)]
