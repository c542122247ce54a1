"""A model whose own weights are frozen, computed for the training of its adapters with few passes over memory.

Projections that read the same input become one bf16 matrix product, with each adapter's B beside the weights it corrects: [W, s B]
times [x, A x]; DoRA stretches each output after that. Norms hand on bf16 at once and their gains are part of the matrices. Layers below
the lowest adapter keep nothing for a backward pass. The values are those of the plain model under bf16 autocast, up to the order of
rounding; parameters keep their names. Where memory is short the matrices are kept in int8, a scale a row (Dettmers et al. 2022,
arXiv:2208.07339, without outliers kept apart), and made bf16 for each product. For training only: the matrices are the computation's
own, what ships is merged elsewhere in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luosi.models.attention import attend
from luosi.models.flops import SAME_INPUT
from luosi.models.lora import LoraLinear
from luosi.models.transformer import KVCache, Layer, RMSNorm, Transformer

BF16 = torch.bfloat16
INT8, TINY = 127, 1e-30
"""The largest number in int8, and the least scale: a row of zeros stays zero."""


def freeze(model: Transformer, *, int8: bool = False) -> None:
    """Make `model`, frozen but for its adapters, compute as the module says; its matrices become bf16, or int8 those with adapters.

    DoRA's need the matrices at other times too: not with `int8`.
    """
    layers = model.model.layers
    workspace = _Workspace() if int8 else None
    for number, layer in enumerate(layers):
        assert isinstance(layer, Layer)
        layers[number] = FrozenLayer(layer, workspace)
    model.model.embed_tokens.weight.data = model.model.embed_tokens.weight.detach().to(BF16)


class FrozenLayer(nn.Module):
    """A layer by the same names, for the same inputs."""

    def __init__(self, layer: Layer, workspace: _Workspace | None) -> None:
        super().__init__()
        self.number = layer.number
        self.input_layernorm, self.self_attn = layer.input_layernorm, layer.self_attn
        self.post_attention_layernorm, self.mlp = layer.post_attention_layernorm, layer.mlp
        attn, mlp = self.self_attn, self.mlp
        self._keys = attn.k_proj.weight.shape[0] // attn.head_dim
        named = dict(attn.named_children()) | dict(mlp.named_children())
        qkv, o, gate_up, down = ([named[name] for name in together] for together in SAME_INPUT)
        self._qkv = _Product(qkv, workspace, self.input_layernorm)
        self._o = _Product(o, workspace)
        self._gate_up = _Product(gate_up, workspace, self.post_attention_layernorm)
        self._down = _Product(down, workspace, gated=True)

    def forward(
        self, x_BTC: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        """[B, T, C] -> [B, T, C] fp32; no cache: it only trains."""
        assert cache is None
        x_BTC = x_BTC.float()
        y_BTC = x_BTC + self._attention(_Normed.apply(x_BTC, self.input_layernorm.eps), rotary, mask)  # type: ignore[no-untyped-call]
        h_BTF = self._gate_up(_Normed.apply(y_BTC, self.post_attention_layernorm.eps))  # type: ignore[no-untyped-call]
        z_BTC: Tensor = y_BTC + self._down(h_BTF)
        return z_BTC

    def _attention(self, x_BTC: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        attn, keys = self.self_attn, self._keys
        heads = self._qkv(x_BTC)
        heads = heads.reshape(*heads.shape[:2], -1, attn.head_dim)
        turned, v_BTKD = heads[:, :, :-keys], heads[:, :, -keys:]
        if attn.q_norm is not None and attn.k_norm is not None:
            turned = torch.cat((attn.q_norm(turned[:, :, :-keys]), attn.k_norm(turned[:, :, -keys:])), 2)
        turned = _Rotated.apply(turned, *rotary).transpose(1, 2)  # type: ignore[no-untyped-call]
        q_BHTD, k_BKTD = turned[:, :-keys], turned[:, -keys:]
        y_BHTD = attend(q_BHTD, k_BKTD, v_BTKD.transpose(1, 2), mask, rounded=True)
        return self._o(y_BHTD.transpose(1, 2).flatten(2))


class _Workspace:
    """Room for one matrix in bf16, which all that are kept in int8 take in turn."""

    def __init__(self) -> None:
        self._room = torch.empty(0, dtype=BF16)

    def shaped(self, rows: int, columns: int) -> Tensor:
        """[rows, columns], whatever it held before."""
        if self._room.numel() < rows * columns:
            self._room = torch.empty(rows * columns, dtype=BF16)
        return self._room[: rows * columns].view(rows, columns)


class _Product:
    """Linear layers of one input as one matrix [outputs, inputs + ranks], in bf16, adapters beside the weights.

    With a norm before them its gain g is in the matrix, W diag(g), and each A is used as A diag(g). If `gated`, what it is given are
    gate and up side by side, and silu(gate) * up is what it multiplies. With a workspace W is kept in int8 and B apart.
    """

    def __init__(
        self,
        linears: Sequence[nn.Module],
        workspace: _Workspace | None,
        norm: RMSNorm | None = None,
        *,
        gated: bool = False,
    ) -> None:
        self.gated = gated
        weights = [_weight(one) for one in linears]
        self.inputs = weights[0].shape[1]
        self.gain = None if norm is None else norm.weight.detach()
        self.adapters: list[tuple[slice, slice, LoraLinear]] = []
        row, rank = 0, 0
        for one, weight in zip(linears, weights, strict=True):
            if isinstance(one, LoraLinear):
                self.adapters.append((slice(row, row + len(weight)), slice(rank, rank + one.rank), one))
                rank += one.rank
            row += len(weight)
        self.stretched = any(one.kind == "dora" for _, _, one in self.adapters)
        self._workspace = workspace if self.adapters else None
        small = self._workspace is not None
        device = weights[0].device
        self._matrix = torch.zeros(
            row, self.inputs + rank * (not small), dtype=torch.int8 if small else BF16, device=device
        )
        self._scale = torch.ones(row, 1, dtype=BF16, device=device)
        self.b = torch.zeros(row, rank, dtype=BF16, device=device) if small else self._matrix[:, self.inputs :]
        row = 0
        for one, weight in zip(linears, weights, strict=True):
            rows = slice(row, row + len(weight))
            place, whole = self._matrix[rows, : self.inputs], weight if self.gain is None else weight * self.gain
            if small:
                self._scale[rows] = whole.abs().amax(1, keepdim=True).float().div(INT8).clamp_min(TINY).to(BF16)
                whole = (whole.float() / self._scale[rows].float()).round_().clamp_(-INT8, INT8)
            place.copy_(whole)
            one.weight.data = place
            row += len(weight)
        biases = [one.bias for one in linears if isinstance(one.bias, Tensor)]
        self.bias = torch.cat(biases).detach().to(BF16) if biases else None

    def take(self, factors: Sequence[Tensor]) -> None:
        """Put the adapters' B, times s, beside the weights."""
        for (rows, ranks, one), b in zip(self.adapters, factors, strict=True):
            self.b[rows, ranks] = b * one.scale

    def matrix(self) -> Tensor:
        """[outputs, inputs + ranks] bf16, to be used before the next one is asked for."""
        if self._workspace is None:
            return self._matrix
        whole = self._workspace.shaped(len(self._matrix), self.inputs + self.b.shape[1])
        torch.mul(self._matrix, self._scale, out=whole[:, : self.inputs])
        whole[:, self.inputs :].copy_(self.b)
        return whole

    def __call__(self, x: Tensor) -> Tensor:
        """[..., inputs, twice as many if gated] bf16 -> [..., outputs] bf16."""
        if not self.adapters:
            x = _SwiGLU.apply(x) if self.gated else x  # type: ignore[no-untyped-call]
            plain: Tensor = F.linear(x, self._matrix, self.bias)
            return plain
        factors = [factor for _, _, one in self.adapters for factor in (one.lora_A.weight, one.lora_B.weight)]
        y: Tensor = _Adapted.apply(x.flatten(0, -2), self, *factors)  # type: ignore[no-untyped-call]
        if self.stretched:
            y = _Stretched.apply(y, self, *(one.lora_magnitude_vector for _, _, one in self.adapters))  # type: ignore[no-untyped-call]
        return y.view(*x.shape[:-1], -1)


class _Adapted(torch.autograd.Function):
    """[x, A x] times [W, s B] transposed; gradients to x and to the adapters' factors."""

    @staticmethod
    def forward(ctx: Any, x_NI: Tensor, product: _Product, *factors: Tensor) -> Tensor:
        a_RI = torch.cat(factors[::2])
        a_RI = (a_RI if product.gain is None else a_RI * product.gain).to(BF16)
        product.take(factors[1::2])
        given, x_NI = x_NI, _gated(*x_NI.chunk(2, -1)) if product.gated else x_NI
        wide_NK = torch.cat((x_NI, x_NI @ a_RI.T), 1)
        # a norm keeps what it gives anyway; what the gate lets through is cheaper to compute anew than to keep
        ctx.save_for_backward(given, wide_NK[:, product.inputs :].clone(), a_RI)
        ctx.product = product
        return F.linear(wide_NK, product.matrix(), None if product.stretched else product.bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        given, xa_NR, a_RI = ctx.saved_tensors
        product, dy_NO = ctx.product, grads[0]
        open_NI = F.silu(given.chunk(2, -1)[0]) if product.gated else None
        x_NI = given if open_NI is None else open_NI * given.chunk(2, -1)[1]
        if ctx.needs_input_grad[0]:
            dwide_NK = dy_NO @ product.matrix()
            dxa_NR = dwide_NK[:, product.inputs :]
            dx_NI = torch.addmm(dwide_NK[:, : product.inputs], dxa_NR, a_RI)
        else:
            dxa_NR, dx_NI = dy_NO @ product.b, None
        da_RI = (dxa_NR.T @ x_NI).float()
        if product.gain is not None:
            da_RI = da_RI * product.gain
        db_OR = dy_NO.T @ xa_NR
        factors: list[Tensor] = []
        for rows, ranks, one in product.adapters:
            factors += [da_RI[ranks], db_OR[rows, ranks].float() * one.scale]
        if open_NI is not None and dx_NI is not None:
            dx_NI = _gate_gradients(dx_NI, given, open_NI)
        return dx_NI, None, *factors


class _Stretched(torch.autograd.Function):
    """DoRA: each output times its row's length over that of W + s B A, a constant to the gradients. Keeps only what it gives."""

    @staticmethod
    def forward(ctx: Any, y_NO: Tensor, product: _Product, *lengths: Tensor) -> Tensor:
        factor_O = torch.ones(y_NO.shape[1], device=y_NO.device)
        for (rows, _, one), length in zip(product.adapters, lengths, strict=True):
            factor_O[rows] = length / one.row_lengths(product.gain)
        out_NO = torch.mul(y_NO, factor_O, out=torch.empty_like(y_NO))
        ctx.save_for_backward(out_NO, factor_O, *lengths)
        ctx.product = product
        return out_NO if product.bias is None else out_NO + product.bias

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        out_NO, factor_O, *lengths = ctx.saved_tensors
        dy_NO = grads[0]
        along_O = (dy_NO * out_NO).sum(0, dtype=torch.float32)
        dlengths = [along_O[rows] / length for (rows, _, _), length in zip(ctx.product.adapters, lengths, strict=True)]
        return torch.mul(dy_NO, factor_O, out=torch.empty_like(dy_NO)), None, *dlengths


class _Normed(torch.autograd.Function):
    """x / rms(x), computed in fp32 and handed on in bf16."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        x = x.float()
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
        y = (x * scale).to(BF16)
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        y, scale = ctx.saved_tensors
        dy = grads[0].float()
        y = y.float()
        along = (dy * y).mean(-1, keepdim=True)
        return dy.addcmul_(y, along, value=-1.0).mul_(scale), None


class _Rotated(torch.autograd.Function):
    """`rotate` of the model, in fp32 and rounded to bf16 once; backwards it turns the other way."""

    @staticmethod
    def forward(ctx: Any, x_BTHD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x_BTHD, cos, sin, 1.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turn(grads[0], cos, sin, -1.0), None, None


def _turn(x_BTHD: Tensor, cos: Tensor, sin: Tensor, sign: float) -> Tensor:
    first, second = x_BTHD.float().chunk(2, -1)
    turned = torch.empty(x_BTHD.shape, dtype=BF16, device=x_BTHD.device)
    left, right = turned.chunk(2, -1)
    left.copy_((first * cos).addcmul_(second, sin, value=-sign))
    right.copy_((second * cos).addcmul_(first, sin, value=sign))
    return turned


class _SwiGLU(torch.autograd.Function):
    """silu(gate) * up of [..., gate and up side by side]; keeps nothing but its input."""

    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        ctx.save_for_backward(h)
        return _gated(*h.chunk(2, -1))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (h,) = ctx.saved_tensors
        return _gate_gradients(grads[0], h, F.silu(h.chunk(2, -1)[0]))


def _gated(gate: Tensor, up: Tensor) -> Tensor:
    return F.silu(gate).mul_(up)


def _gate_gradients(dy: Tensor, h: Tensor, opened: Tensor) -> Tensor:
    """With respect to gate and up, [..., side by side]; `opened` is silu(gate), and is written over."""
    gate, up = h.chunk(2, -1)
    dh = torch.empty_like(h)
    dgate, dup = dh.chunk(2, -1)
    torch.mul(opened, dy, out=dup)
    torch.ops.aten.silu_backward.grad_input(torch.mul(dy, up, out=opened), gate, grad_input=dgate)
    return dh


def _weight(linear: nn.Module) -> Tensor:
    assert isinstance(linear.weight, Tensor)
    return linear.weight.detach()
