"""ggml's quantized blocks to float32, in torch: the arithmetic of ggml-quants.c, one rounding per step.

Every decoder takes `blocks`, contiguous uint8 (n, bytes of a block), and returns float32 (n, elements).
Formulas: https://github.com/ggml-org/ggml (ggml-quants.c, ggml-common.h).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

CHUNK = 1 << 20
"""Elements decoded at a time: temporaries stay within a few tens of MB whatever the tensor's size."""
_IQ4 = [
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0,
]  # fmt: skip
"""The values of the 16 codes of IQ4_NL and IQ4_XS."""
_E2M1 = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0]
"""Twice the values of the 16 codes of MXFP4."""


def dequantize(blocks: Tensor, name: str) -> Tensor:
    """uint8 (n, bytes of a block) of ggml type `name` to float32 (n, elements); KeyError if unknown."""
    decode = DECODERS[name]
    first = decode(blocks[:1])
    out = torch.empty(blocks.shape[0], first.shape[1], device=blocks.device)
    step = max(1, CHUNK // first.shape[1])
    for start in range(0, blocks.shape[0], step):
        out[start : start + step] = decode(blocks[start : start + step])
    return out


def _half(blocks: Tensor, start: int) -> Tensor:
    """float16 at byte `start` of each block, as float32 (n, 1)."""
    return blocks[:, start : start + 2].contiguous().view(torch.float16).float()


def _values(table: list[float], like: Tensor) -> Tensor:
    return torch.tensor(table, device=like.device)


def _fields(packed: Tensor, bits: int) -> Tensor:
    """uint8 (n, groups, width) to (n, groups, 8 // bits, width): the fields of each byte, lowest first."""
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device).reshape(1, 1, -1, 1)
    return (packed.unsqueeze(2) >> shifts) & ((1 << bits) - 1)


def _nibbles(packed: Tensor) -> Tensor:
    """uint8 (n, 16) to (n, 32): all low halves, then all high halves."""
    return _fields(packed.unsqueeze(1), 4).flatten(1)


def _fifth_bits(packed: Tensor) -> Tensor:
    """uint8 (n, 4) to (n, 32): bit i of the little-endian word, moved to bit 4."""
    shifts = torch.arange(8, dtype=torch.uint8, device=packed.device)
    return (((packed.unsqueeze(2) >> shifts) & 1) << 4).flatten(1)


def _q4_0(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * (_nibbles(blocks[:, 2:]).float() - 8)


def _q4_1(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * _nibbles(blocks[:, 4:]).float() + _half(blocks, 2)


def _q5_0(blocks: Tensor) -> Tensor:
    codes = _nibbles(blocks[:, 6:]) | _fifth_bits(blocks[:, 2:6])
    return _half(blocks, 0) * (codes.float() - 16)


def _q5_1(blocks: Tensor) -> Tensor:
    codes = _nibbles(blocks[:, 8:]) | _fifth_bits(blocks[:, 4:8])
    return _half(blocks, 0) * codes.float() + _half(blocks, 2)


def _q8_0(blocks: Tensor) -> Tensor:
    return blocks[:, 2:].contiguous().view(torch.int8).float() * _half(blocks, 0)


def _q2_k(blocks: Tensor) -> Tensor:
    scales = blocks[:, :16]
    codes = _fields(blocks[:, 16:80].reshape(-1, 2, 32), 2).reshape(-1, 16, 16)
    step = (_half(blocks, 80) * (scales & 15).float()).unsqueeze(2)
    low = (_half(blocks, 82) * (scales >> 4).float()).unsqueeze(2)
    return (step * codes.float() - low).flatten(1)


def _q3_k(blocks: Tensor) -> Tensor:
    low = _fields(blocks[:, 32:96].reshape(-1, 2, 32), 2).reshape(-1, 16, 16).float()
    high = _fields(blocks[:, :32].reshape(-1, 1, 32), 1).reshape(-1, 16, 16).float()
    low_scales = _fields(blocks[:, 96:104].reshape(-1, 1, 8), 4).flatten(1)
    high_scales = _fields(blocks[:, 104:108].reshape(-1, 1, 4), 2).flatten(1)
    scales = (low_scales | (high_scales << 4)).float() - 32
    # The third bit is stored inverted: 0 means "subtract 4".
    return ((_half(blocks, 108) * scales).unsqueeze(2) * (low - 4 * (1 - high))).flatten(1)


def _six_bit_scales(packed: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 (n, 12) of Q4_K and Q5_K to scales and minima, each float32 (n, 8)."""
    scales, minima, rest = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    high_scales = (rest & 15) | ((scales >> 2) & 48)
    high_minima = (rest >> 4) | ((minima >> 2) & 48)
    return torch.cat([scales & 63, high_scales], 1).float(), torch.cat([minima & 63, high_minima], 1).float()


def _affine_k(blocks: Tensor, codes: Tensor) -> Tensor:
    """Q4_K and Q5_K: codes (n, 8, 32) with a scale and a minimum for each 32."""
    scales, minima = _six_bit_scales(blocks[:, 4:16])
    step = (_half(blocks, 0) * scales).unsqueeze(2)
    low = (_half(blocks, 2) * minima).unsqueeze(2)
    return (step * codes.float() - low).flatten(1)


def _q4_k(blocks: Tensor) -> Tensor:
    return _affine_k(blocks, _fields(blocks[:, 16:].reshape(-1, 4, 32), 4).reshape(-1, 8, 32))


def _q5_k(blocks: Tensor) -> Tensor:
    low = _fields(blocks[:, 48:].reshape(-1, 4, 32), 4).reshape(-1, 8, 32)
    high = _fields(blocks[:, 16:48].reshape(-1, 1, 32), 1).reshape(-1, 8, 32)
    return _affine_k(blocks, low | (high << 4))


def _q6_k(blocks: Tensor) -> Tensor:
    low = _fields(blocks[:, :128].reshape(-1, 2, 64), 4).reshape(-1, 8, 32)
    high = _fields(blocks[:, 128:192].reshape(-1, 2, 32), 2).reshape(-1, 8, 32)
    codes = (low | (high << 4)).float() - 32
    scales = blocks[:, 192:208].contiguous().view(torch.int8).float()
    return ((_half(blocks, 208) * scales).unsqueeze(2) * codes.reshape(-1, 16, 16)).flatten(1)


def _mxfp4(blocks: Tensor) -> Tensor:
    """E2M1 values doubled, times half of the block's power of two (E8M0)."""
    exponent = blocks[:, :1].int()
    bits = torch.where(exponent < 2, 0x00200000 << exponent.clamp(max=1), (exponent - 1) << 23)
    return bits.view(torch.float32) * _values(_E2M1, blocks)[_nibbles(blocks[:, 1:]).long()]


def _iq4_nl(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * _values(_IQ4, blocks)[_nibbles(blocks[:, 2:]).long()]


def _iq4_xs(blocks: Tensor) -> Tensor:
    high = _fields(blocks[:, 2:4].unsqueeze(2), 2).flatten(1)
    low = _fields(blocks[:, 4:8].unsqueeze(2), 4).flatten(1)
    scales = (low | (high << 4)).float() - 32
    codes = _fields(blocks[:, 8:].reshape(-1, 8, 16), 4).reshape(-1, 8, 32)
    return ((_half(blocks, 0) * scales).unsqueeze(2) * _values(_IQ4, blocks)[codes.long()]).flatten(1)


DECODERS: dict[str, Callable[[Tensor], Tensor]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    "IQ4_NL": _iq4_nl,
    "IQ4_XS": _iq4_xs,
    "MXFP4": _mxfp4,
}
