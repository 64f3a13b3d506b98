"""Samples to tables. A ratio is one of medians; the spread is the slowest and the fastest round over the median."""

from race import Question, Result, Target


def print_table(question: Question, results: dict[str, Result]) -> None:
    ours = results[question.clients[0].name]
    head = ("client", "per second", "spread", "CPU µs each", "our rate / its", "our CPU / its")
    rows = [head] + [_row(name, result, ours) for name, result in results.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("| " + " | ".join(cells) + " |")
        if number == 0:
            dashes = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
            print("| " + " | ".join(dashes) + " |")
    for name, result in results.items():
        if result.failure:
            print(f"  {name} failed: {result.failure}")


def _row(name: str, result: Result, ours: Result) -> tuple[str, ...]:
    if not result.samples:
        return (name, "failed", "", "", "", "")
    low, high = result.spread
    own = (name, f"{result.rate:,.0f}", f"{low:.2f}-{high:.2f}", f"{result.cpu:,.1f}")
    if result is ours or not ours.samples:
        return (*own, "", "")
    return (*own, f"{ours.rate / result.rate:.2f}", f"{ours.cpu / result.cpu:.3f}")


def print_doubts(results: dict[str, Result]) -> None:
    unsteady = [name for name, result in results.items() if len(result.samples) > 1 and _is_unsteady(result)]
    if unsteady:
        print(f"  rounds differ by more than a quarter ({'; '.join(unsteady)}): the machine was busy, run it again")


def _is_unsteady(result: Result) -> bool:
    slowest, fastest = result.spread
    return slowest < 0.75 or fastest > 1.25


def print_targets(question: Question, results: dict[str, Result], *, judge: bool) -> bool:
    """True when all are met; without `judge` the ratios are shown beside the targets, and that is all."""
    met = [_print_target(target, results, judge=judge) for target in question.targets]
    return all(met) or not judge


def _print_target(target: Target, results: dict[str, Result], *, judge: bool) -> bool:
    ours, peer = results[target.ours], results[target.peer]
    wanted = f"{'at most' if target.cpu else 'at least'} {target.require:g}, stretch {target.stretch:g}"
    if not ours.samples or not peer.samples:
        print(f"  {'FAIL' if judge else '    '}  {target.sentence}: not measured ({wanted})")
        return False
    ratio = ours.cpu / peer.cpu if target.cpu else ours.rate / peer.rate
    met, stretched = _reaches(target, ratio, target.require), _reaches(target, ratio, target.stretch)
    verdict = ("PASS" if met else "FAIL") if judge else "    "
    shown = f"{ratio:.3f}" if target.cpu else f"{ratio:.2f}"
    print(f"  {verdict}  {target.sentence}: {shown} ({wanted}{': reached' if judge and stretched else ''})")
    return met


def _reaches(target: Target, ratio: float, bound: float) -> bool:
    return ratio <= bound if target.cpu else ratio >= bound
