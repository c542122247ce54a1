"""The numbers that the closed forms of a training step leave open: where the fit starts, and where published runs took it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Constants:
    """What the forms leave open: shares of a peak or a bandwidth that real kernels reach, and times."""

    linear16: float = 0.78
    """Of the 16-bit peak, large products."""
    linear8: float = 0.62
    """Of the 8-bit peak (fp8, int8)."""
    linear4: float = 0.45
    power: float = 0.25
    """How much a chip with little power for its peak falls short of it: the power of its watts a FLOP against an H100's."""
    attention: float = 0.5
    """Of the 16-bit peak, whatever the precision of the products."""
    attention_fall: float = 0.5
    """How much of it is lost where the peak outgrows the rest of a chip: the power of its FLOP a byte against an A100's."""
    narrow: float = 1.0
    """How much a product's narrow sides cost, per what its operands' traffic through memory would."""
    expert: float = 0.8
    """What grouped products of experts reach of what one product does."""
    memory: float = 0.7
    """Of the memory's bandwidth."""
    layer_bytes: float = 50.0
    """Read and written of a token in a layer, forward and back, per number of its width, beside the products."""
    route_bytes: float = 30.0
    """The same of a token's copy to an expert."""
    scaleup: float = 0.7
    """Of the links' bandwidth inside a domain."""
    scaleout: float = 0.6
    """Of the network's between domains."""
    launch: float = 1e-4
    """Seconds of a layer's kernels that nothing hides, forward and back, for one micro-batch."""
    tensor_shown: float = 0.4
    """Share of the tensor-parallel exchange that computation does not hide."""
    expert_shown: float = 0.5
    pipeline_shown: float = 0.3
    hidden: float = 0.5
    """Share of the computing time behind which the exchange of weights and gradients can hide."""
    head: float = 0.5
    """Share of the head's time that a pipeline's other stages wait for."""
    fixed: float = 0.02
    """Seconds of a step that nothing above explains: data, logging, synchronisation."""


DEFAULT = Constants(
    linear16=0.69,
    linear8=0.51,
    linear4=0.46,
    power=0.22,
    attention=0.35,
    attention_fall=0.38,
    narrow=1.0,
    expert=0.47,
    memory=0.71,
    layer_bytes=52.0,
    route_bytes=31.0,
    scaleup=0.82,
    scaleout=0.55,
    launch=0.00012,
    tensor_shown=0.47,
    expert_shown=0.42,
    pipeline_shown=0.27,
    hidden=0.45,
    head=0.3,
    fixed=0.04,
)
"""As published runs left them, to two figures: what the search ranks by. `predict` takes the exact ones from the fit."""
