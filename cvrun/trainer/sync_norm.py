"""BatchNorm over the batches of all ranks: mean and variance are those of the whole batch, on CPU and GPU alike.

torch's SyncBatchNorm works on GPUs alone, and takes the place of modules that a library may have made its own, such as
timm's BatchNorm with an activation. Here the function that all of them call is another one, for as long as a model is
trained: modules and the names of their parameters stay.

Statistics of parts are put together as in Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for
computing sample variances", equation 2.1; the gradient is that of Ioffe and Szegedy 2015, "Batch normalization",
section 3, with its sums over all images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cvrun.dist import Together


def synchronized(
    autocast: Callable[[], AbstractContextManager[Any]], together: Together, wanted: bool
) -> Callable[[], AbstractContextManager[Any]]:
    """Give autocast, where wanted as a context in which BatchNorm that trains looks at the images of all ranks."""
    if not wanted or together.world == 1:
        return autocast

    @contextmanager
    def both() -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(autocast())
            stack.enter_context(_Synchronized(together))
            yield

    return both


def batch_norm(
    image: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
    together: Together,
) -> Tensor:
    """Give functional.batch_norm of the images of all ranks for those of this one, (B, C, ...), in training.

    The running statistics move as there, the same on each rank.
    """
    normal: Tensor
    normal, mean, var, count = _Normalize.apply(image, eps, together)
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * (count / (count - 1))).to(running_var.dtype), momentum)
    shape = (1, -1, *(1,) * (image.ndim - 2))
    if weight is not None:
        normal = normal * weight.view(shape)
    if bias is not None:
        normal = normal + bias.view(shape)
    return normal.to(image.dtype)


class _Synchronized(TorchFunctionMode):
    """Puts batch_norm of this module in the place of torch's."""

    def __init__(self, together: Together) -> None:
        super().__init__()
        self._together = together

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not functional.batch_norm:
            return func(*args, **kwargs)
        return self._batch_norm(*args, **kwargs)

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Take what functional.batch_norm takes."""
        if not training:
            return functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
        return batch_norm(input, running_mean, running_var, weight, bias, momentum, eps, self._together)


class _Normalize(torch.autograd.Function):
    """(image - mean) / sqrt(var + eps), a channel each, over the images of all ranks; computed in float32 or better."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, eps: float, together: Together) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = image if image.dtype == torch.float64 else image.float()
        over = [at for at in range(x.ndim) if at != 1]
        shape = (1, -1, *(1,) * (x.ndim - 2))
        # Sums and not means travel: the ranks may have different numbers of images. The count is the last entry.
        number = x.new_full((1,), x.numel() // x.shape[1])
        sums = together.sum(torch.cat([x.sum(over), number]))
        count = sums[-1]
        mean = sums[:-1] / count
        centred = x - mean.view(shape)
        # The second pass spares the cancellation of E[x^2] - E[x]^2.
        var = together.sum(centred.square().sum(over)) / count
        scale = (var + eps).rsqrt()
        normal = centred * scale.view(shape)
        ctx.save_for_backward(normal, scale, count)
        ctx.together, ctx.over, ctx.shape, ctx.dtype = together, over, shape, image.dtype
        ctx.mark_non_differentiable(mean, var, count)
        return normal, mean, var, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        normal, scale, count = ctx.saved_tensors
        gradient, over, shape = gradients[0], ctx.over, ctx.shape
        local = torch.cat([gradient.sum(over), (gradient * normal).sum(over)])
        mean, mean_normal = (ctx.together.sum(local) / count).chunk(2)
        result = (gradient - mean.view(shape) - normal * mean_normal.view(shape)) * scale.view(shape)
        return result.to(ctx.dtype), None, None
