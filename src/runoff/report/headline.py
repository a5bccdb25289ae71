"""Headlines: sentences that state the result for each model of a run. They are printed before the tables."""

from collections.abc import Mapping, Sequence
from itertools import takewhile

from runoff.measurement.intervals import ratio_interval
from runoff.records.schema import OTHER_MODEL, UNVERIFIED
from runoff.report.measured import MeasuredCase
from runoff.report.speedup import IN_PROCESS_BACKEND, Speedup
from runoff.units import format_duration, format_ratio


def headlines(cases: Sequence[MeasuredCase], speedups: Mapping[str, Sequence[Speedup]]) -> list[str]:
    """
    Return sentences that state the result of a run for one model, given its cases and their `service_speedups`.

    Returns:
        A sentence for each service that was compared, or one about the fastest backends if none was compared, and a
        sentence for each service that runs a different model. "Faster" and "wins" appear only where a 95 % interval
        supports them. Each sentence begins with the model's name, and with a warning if its outputs were not verified.
    """
    model = cases[0].record.model
    other_model = dict.fromkeys(case.record.backend for case in cases if case.record.answers == OTHER_MODEL)
    own = [case for case in cases if case.computes and case.record.answers != OTHER_MODEL]
    of_model = {name: [each for each in speedups[name] if not each.runs_other_model] for name in speedups}
    sentences = [_service_result(name, of_model[name], own) for name in of_model if of_model[name]]
    if own and not sentences:
        sizes = sorted({case.record.batch_size for case in own})
        ends = [_fastest_at(own, size) for size in dict.fromkeys((sizes[0], sizes[-1]))]
        # If one backend is the fastest at both the smallest and the largest batch size, name it only once.
        times = {start: " and ".join(times for other, times in ends if other == start) for start, _ in ends}
        sentences.append("; ".join([*(f"{start} {times[start]}" for start in times), _why_not_compared(own)]))
    sentences += [f"{name} runs another model, so its times are no result for this model" for name in other_model]
    if any(case.record.answers == UNVERIFIED for case in own):
        model += f" ({UNVERIFIED})"
    return [f"{model}: {sentence}" for sentence in sentences or ["no backend that computes this model was timed"]]


def _service_result(backend: str, speedups: Sequence[Speedup], cases: Sequence[MeasuredCase]) -> str:
    """Return a sentence that compares a service with running the model in process, over all batch sizes."""
    in_process = next(case.record.framework_label for case in cases if case.record.backend == IN_PROCESS_BACKEND)
    process, service = f"{in_process} in process", _service_label(backend, cases)
    first, last = speedups[0], speedups[-1]
    sentence = _comparison(process, service, first)
    if len(speedups) == 1:
        return sentence
    if first.faster == last.faster:
        sentence += f" and {_format_factor(last) if last.faster else last.text} at batch {last.batch_size}"
    elif last.faster == "process":
        sentence += f"; {_comparison(process, service, last)}"
    return f"{sentence}; {_where_service_wins(speedups)}"


def _comparison(process: str, service: str, speedup: Speedup) -> str:
    """Return a clause that states which side is faster at one batch size, and by what factor."""
    where = f"at batch {speedup.batch_size}"
    if not speedup.faster:
        return f"no certain difference between {process} and {service}: speedup of the service {speedup.text} {where}"
    faster, slower = (process, service) if speedup.faster == "process" else (service, process)
    return f"{faster} is {_format_factor(speedup)} faster than {slower} {where}"


def _where_service_wins(speedups: Sequence[Speedup]) -> str:
    """Return a clause that states at which batch sizes the service is certainly faster."""
    wins = [speedup for speedup in speedups if speedup.faster == "service"]
    if len(wins) == len(speedups):
        return "the service wins at every batch size"
    lasting = list(takewhile(lambda speedup: speedup.faster == "service", reversed(speedups)))
    single = ", ".join(str(win.batch_size) for win in wins[: len(wins) - len(lasting)])
    if lasting:
        also = f" and at batch {single}" if single else ""
        return f"the service wins from batch {lasting[-1].batch_size} on ({lasting[-1].text}){also}"
    if single:
        return f"the service wins only at batch {single}"
    uncertain = [speedup for speedup in speedups if not speedup.faster]
    if not uncertain:
        return "the service never wins"
    best = max(uncertain, key=lambda speedup: speedup.ratio.estimate)
    return f"the service never certainly wins (best: {best.text} at batch {best.batch_size})"


def _format_factor(speedup: Speedup) -> str:
    """Format the factor by which the faster side is faster, such as `2.00×`."""
    ratio = speedup.ratio.estimate
    return format_ratio(1.0 / ratio if speedup.faster == "process" else ratio)


def _service_label(backend: str, cases: Sequence[MeasuredCase]) -> str:
    """Return a service's name for a sentence. If two services share a name, append the backend to it."""
    labels = {
        record.backend: f"the {record.framework_label} service" + (" on the GPU" if record.device_type == "gpu" else "")
        for record in (case.record for case in cases)
        if record.service
    }
    is_unique = list(labels.values()).count(labels[backend]) == 1
    return labels[backend] if is_unique else f"{labels[backend]} ({backend})"


def _fastest_at(cases: Sequence[MeasuredCase], batch_size: int) -> tuple[str, str]:
    """Return a clause about the fastest backend at one batch size, in two parts: its beginning, and its times."""
    at_size = [case for case in cases if case.record.batch_size == batch_size]
    ranked = sorted(at_size, key=lambda case: case.record.latency_s_per_batch)
    names = [case.record.backend for case in ranked]
    times = [format_duration(case.record.latency_s_per_batch) for case in ranked]
    if len(ranked) == 1:
        return f"{names[0]} takes", f"{times[0]} per call at batch {batch_size}"
    if ratio_interval(ranked[1].rounds, ranked[0].rounds).low > 1.0:
        return f"{names[0]} is the fastest backend with", f"{times[0]} per call at batch {batch_size}"
    return (
        f"no certain difference at batch {batch_size} between the fastest backends",
        f"{names[0]} ({times[0]} per call) and {names[1]} ({times[1]})",
    )


def _why_not_compared(cases: Sequence[MeasuredCase]) -> str:
    """Return a clause that explains why no service was compared with the model in process."""
    if not any(case.record.service for case in cases):
        return "no service that runs this model was timed"
    if not any(case.record.backend == IN_PROCESS_BACKEND for case in cases):
        return f"{IN_PROCESS_BACKEND} was not timed, so there is no speedup of a service"
    return f"no service was timed at a batch size of {IN_PROCESS_BACKEND}"
