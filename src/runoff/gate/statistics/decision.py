"""From blocks to a verdict: which cases need a second look, and what is said of each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from runoff.gate.statistics import signed_rank
from runoff.gate.statistics.signed_rank import Float64Array

# The error of the bounds that are shown, and by which a case is `ok`: 95 %.
BOUND_ERROR = 0.05


class Verdict(StrEnum):
    """What a verdict can be."""

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    OK = "ok"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"
    NEW = "new"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """
    What the blocks of one case say; changes are relative, 0.03 for 3 % slower.

    Attributes:
        verdict: The verdict.
        change: Hodges-Lehmann estimate of candidate / baseline - 1.
        low: Its lower 95 % bound, one-sided; -1 where so few blocks can give none.
        high: Its upper one; infinity likewise.
        p: Adjusted p of "slower"; NaN where only the first stage was run.
        smallest_visible: For `inconclusive`, the smallest slowdown that these blocks could have shown.
        null_change: The same estimate of baseline against baseline.
        blocks: Blocks that decided.
    """

    verdict: Verdict
    change: float
    low: float
    high: float
    p: float
    smallest_visible: float | None
    null_change: float
    blocks: int


def needs_second_stage(
    blocks: Float64Array, null_blocks: Float64Array, tolerance: Float64Array
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """
    Say which cases of the first stage need the second.

    Args:
        blocks: Log-ratios candidate / baseline, shape (cases, blocks).
        null_blocks: Log-ratios of the baseline's copy to the baseline, shape (cases, blocks).
        tolerance: Per case, relative, shape (cases,).

    Returns:
        True where the case might have become slower, seems faster by the tolerance, or the null looks odd.
    """
    limit = np.log1p(tolerance)
    estimate = signed_rank.hodges_lehmann(blocks)
    suspicious = (estimate > limit / 2) | (signed_rank.upper_bound(blocks, BOUND_ERROR) >= limit)
    odd_null = np.abs(signed_rank.hodges_lehmann(null_blocks)) >= limit
    return np.asarray(suspicious | (estimate <= -limit) | odd_null)


def accept(blocks: Float64Array, null_blocks: Float64Array) -> Finding:
    """Return `ok` for a case that the first stage settled; shapes (blocks,)."""
    return _finding(Verdict.OK, blocks, null_blocks, math.nan, None)


def decide(
    blocks: Sequence[Float64Array], null_blocks: Sequence[Float64Array], tolerance: Sequence[float], alpha: float
) -> list[Finding]:
    """
    Decide the cases of the second stage by its fresh blocks alone.

    Args:
        blocks: Log-ratios candidate / baseline of each case, each of shape (blocks,).
        null_blocks: Log-ratios baseline's copy / baseline, likewise.
        tolerance: Relative, per case.
        alpha: Chance of any false regression among these cases, at most.

    Returns:
        One finding per case, in order.
    """
    slower = signed_rank.holm(np.array([signed_rank.p_increase(values) for values in blocks]))
    faster = signed_rank.holm(np.array([signed_rank.p_increase(-values) for values in blocks]))
    return [
        _decide_case(values, null, math.log1p(limit), float(p), float(q), alpha, len(blocks))
        for values, null, limit, p, q in zip(blocks, null_blocks, tolerance, slower, faster, strict=True)
    ]


def _decide_case(
    blocks: Float64Array, null: Float64Array, limit: float, slower: float, faster: float, alpha: float, cases: int
) -> Finding:
    estimate = float(signed_rank.hodges_lehmann(blocks))
    if null_differs(null, limit, alpha):
        verdict = Verdict.INVALID
    elif estimate >= limit and slower <= alpha:
        verdict = Verdict.REGRESSION
    elif estimate <= -limit and faster <= alpha:
        verdict = Verdict.IMPROVEMENT
    elif signed_rank.upper_bound(blocks, BOUND_ERROR) < limit:
        verdict = Verdict.OK
    else:
        verdict = Verdict.INCONCLUSIVE
    visible = smallest_visible(blocks, limit, alpha / cases) if verdict is Verdict.INCONCLUSIVE else None
    return _finding(verdict, blocks, null, slower, visible)


def null_differs(null: Float64Array, limit: float, alpha: float) -> bool:
    """Return whether baseline against baseline would itself have got a verdict, either way; `limit` is a log-ratio."""
    estimate = float(signed_rank.hodges_lehmann(null))
    p = min(float(signed_rank.p_increase(null)), float(signed_rank.p_increase(-null)))
    return abs(estimate) >= limit and 2.0 * p <= alpha


def smallest_visible(blocks: Float64Array, limit: float, error: float) -> float:
    """
    Return the smallest slowdown that these blocks, with the spread they have, could have shown.

    Args:
        blocks: Log-ratios, shape (blocks,).
        limit: The tolerance as a log-ratio.
        error: Alpha, divided by the cases that share it.

    Returns:
        Relative; infinity if no slowdown could.
    """
    # Moving all blocks moves estimate and bound alike: the bound passes 0 once the estimate exceeds their distance.
    reach = float(signed_rank.hodges_lehmann(blocks) - signed_rank.lower_bound(blocks, error))
    return math.expm1(max(limit, reach)) if math.isfinite(reach) else math.inf


def _finding(verdict: Verdict, blocks: Float64Array, null: Float64Array, p: float, visible: float | None) -> Finding:
    return Finding(
        verdict=verdict,
        change=math.expm1(float(signed_rank.hodges_lehmann(blocks))),
        low=math.expm1(float(signed_rank.lower_bound(blocks, BOUND_ERROR))),
        high=math.expm1(float(signed_rank.upper_bound(blocks, BOUND_ERROR))),
        p=p,
        smallest_visible=visible,
        null_change=math.expm1(float(signed_rank.hodges_lehmann(null))),
        blocks=len(blocks),
    )
