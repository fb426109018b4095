"""The search for schedules: kernels of a program are timed alone, with other numbers.

The time that may be spent is dealt to kernels by their share of the program's; within one kernel
candidates run in turn with the best so far, and those that are clearly slower leave early.
A schedule is kept only if its results are the same, bit for bit, and a longer comparison with
the rules' own schedule confirms that it is faster.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from graphc.codegen.llvm.entry import PARALLEL_WORK
from graphc.codegen.loops.assemble import checks_of
from graphc.codegen.loops.language import Kernel, show
from graphc.codegen.loops.lower import lower_kernel
from graphc.codegen.loops.schedule import Schedule, changed, schedule_for
from graphc.codegen.loops.work import work_of
from graphc.ir.errors import CompileError
from graphc.ir.graph import Graph
from graphc.ir.places import Places
from graphc.ops.control import KernelAttrs, ScanAttrs, SwitchAttrs, WhileAttrs
from graphc.runtime.cache import DiskCache
from graphc.runtime.candidates import Knobs, stages
from graphc.runtime.options import Options
from graphc.runtime.trials import Bench, Runner, compiled, interleave
from graphc.runtime.tuned import Tuned, TunedSchedules

LEAST_SHARE = 0.02  # of the program's time; what takes less is left alone
BATCH = 5  # candidates compiled at once
GAIN = 0.98  # of the best time so far: what a candidate must stay below
PROOF = 0.97  # of the rules' time: what the winner must stay below in the last comparison
ROUNDS = ((2, 1.5), (2, 1.15), (4, 1.05), (6, 1.0))  # readings of each, and who goes on after them
FINAL_ROUNDS = 21
PASSES = 2  # times that all stages are gone through, as long as something was gained
SEARCH_SHARE = 0.9  # of the budget; the rest is for the last comparison


@dataclass(frozen=True)
class Subject:
    """A kernel of a program, and how often one call of the program runs it."""

    kernel: KernelAttrs
    places: Places
    calls: int


@dataclass(frozen=True)
class Outcome:
    """What became of one kernel: seconds of one run by the rules' schedule, and by the found one.

    `note` says in words why there is none, if so; `share` is of the program's time.
    """

    subject: Subject
    share: float
    before: float
    after: float
    knobs: Knobs
    tried: int
    note: str = ""


def subjects(graph: Graph) -> list[Subject]:
    """The kernels of a planned graph, equal ones once."""
    found: dict[Graph, Subject] = {}
    for kernel, places, calls in _counted(graph, 1):
        known = found.get(kernel.body, Subject(kernel, places, 0))
        found[kernel.body] = replace(known, calls=known.calls + calls)
    return list(found.values())


def _counted(graph: Graph, times: int) -> Iterator[tuple[KernelAttrs, Places, int]]:
    """Kernels and how often they run; a `while` counts one iteration, a `switch` all branches."""
    for node in graph.nodes:
        match node.attrs:
            case KernelAttrs(window=False):
                yield node.attrs, graph.place(node), times
            case ScanAttrs():
                yield from _counted(node.attrs.body, times * node.attrs.length)
            case WhileAttrs():
                yield from _counted(node.attrs.condition, times)
                yield from _counted(node.attrs.body, times)
            case SwitchAttrs():
                for branch in node.attrs.branches:
                    yield from _counted(branch, times)


def tune(graph: Graph, options: Options, seconds: float, *, again: bool = False) -> list[Outcome]:
    """Search schedules for the kernels of a planned graph and keep them in the cache.

    Kernels that were tuned before are left as they are, unless `again` is set.
    """
    deadline = time.perf_counter() + seconds
    known = TunedSchedules(DiskCache(options.cache_dir, strict=False), options.target)
    everything = subjects(graph)
    names = {one.kernel.body: known.name(one.kernel.body) for one in everything}
    if not again:
        everything = [one for one in everything if known.get(names[one.kernel.body]) is None]
    outcomes: list[Outcome] = []
    timed = _timed(everything, options, deadline, outcomes)
    total = sum(spent * one.calls for one, spent in timed) or 1.0
    timed.sort(key=lambda pair: pair[1] * pair[0].calls, reverse=True)
    left = total
    for one, spent in timed:
        own = spent * one.calls
        note = "" if own >= LEAST_SHARE * total else f"under {LEAST_SHARE:.0%} of the time"
        allowed = (deadline - time.perf_counter()) * own / max(left, own)
        left -= own
        if note or allowed <= 0:
            outcomes.append(_untouched(one, own / total, spent, note or "no time left"))
            continue
        outcome = _Search(one, options, allowed).outcome(own / total)
        outcomes.append(outcome)
        found = Tuned(outcome.knobs, outcome.before, outcome.after)
        refused = known.put(names[one.kernel.body], found)
        said = f"{one.kernel.name}: {outcome.before / outcome.after:.2f} times as fast"
        options.say("tune", f"{said}, {outcome.tried} tried" + f", {refused}" * bool(refused))
    return outcomes


def _untouched(one: Subject, share: float, spent: float, note: str) -> Outcome:
    return Outcome(one, share, spent, spent, {}, 0, note)


def _timed(
    everything: Sequence[Subject], options: Options, deadline: float, outcomes: list[Outcome]
) -> list[tuple[Subject, float]]:
    """Seconds of each kernel alone; those that cannot be timed become outcomes with a note."""
    schedule = schedule_for(options.target)
    fit: list[Subject] = []
    kernels: list[Kernel] = []
    for one in everything:
        kernel = _lowered(one, schedule)
        if kernel is None or kernel.sizes:
            outcomes.append(_untouched(one, 0.0, 0.0, "sizes are known only when it runs"))
        else:
            fit.append(one)
            kernels.append(kernel)
    if not fit:
        return []
    trials = compiled(kernels, [work_of(one.kernel.body) for one in fit], options)
    found = []
    for number, one in enumerate(fit):
        runner = trials.runner(number, Bench(one.kernel.body))
        runner.settle()
        late = time.perf_counter() > deadline
        interleave([runner], 1 if late else 3)
        found.append((one, runner.best))
    return found


def _lowered(one: Subject, schedule: Schedule) -> Kernel | None:
    """The loops of a kernel; None where a schedule does not fit it."""
    a = one.kernel
    try:
        return lower_kernel("kernel", a.body, schedule, checks_of(a.body))
    except CompileError:
        return None


@dataclass
class _Search:
    """One kernel being tuned."""

    subject: Subject
    options: Options
    seconds: float
    knobs: dict[str, int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    tried: int = 0

    def outcome(self, share: float) -> Outcome:
        """Search until nothing is gained or time is up, then compare with the rules' schedule."""
        self.end = time.perf_counter() + SEARCH_SHARE * self.seconds
        self.bench = Bench(self.subject.kernel.body)
        self.rules = schedule_for(self.options.target)
        self.work = work_of(self.subject.kernel.body)
        self.seen.add(self._text({}))
        partition = self.options.threads > 1 or self.work < PARALLEL_WORK
        for _ in range(PASSES):
            before = dict(self.knobs)
            for stage in stages(self.rules, partition):
                self._stage(stage)
            if before == self.knobs or self._late():
                break
        return self._confirmed(share)

    def _late(self) -> bool:
        return time.perf_counter() > self.end

    def _kernel(self, knobs: Knobs) -> Kernel | None:
        return _lowered(self.subject, changed(self.rules, knobs))

    def _text(self, knobs: Knobs) -> str:
        kernel = self._kernel(knobs)
        return "" if kernel is None else show(kernel)

    def _stage(self, stage: Sequence[Knobs]) -> None:
        """Try the changes of one stage on the best schedule so far, a few at a time."""
        fresh = []
        for change in stage:
            if self._late():
                return
            knobs = {**self.knobs, **change}
            text = self._text(knobs)
            if text and text not in self.seen:
                self.seen.add(text)
                fresh.append(knobs)
        for first in range(0, len(fresh), BATCH):
            if self._late():
                return
            self._race(fresh[first : first + BATCH])

    def _race(self, batch: Sequence[Knobs]) -> None:
        """Let candidates run against the best so far; one that is faster takes its place."""
        entries = [self.knobs, *batch]
        self.tried += len(batch)
        champion, *others = self._runners(entries)
        expected = self._results(champion)
        running = [(champion, dict(self.knobs))]
        running += [
            (runner, dict(knobs))
            for runner, knobs in zip(others, batch, strict=True)
            if self._results(runner) == expected
        ]
        for runner, _ in running:
            runner.settle()
        for rounds, slack in ROUNDS:
            interleave([runner for runner, _ in running], 1 if self._late() else rounds)
            best = min(runner.best for runner, _ in running)
            running = [
                pair for pair in running if pair[0] is champion or pair[0].best <= slack * best
            ]
            if len(running) == 1:
                return
        fastest, knobs = min(running, key=lambda pair: pair[0].best)
        if fastest.best < GAIN * champion.best:
            self.knobs = knobs

    def _runners(self, entries: Sequence[Knobs]) -> list[Runner]:
        kernels = [kernel for knobs in entries if (kernel := self._kernel(knobs)) is not None]
        trials = compiled(kernels, [self.work] * len(kernels), self.options)
        return [trials.runner(number, self.bench) for number in range(len(kernels))]

    def _results(self, runner: Runner) -> list[bytes]:
        runner.read()
        return self.bench.results()

    def _confirmed(self, share: float) -> Outcome:
        """The found schedule where it is faster beyond doubt, else the rules' own."""
        rules, *found = self._runners([{}, *([self.knobs] if self.knobs else [])])
        for runner in (rules, *found):
            runner.settle()
        rounds = max(3, min(FINAL_ROUNDS, int(0.05 * self.seconds / max(rules.best, 1e-4))))
        interleave([rules, *found], rounds)
        before = after = rules.best
        kept: Knobs = {}
        if found and found[0].best < PROOF * before:
            kept, after = dict(self.knobs), found[0].best
        return Outcome(self.subject, share, before, after, kept, self.tried)
