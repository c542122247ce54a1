"""The sizes of a language model that its cost follows from: dense, grouped-query or latent attention, experts; what it computes and holds.

Made from sizes (a table's row, a config.json, a catalogue) or from a number of parameters alone. Light: no numpy. Counts are those of
the published formulas (Kaplan et al. 2020; Korthikanti et al. 2022, arXiv 2205.05198; DeepSeek-V2, arXiv 2405.04434 for latent attention).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

from luosi.errors import UsageError


@dataclass(frozen=True)
class Architecture:
    """Sizes as published; names follow the field. All parameters are counts, not billions."""

    name: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    ff: int
    """Of a dense layer, or of the dense layers beside those with experts."""
    vocab: int
    gated: bool = True
    """Whether the feed-forward net has three matrices (SwiGLU) and not two."""
    tied: bool = False
    experts: int = 0
    active_experts: int = 0
    """Experts that a token goes through, shared ones left out."""
    expert_ff: int = 0
    shared_ff: int = 0
    """Width of the experts that every token goes through, added up."""
    dense_layers: int = 0
    """Layers without experts, where there are experts."""
    kv_latent: int = 0
    """Numbers that latent attention (MLA) keeps of a token instead of keys and values; 0 for plain attention."""
    q_latent: int = 0
    rope_dim: int = 0
    """Numbers of a key that carry its place beside `kv_latent`."""
    window: int = 0
    """Tokens that most layers look back at; 0 for all."""
    known_parameters: float = 0.0
    """As published, where the sizes do not say it all (state-space layers, multi-token heads); 0 if they do."""
    known_active: float = 0.0

    @property
    def attention(self) -> float:
        """Parameters of one layer's attention."""
        if self.kv_latent:
            queries = (
                self.q_latent * (self.width + self.heads * (self.head_dim + self.rope_dim))
                if self.q_latent
                else (self.width * self.heads * (self.head_dim + self.rope_dim))
            )
            keys = self.width * (self.kv_latent + self.rope_dim) + 2 * self.kv_latent * self.heads * self.head_dim
            return float(queries + keys + self.heads * self.head_dim * self.width)
        return float(self.width * self.head_dim * 2 * (self.heads + self.kv_heads))

    @property
    def matrices(self) -> int:
        """Of one feed-forward net."""
        return 3 if self.gated else 2

    @property
    def embedding(self) -> float:
        """Parameters of the embedding, and of the head if it is not tied to it."""
        return float(self.vocab * self.width * (1 if self.tied else 2))

    def _feed_forward(self, experts: int) -> float:
        """Parameters of all layers' feed-forward nets with so many experts each."""
        dense = self.layers if not self.experts else self.dense_layers
        routed = self.layers - dense
        sparse = self.matrices * self.width * (experts * self.expert_ff + self.shared_ff) + self.width * self.experts
        return float(dense * self.matrices * self.width * self.ff + (routed * sparse if self.experts else 0))

    @property
    def parameters(self) -> float:
        """All of them."""
        counted = self.layers * self.attention + self._feed_forward(self.experts) + self.embedding
        return self.known_parameters or counted

    @property
    def active(self) -> float:
        """Those that one token meets, the embedding's table left out but the head kept."""
        counted = self.layers * self.attention + self._feed_forward(self.active_experts) + self.vocab * self.width
        return self.known_active or counted

    @property
    def expert_parameters(self) -> float:
        """Those of the routed experts: what expert parallelism spreads."""
        return (
            float((self.layers - self.dense_layers) * self.matrices * self.width * self.experts * self.expert_ff)
            if self.experts
            else 0.0
        )

    def attention_flop(self, context: float, *, causal: bool = True) -> float:
        """FLOP of one token's scores and mixtures over `context` tokens in all layers, forward."""
        seen = min(context, self.window) if self.window else context
        per_head = 2 * self.head_dim + self.rope_dim if self.kv_latent else 2 * self.head_dim
        return 2.0 * self.layers * self.heads * per_head * seen * (0.5 if causal else 1.0)

    def forward_flop(self, context: float, *, causal: bool = True) -> float:
        """FLOP of one token, forward; training takes three times as much, without recomputation."""
        return 2.0 * self.active + self.attention_flop(context, causal=causal)

    def kv_bytes(self, bytes_per_number: float = 2.0) -> float:
        """Bytes that are kept of one token for the tokens after it."""
        numbers = self.kv_latent + self.rope_dim if self.kv_latent else 2 * self.kv_heads * self.head_dim
        return self.layers * numbers * bytes_per_number


def of_sizes(
    name: str,
    *,
    layers: int,
    width: int,
    heads: int,
    kv_heads: int = 0,
    ff: int = 0,
    vocab: int = 0,
    experts: int = 0,
    active_experts: int = 0,
    parameters: float = 0.0,
    active: float = 0.0,
) -> Architecture:
    """The architecture of a table's row: what it does not say is what brings its count of parameters nearest to the one it gives.

    Whether the feed-forward net is gated, the head tied, and `ff` that of an expert is found so; with experts the published counts are
    kept, for tables leave out shared experts and latent attention.
    """
    made = Architecture(
        name=name,
        layers=layers,
        width=width,
        heads=max(1, heads),
        kv_heads=kv_heads or max(1, heads),
        head_dim=max(1, width // max(1, heads)),
        ff=ff or 4 * width,
        vocab=vocab or 50_304,
    )
    if experts:
        each = ff or width
        return replace(
            made,
            experts=experts,
            active_experts=active_experts or 1,
            expert_ff=each,
            known_parameters=parameters,
            known_active=active or parameters,
        )
    if not parameters:
        return made
    tries = [replace(made, gated=gated, tied=tied) for gated in (True, False) for tied in (False, True)]
    best = min(tries, key=lambda one: abs(one.parameters - parameters))
    return (
        best
        if abs(best.parameters / parameters - 1) < 0.1
        else replace(best, known_parameters=parameters, known_active=active or parameters)
    )


LARGE = 2e9
"""Parameters from which eight groups of queries, a head of its own and a large vocabulary are usual."""


def of_parameters(parameters: float, *, active: float = 0.0, name: str = "") -> Architecture:
    """A usual architecture of that many parameters: gated, grouped queries, as deep and wide as Llama's and Qwen's are.

    Raises:
        UsageError: Fewer than ten million or more than 100 trillion.
    """
    if not 1e7 <= parameters <= 1e14:
        raise UsageError(f"a model of {parameters:g} parameters is out of range", hint="between 10M and 100T")
    dense = active or parameters
    depth = 1.3 * (dense / 1e6) ** 0.365
    layers = max(4, 4 * round(depth / 4)) if depth < 32 else 8 * round(depth / 8)
    step = 64 if dense < 5e8 else 256 if dense < LARGE else 1024
    widths = range(step, 262_144 + step, step)
    place = bisect_left(widths, dense, key=lambda width: _usual(layers, width, dense, "").parameters)
    near = widths[max(0, place - 1) : place + 1]
    width = min(near, key=lambda width: abs(_usual(layers, width, dense, "").parameters / dense - 1))
    made = _usual(layers, width, dense, name or f"{parameters / 1e9:.3g}B")
    if active:
        return replace(
            made,
            experts=128,
            active_experts=8,
            expert_ff=max(1, made.ff // 8),
            known_parameters=parameters,
            known_active=active,
        )
    return replace(made, known_parameters=parameters, known_active=parameters)


def _usual(layers: int, width: int, parameters: float, name: str) -> Architecture:
    head_dim = 128 if width >= 1024 else 64
    heads = max(1, width // head_dim)
    large = parameters >= LARGE
    groups = 8 if large and heads % 8 == 0 else max(n for n in range(1, heads // 3 + 2) if heads % n == 0)
    return Architecture(
        name=name,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=groups,
        head_dim=head_dim,
        ff=256 * max(1, round(width * 3.5 / 256)),
        vocab=128_256 if large else 49_152,
        tied=not large,
    )
