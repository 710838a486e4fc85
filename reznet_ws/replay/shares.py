"""What the outcomes of an ablation say of each layer: alone, its fair share, and what is lost without it.

In: the outcomes of `ablate`. Out: percentages of the bytes without any layer, and the subsets that are best.
Never: adds up what layers save one by one; their savings overlap.
"""

from __future__ import annotations

from collections.abc import Mapping

from reznet_ws.replay.ablation import LAYERS, Outcome, Subset, shapley

_NONE: Subset = frozenset()
# Fewer bytes by less than this are none.
_WORTH_IT = 0.995

Outcomes = Mapping[Subset, Outcome]


def layers_of(outcomes: Outcomes) -> list[str]:
    """The layers that were switched, in their order."""
    on = frozenset().union(*outcomes)
    return [layer for layer in LAYERS if layer in on]


def savings_percent(outcomes: Outcomes) -> dict[Subset, float]:
    """What each subset saves, in percent of the bytes without any layer."""
    off = outcomes[_NONE].wire_bytes
    return {subset: 100 * (off - outcome.wire_bytes) / off for subset, outcome in outcomes.items()}


def alone(outcomes: Outcomes) -> dict[str, float]:
    """What each layer saves with all others off, in percent of no layer."""
    saved = savings_percent(outcomes)
    return {layer: saved[frozenset({layer})] for layer in layers_of(outcomes)}


def left_out(outcomes: Outcomes) -> dict[str, float]:
    """What is lost when only this one is switched off, in percent of no layer."""
    saved = savings_percent(outcomes)
    layers = layers_of(outcomes)
    everything = frozenset(layers)
    return {layer: saved[everything] - saved[everything - {layer}] for layer in layers}


def fair_shares(outcomes: Outcomes) -> dict[str, float]:
    """Each layer's Shapley value, in percent of no layer; they add up to what all save together."""
    off = outcomes[_NONE].wire_bytes
    saved_bytes = {subset: off - outcome.wire_bytes for subset, outcome in outcomes.items()}
    shares = shapley(saved_bytes)
    return {layer: 100 * shares[layer] / off for layer in layers_of(outcomes)}


def best(outcomes: Outcomes) -> Subset:
    """The subset with the fewest bytes; of several, the one with the fewest layers."""
    return min(outcomes, key=lambda subset: (outcomes[subset].wire_bytes, len(subset), sorted(subset)))


def name(subset: Subset) -> str:
    """A subset in words."""
    return " + ".join(layer for layer in LAYERS if layer in subset) or "none"


def best_of_both(outcomes: Outcomes, us: Mapping[Subset, float]) -> list[Subset]:
    """The subsets that no other beats in both bytes and time, the quickest first."""
    front: list[Subset] = []
    for subset in sorted(outcomes, key=lambda subset: (us[subset], outcomes[subset].wire_bytes)):
        if not front or outcomes[subset].wire_bytes < _WORTH_IT * outcomes[front[-1]].wire_bytes:
            front.append(subset)
    return front
