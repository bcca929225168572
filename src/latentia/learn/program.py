"""A step's arithmetic as a flat list of tensor operations: what is left when Python has been taken out.

Small models spend as long in Python (modules, distributions, the graph of the gradient) as in arithmetic. `record` runs a
function once and keeps the operations it called, gradient included; replaying them gives the same bits in less time.
What the function decided in Python while it was recorded stays decided: `is_plain` says which modules decide nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

Program = Callable[..., list[Tensor]]
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_COPIES = (torch.ops.aten.detach.default, torch.ops.aten.alias.default)


def record(function: Callable[..., list[Tensor]], arguments: Sequence[Tensor]) -> Program:
    """The operations of `function(*arguments)`; parameters and buffers it reads are read anew at every call.

    >>> weight = torch.tensor(3.0)
    >>> program = record(lambda x: [x * weight], [torch.tensor(2.0)])
    >>> _ = weight.fill_(5.0)
    >>> program(torch.tensor(2.0))
    [tensor(10.)]
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    module = make_fx(function)(*arguments)
    shorten(module)
    return module.forward


def compiled(function: Callable[..., list[Tensor]], arguments: Sequence[Tensor]) -> Program:
    """The recorded operations, fused and compiled by torch; half a minute or more, and no longer the same bits."""
    from torch.fx.experimental.proxy_tensor import make_fx

    module = make_fx(function)(*arguments)
    shorten(module)
    return torch.compile(module, dynamic=False)


def shorten(module: GraphModule) -> None:
    """Take out what changes nothing: detached copies, transposes of transposes, results nobody reads."""
    for node in list(module.graph.nodes):
        source = _same_value(node)
        if source is not None:
            node.replace_all_uses_with(source)
    module.graph.eliminate_dead_code()
    module.recompile()


def _same_value(node: Node) -> Any:
    if node.op != "call_function":
        return None
    if node.target in _COPIES:
        return node.args[0]
    if node.target is torch.ops.aten.t.default:
        inner = node.args[0]
        if isinstance(inner, Node) and inner.target is torch.ops.aten.t.default:
            return inner.args[0]
    return None


def is_plain(*objects: Any) -> bool:
    """Whether every object, and every part of a module, is torch's or latentia's own, decides nothing in Python and unrolls no loop.

    >>> is_plain(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    True
    >>> is_plain(nn.BatchNorm1d(2, momentum=None))
    False
    """
    parts = [part for thing in objects for part in (thing.modules() if isinstance(thing, nn.Module) else (thing,))]
    return all(_is_known(part) and not (_hooks(part) or _counts(part) or _unrolls(part)) for part in parts)


def _is_known(thing: Any) -> bool:
    return type(thing).__module__.split(".")[0] in ("torch", "latentia")


def _hooks(part: Any) -> int:
    return sum(len(getattr(part, name, ())) for name in _HOOKS)


def _counts(part: Any) -> bool:
    """A batch norm without momentum averages by a count that it keeps in Python."""
    return isinstance(part, nn.modules.batchnorm._BatchNorm) and part.momentum is None


def _unrolls(part: Any) -> bool:
    """A recurrent network would be recorded as all its steps, one by one, for rows of one width."""
    return isinstance(part, nn.RNNBase)


def signature(*modules: nn.Module) -> tuple[Any, ...]:
    """What must not change while a program is used: modes, hooks, which parameters move, where they are."""
    parts = [part for module in modules for part in module.modules()]
    modes = tuple((part.training, _hooks(part)) for part in parts)
    parameters = tuple((id(p), p.requires_grad, p.device, p.dtype) for m in modules for p in m.parameters())
    return modes, parameters
