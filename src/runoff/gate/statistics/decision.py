"""
Decide from the blocks of a case whether the case needs the second stage, and what its verdict is.

A block contributes one log-ratio per case: log(candidate time / baseline time), positive if the candidate is slower.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from runoff.gate.statistics.signed_rank import Float64Array, hodges_lehmann, holm, lower_bound, p_increase, upper_bound

# Error probability of each confidence bound. Reports contain both bounds; the upper one decides if a case is `ok`.
_BOUND_ERROR = 0.05


class Verdict(StrEnum):
    """What the gate concludes about one case."""

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
    The verdict of one measured case and the numbers behind it. Changes are relative: 0.03 means 3 % slower.

    Attributes:
        verdict: The conclusion.
        change: Hodges-Lehmann estimate of candidate / baseline - 1.
        low: One-sided lower 95 % bound of the change; -1 if there are too few blocks for a bound.
        high: One-sided upper 95 % bound of the change; infinity if there are too few blocks for a bound.
        p: Adjusted p value of "the candidate is slower"; NaN if the first stage decided.
        smallest_visible: Smallest slowdown that these blocks could have shown; None unless `inconclusive`.
        null_change: Hodges-Lehmann estimate of null / baseline - 1.
        blocks: Number of blocks on which the verdict is based.
    """

    verdict: Verdict
    change: float
    low: float
    high: float
    p: float
    smallest_visible: float | None
    null_change: float
    blocks: int


def needs_second_stage(blocks: Float64Array, null_blocks: Float64Array, tolerance: Float64Array) -> NDArray[np.bool_]:
    """
    Return a boolean array of shape (cases,), which is true for each case that the first stage cannot settle.

    The first stage cannot settle a case that may be slower, a case that seems faster by at least the tolerance, or a
    case whose null seems to differ from the baseline by at least the tolerance.

    Args:
        blocks: Log-ratios candidate / baseline of the first stage, shape (cases, blocks).
        null_blocks: Log-ratios null / baseline, shape (cases, blocks).
        tolerance: Relative tolerance of each case, shape (cases,).
    """
    limit = np.log1p(tolerance)
    estimate = hodges_lehmann(blocks)
    maybe_slower = (estimate > limit / 2) | (upper_bound(blocks, _BOUND_ERROR) >= limit)
    suspicious_null = np.abs(hodges_lehmann(null_blocks)) >= limit
    return np.asarray(maybe_slower | (estimate <= -limit) | suspicious_null)


def decide(
    blocks: Sequence[Float64Array], null_blocks: Sequence[Float64Array], tolerance: Sequence[float], alpha: float
) -> list[Finding]:
    """
    Judge the cases of the second stage. Return one Finding per case, in the given order.

    Pass only blocks of the second stage. A case enters that stage because its first-stage blocks looked unusual,
    so those blocks would bias the decision.

    Args:
        blocks: For each case, the log-ratios candidate / baseline of its second stage, shape (blocks,).
        null_blocks: For each case, the log-ratios null / baseline, shape (blocks,).
        tolerance: Relative tolerance of each case.
        alpha: Highest accepted probability of any false regression among these cases.
    """
    p_slower = holm(np.array([p_increase(values) for values in blocks]))
    p_faster = holm(np.array([p_increase(-values) for values in blocks]))
    findings = []
    limits = np.log1p(tolerance)
    for values, null, limit, slower, faster in zip(blocks, null_blocks, limits, p_slower, p_faster, strict=True):
        estimate = hodges_lehmann(values)
        null_p = 2.0 * min(p_increase(null), p_increase(-null))
        if abs(hodges_lehmann(null)) >= limit and null_p <= alpha:
            verdict = Verdict.INVALID
        elif estimate >= limit and slower <= alpha:
            verdict = Verdict.REGRESSION
        elif estimate <= -limit and faster <= alpha:
            verdict = Verdict.IMPROVEMENT
        elif upper_bound(values, _BOUND_ERROR) < limit:
            verdict = Verdict.OK
        else:
            verdict = Verdict.INCONCLUSIVE
        visible = _smallest_visible(values, limit, alpha / len(blocks)) if verdict is Verdict.INCONCLUSIVE else None
        findings.append(finding_of(verdict, values, null, float(slower), visible))
    return findings


def _smallest_visible(blocks: Float64Array, limit: float, error: float) -> float:
    """
    Return the smallest relative slowdown that these blocks, given their spread, would have shown as a regression.

    `limit` is the tolerance as a log-ratio; `error` is alpha divided by the number of cases that share it. The result
    is infinity if no slowdown would have been a regression.
    """
    # A regression needs a lower bound above 0. A larger slowdown would raise the estimate and the lower bound by the
    # same amount, so the bound would be above 0 once the estimate exceeded their (constant) distance.
    distance = float(hodges_lehmann(blocks) - lower_bound(blocks, error))
    return math.expm1(max(limit, distance)) if math.isfinite(distance) else math.inf


def finding_of(
    verdict: Verdict, blocks: Float64Array, null: Float64Array, p: float = math.nan, visible: float | None = None
) -> Finding:
    """Combine a case's verdict with the numbers behind it. Both arrays contain log-ratios, shape (blocks,)."""
    return Finding(
        verdict=verdict,
        change=math.expm1(hodges_lehmann(blocks)),
        low=math.expm1(lower_bound(blocks, _BOUND_ERROR)),
        high=math.expm1(upper_bound(blocks, _BOUND_ERROR)),
        p=p,
        smallest_visible=visible,
        null_change=math.expm1(hodges_lehmann(null)),
        blocks=len(blocks),
    )
