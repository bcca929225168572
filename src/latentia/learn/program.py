"""A step's arithmetic as a flat list of tensor operations: what is left when Python has been taken out.

Small models spend as long in Python (modules, distributions, the graph of the gradient) as in arithmetic. `record` runs a
function once and keeps the operations it called, gradient included; replaying them gives the same bits in less time.
What the function decided in Python while it was recorded stays decided: `is_plain` says which modules decide nothing.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from operator import getitem
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

Program = Callable[..., list[Tensor]]
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_FILLED: dict[Any, float] = {torch.ops.aten.ones_like.default: 1, torch.ops.aten.zeros_like.default: 0}
_VIEWS = ("view", "expand", "unsqueeze", "squeeze.dim")
_ARITHMETIC = ("neg", "mul.Tensor", "div.Tensor", "sum", "sum.dim_IntList")
_FOLDED = {
    getattr(getattr(torch.ops.aten, name), overload or "default")
    for name, _, overload in (each.partition(".") for each in (*_VIEWS, *_ARITHMETIC))
}
_COUNTED = {torch.ops.aten.nonzero.default, torch.ops.aten.masked_select.default}
_SIZED_BY_FIRST = {  # written at places that were counted, and of a size of their own
    getattr(torch.ops.aten, name).default for name in ("index_put", "index_put_", "_index_put_impl_")
}
MOST_FOLDED = 100_000  # numbers in a constant
_COPIES = (torch.ops.aten.detach.default, torch.ops.aten.alias.default)


def record(function: Callable[..., list[Tensor]], arguments: Sequence[Tensor]) -> GraphModule:
    """The operations of `function(*arguments)`; parameters and buffers it reads are read anew at every call.

    >>> weight = torch.tensor(3.0)
    >>> program = record(lambda x: [x * weight], [torch.tensor(2.0)])
    >>> _ = weight.fill_(5.0)
    >>> program(torch.tensor(2.0))
    [tensor(10.)]
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    module = make_fx(function)(*arguments)
    _refuse_frozen_sizes(module)
    shorten(module)
    return module


def copied(module: GraphModule) -> GraphModule:
    """A program of its own over the same parameters and buffers."""
    return GraphModule(module, deepcopy(module.graph))


def compiled(function: Callable[..., list[Tensor]], arguments: Sequence[Tensor]) -> Program:
    """The recorded operations, fused and compiled by torch; half a minute or more, and no longer the same bits."""
    from torch.fx.experimental.proxy_tensor import make_fx

    module = make_fx(function)(*arguments)
    shorten(module)
    return torch.compile(module, dynamic=False)


def shorten(module: GraphModule) -> None:
    """Take out what changes nothing: detached copies, transposes of transposes, constants, results nobody reads."""
    for node in list(module.graph.nodes):
        source = _same_value(node)
        if source is not None:
            node.replace_all_uses_with(source)
    _fold(module)
    module.graph.eliminate_dead_code()
    module.recompile()


def _of_changing_size(module: GraphModule) -> set[Node]:
    """Nodes whose size depends on numbers, such as the places where something holds, and all that is made of them."""
    found: set[Node] = set()
    for node in module.graph.nodes:
        made = any(source in found for source in node.all_input_nodes)
        if (
            node.target in _COUNTED
            or (made and node.target not in _SIZED_BY_FIRST)
            or (made and node.all_input_nodes[0] in found)
        ):
            found.add(node)
    return found


def _refuse_frozen_sizes(module: GraphModule) -> None:
    """Raise where a size that changes from step to step has been written down as a number."""
    for node in _of_changing_size(module):
        sizes = [a for a in (*node.args, *node.kwargs.values()) if isinstance(a, (list, tuple)) and a]
        if node.target not in _COUNTED and any(isinstance(size, int) and size > 1 for a in sizes for size in a):
            raise ValueError(f"{node.target} has a size of its own in a step whose sizes change.")


def _fold(module: GraphModule) -> None:
    """Work out once what depends on shapes alone, such as the gradient of a mean."""
    known: dict[Node, Tensor] = {}
    changing = _of_changing_size(module)
    for node in list(module.graph.nodes):
        if node in changing or not _is_constant(node, known):
            continue
        known[node] = _constant(node, known)
        wanted = [user for user in node.users if user.target not in _FOLDED]
        if wanted:
            module.register_buffer(f"folded_{node.name}", known[node], persistent=False)
            with module.graph.inserting_before(node):
                held = module.graph.get_attr(f"folded_{node.name}")
            for user in wanted:
                user.replace_input_with(node, held)


def _is_constant(node: Node, known: dict[Node, Tensor]) -> bool:
    inputs = node.all_input_nodes
    if node.target not in _FILLED and not (node.target in _FOLDED and inputs and all(n in known for n in inputs)):
        return False
    small = node.meta["val"].numel() <= MOST_FOLDED
    return small and not any(changes(reader) for reader in readers(node))


def _constant(node: Node, known: dict[Node, Tensor]) -> Tensor:
    if node.target in _FILLED:
        like = node.meta["val"]
        return torch.full(like.shape, _FILLED[node.target], dtype=like.dtype, device=like.device)
    return node.target(*map_arg(node.args, known.__getitem__), **node.kwargs)  # type: ignore[operator]


def readers(node: Node) -> list[Node]:
    """All nodes that read a node's memory, through views of it too."""
    views, found = [node], []
    while views:
        users = list(views.pop().users)
        found += users
        views += [user for user in users if _is_view(user)]
    return found


def _is_view(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is None or any(result.alias_info is not None for result in schema.returns)


def changes(node: Node) -> bool:
    """Whether a node writes into what it is given."""
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and (schema is None or schema.is_mutable) and node.target is not getitem


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
