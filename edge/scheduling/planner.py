"""Collective adaptation: one problem of all sessions, and from its plan what each is to do.

A session's frames can be served with any *option*: a variant at the input size that its picture's
shape makes of it. Only frames of one option share a batch, so options are what the scheduler
places. What an option is worth to a session depends on what its link lets it send: for each the
planner takes the sent size at which the link's bits give the best accuracy. What an option may take
is what the SLO leaves, as measured, less a reserve.

Plans come twice a second, each from slightly other measurements. So a new plan is made with
latencies `MARGIN` times as long, and the one in force stays for as long as it obeys the rule
without that margin, serves as many and is worth nearly as much. Where a new one does come, an
option that a session has counts for `STAY` more than it is worth. Pure: no clock, no I/O; the
server's controller and the simulator run the same code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from edge.adaptation.bitrate_controller import mbit
from edge.profile.accuracy import AccuracyProfile
from edge.profile.latency import LatencyProfile, Size
from edge.profile.variant import SENT_LONG_SIDES, Variant
from edge.scheduling.assignment import Assignment, Snapshot
from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import CycleStep, Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem, ProblemClient
from edge.scheduling.problem import ProblemVariant as Option

PERIOD_MS = 500.0  # between plans
LEAST_MS, MANY = 100.0, 16  # after an event; with more sessions than that one matters less
RESERVE_MS = 4.0  # of the budget, for handing pictures over and for timers
UNTRIED_PART = 0.25  # of the budget, until the devices have answered a session's own frames
HEADROOM = 0.3  # of a single device's time that plans leave to bursts and what shares its cores
STAY = 0.01  # relative accuracy that another option must gain to be given to a session
MARGIN = 1.1  # times their latencies, in new plans: what just fits today shall fit tomorrow
NEWCOMER_MARGIN = 1.3  # the same, where room for one session more is looked for: devices drift, and
# who was there before shall still be served then
PAYS = 0.005  # F1 that a larger picture must gain to be sent: less is noise of the measurement
ENOUGH = 0.99  # share of what a size can reach, beyond which more bits buy next to nothing
MAX_OPTIONS = 96  # in one problem; where there are more shapes than that, edges are left out
_BITS_STEP = 1.1  # links are told apart by so much


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem to solve, the same without its margin, and what it was made of: for each variant
    in it (edge, input size), for each client and variant the edge to send."""

    problem: Problem
    bare: Problem
    snapshots: tuple[Snapshot, ...]
    options: tuple[tuple[int, Size], ...]
    sent: tuple[tuple[int, ...], ...]
    profiles: tuple[LatencyProfile, ...]

    def slower(self, by: float) -> Problem:
        """The problem on devices that take so many times what they do now."""
        return _slower(self.bare, by)


def least_ms(sessions: int) -> float:
    """The least time between two plans, however much happens."""
    return min(PERIOD_MS, LEAST_MS * max(1.0, sessions / MANY))


class Planner:
    """Makes problems and carries plans on; remembers the plan in force."""

    def __init__(
        self,
        network: str,
        long_sides: Sequence[int],
        accuracy: AccuracyProfile,
        *,
        rule: Rule = "shared",
        max_batch: int = 8,
        sent_long_sides: Sequence[int] = SENT_LONG_SIDES,
    ) -> None:
        self.rule = rule
        self._network = network
        self._long_sides = tuple(sorted(long_sides))
        self._accuracy = accuracy
        self._max_batch = max_batch
        self._sent_long_sides = tuple(sorted(sent_long_sides))
        self._worth = lru_cache(maxsize=4096)(self._look_up)
        self._force: list[list[tuple[tuple[int, Size], int, list[str]]]] = []
        """Of the plan in force, for each device its steps: option, batch size, session ids."""
        self._has: dict[str, tuple[int, Size]] = {}
        """The option of each session that it serves."""

    def draft(self, snapshots: Sequence[Snapshot], profiles: Sequence[LatencyProfile]) -> Draft:
        """The problem of these sessions on the devices that live, one profile each."""
        options = self._options(snapshots)
        place = {option: index for index, option in enumerate(options)}
        variants = tuple(self._option(*option, profiles) for option in options)
        usual = self._usual(options, profiles)
        clients, sent = [], []
        for snapshot in snapshots:
            budget_ms = snapshot.left_ms - RESERVE_MS
            if not snapshot.tried:
                budget_ms *= UNTRIED_PART
            if len(snapshots) <= len(profiles):
                # A device for everybody: nobody waits for another's batch, half of what rules add.
                budget_ms *= 2.0
            budgets, worth, long_sides_sent = (
                [0.0] * len(options),
                [0.0] * len(options),
                [0] * len(options),
            )
            bits = math.floor(math.log(max(snapshot.bps, 1.0), _BITS_STEP))
            pins = snapshot.pins
            for long_side, f1, sent_long_side in self._worth(
                bits, snapshot.fps, *snapshot.size, pins.long_side
            ):
                if pins.variant not in (None, Variant(self._network, long_side).name):
                    continue
                index = place.get(
                    (long_side, Variant(self._network, long_side).input_size(*snapshot.size))
                )
                if index is not None:
                    stays = self._has.get(snapshot.id) == options[index]
                    worth[index] = f1 * (1.0 + STAY) if stays else f1
                    budgets[index], long_sides_sent[index] = budget_ms, sent_long_side
            clients.append(
                ProblemClient(
                    snapshot.id,
                    math.ceil(2.0 * usual * snapshot.fps / _fill(len(profiles))) / 2.0,
                    tuple(max(0.0, budget) for budget in budgets),
                    tuple(worth),
                )
            )
            sent.append(tuple(long_sides_sent))
        current = tuple(tuple(_name(option) for option, _, _ in steps) for steps in self._force)
        bare = Problem(
            gpus=len(profiles),
            variants=variants,
            clients=tuple(clients),
            current=current if len(current) == len(profiles) else None,
        )
        problem = _slower(bare, MARGIN)
        return Draft(problem, bare, tuple(snapshots), options, tuple(sent), tuple(profiles))

    def _options(self, snapshots: Sequence[Snapshot]) -> tuple[tuple[int, Size], ...]:
        """Inputs that these sessions may be served with: bounded, and for nobody without the least
        edge, which serves most, and what it is pinned to."""
        wanted: set[tuple[int, Size]] = set()
        for step in _STEPS:
            long_sides = {self._long_sides[0], *self._long_sides[::-step]}
            wanted = {
                (long_side, Variant(self._network, long_side).input_size(*snapshot.size))
                for snapshot in snapshots
                for long_side in long_sides | _pinned(snapshot)
            }
            if len(wanted) <= MAX_OPTIONS:
                break
        return tuple(sorted(wanted))

    def adopt(self, draft: Draft, plan: Plan) -> tuple[Plan, dict[str, Assignment]]:
        """The plan to follow, the draft's or the one in force, and each session's part in it."""
        held = self._held(draft)
        if (
            held is not None
            and held.served >= plan.served
            and plan.accuracy <= (1.0 + STAY) * held.accuracy
            and not violations(draft.bare, held, self.rule)
        ):
            plan = held
        self._force = [
            [
                (
                    draft.options[step.variant],
                    step.batch,
                    [draft.snapshots[client].id for client in step.clients],
                )
                for step in steps
            ]
            for steps in plan.gpus
        ]
        self._has = {
            draft.snapshots[client].id: draft.options[option]
            for client, option in plan.variant_of.items()
        }
        return plan, self._assignments(draft, plan)

    def _held(self, draft: Draft) -> Plan | None:
        """The plan in force, without those who left, as an answer to the draft's problem."""
        if len(self._force) != draft.bare.gpus:
            return None
        clients = {snapshot.id: index for index, snapshot in enumerate(draft.snapshots)}
        options = {option: index for index, option in enumerate(draft.options)}
        gpus = []
        for steps in self._force:
            stay = []
            for option, batch, ids in steps:
                here = tuple(clients[each] for each in ids if each in clients)
                if here and option not in options:
                    return None
                if here:
                    stay.append(CycleStep(options[option], batch, here))
            gpus.append(tuple(stay))
        return Plan(draft.bare, "held", self.rule, tuple(gpus))

    # What a session can send, and what it is worth

    def _look_up(
        self, bits: int, fps: float, width: int, height: int, pinned_long_side: int | None
    ) -> tuple[tuple[int, float, int], ...]:
        """For each edge of the network's input: (edge, F1, the edge to send)."""
        bps = _BITS_STEP**bits
        names = [Variant(self._network, long_side).name for long_side in self._long_sides]
        sendable = self._sent_long_sides if pinned_long_side is None else (pinned_long_side,)
        pixels = [_pixels(long_side, width, height) for long_side in sendable]
        table = self._accuracy.f1_table(names, sendable, [bps / fps / each for each in pixels])
        found = []
        for column, long_side in enumerate(self._long_sides):
            best = 0
            for row in range(1, len(sendable)):
                if table[row, column] > table[best, column] + PAYS:
                    best = row
            found.append((long_side, float(table[best, column]), sendable[best]))
        return tuple(found)

    def _option(
        self, long_side: int, input_size: Size, profiles: Sequence[LatencyProfile]
    ) -> Option:
        """Latencies of the slowest device for each batch size; a profile errs on the safe side."""
        name = Variant(self._network, long_side).name
        rows = [profile.latency_row(name, input_size)[: self._max_batch] for profile in profiles]
        slowest = [max(column) for column in zip(*rows, strict=False)]
        finite = [ms for ms in slowest if math.isfinite(ms)]
        return Option(_name((long_side, input_size)), 0.0, tuple(finite) or (_UNKNOWN_MS,))

    def _usual(
        self, options: Sequence[tuple[int, Size]], profiles: Sequence[LatencyProfile]
    ) -> float:
        """Median latency over p99: a rule's latencies are p99s, for deadlines; what a device gets
        done goes by medians, so frame rates are told so much lower."""
        ratios = [
            typical / slow
            for profile in profiles
            for long_side, size in options
            for name in (Variant(self._network, long_side).name,)
            for typical, slow in zip(
                profile.typical_row(name, size), profile.latency_row(name, size), strict=True
            )
            if math.isfinite(slow)
        ]
        return max(ratios, default=1.0)

    # What is made of a plan

    def _assignments(self, draft: Draft, plan: Plan) -> dict[str, Assignment]:
        assignments: dict[str, Assignment] = {}
        # Half of what plans leave to bursts is for who was left over: a moment's drift shall not
        # end a session's service.
        devices = len(draft.profiles)
        free = devices * (1.0 + _fill(devices)) / 2.0
        for steps in plan.gpus:
            for step in steps:
                typical_ms = self._typical_ms(draft, step.variant, step.batch) / step.batch
                for client in step.clients:
                    free -= draft.snapshots[client].fps * typical_ms / 1000.0
                    assignments[draft.snapshots[client].id] = self._served(
                        draft, client, step.variant
                    )
        waiting = [i for i in range(len(draft.snapshots)) if i not in plan.variant_of]
        for client in sorted(waiting, key=lambda i: (draft.snapshots[i].fps, i)):
            snapshot = draft.snapshots[client]
            cheapest = self._cheapest(draft, client)
            typical_ms = self._typical_ms(draft, cheapest, 1)
            load = snapshot.fps * typical_ms / 1000.0
            if draft.profiles and load <= free:
                free -= load
                assignments[snapshot.id] = self._say(
                    draft, client, cheapest, self._tried(draft, client, cheapest)
                )
            else:
                full = "no device is there" if not devices else f"all {devices} devices are full"
                long_side = draft.sent[client][cheapest]
                assignments[snapshot.id] = Assignment(
                    None, long_side, 0.0, 0.0, f"not served: {full}"
                )
        return assignments

    @staticmethod
    def _tried(draft: Draft, client: int, option: int) -> str:
        """Why nothing is promised to a session whose frames are tried all the same."""
        snapshot, devices = draft.snapshots[client], len(draft.profiles)
        network = "pinned" if snapshot.pins.variant else "fastest"
        why = f"all {devices} devices are nearly full: nothing is promised"
        needed_ms = 2.0 * draft.problem.variants[option].latency_ms[0]
        if needed_ms > draft.problem.clients[client].budget_ms[option]:
            left_ms = max(0.0, snapshot.left_ms)
            why = f"{left_ms:.0f} ms are left for inference: too few to promise anything"
        return f"{why}, so each frame is tried with the {network} network"

    def _typical_ms(self, draft: Draft, option: int, batch: int) -> float:
        long_side, size = draft.options[option]
        name = Variant(self._network, long_side).name
        times = [profile.typical_ms(name, size, batch) for profile in draft.profiles]
        return max(times, default=math.inf)

    @staticmethod
    def _cheapest(draft: Draft, client: int) -> int:
        sent = draft.sent[client]
        return min(
            (index for index in range(len(sent)) if sent[index]),
            key=lambda index: draft.problem.variants[index].latency_ms[0],
        )

    def _served(self, draft: Draft, client: int, option: int) -> Assignment:
        """Why this variant: what the next better one lacks."""
        problem, snapshot = draft.problem, draft.snapshots[client]
        worth = problem.clients[client].accuracy or ()
        best = max(range(len(worth)), key=lambda index: (worth[index], -index))
        if snapshot.pins.variant is not None:
            why = "pinned by the operator"
        elif worth[best] <= worth[option] + PAYS:
            why = f"nothing sees more in {mbit(snapshot.bps)}"
        elif 2.0 * problem.variants[best].latency_ms[0] > problem.clients[client].budget_ms[best]:
            why = f"{snapshot.left_ms:.0f} ms are left for queueing and inference"
            if not snapshot.tried:
                why = "starting small: no frame has been answered yet"
        else:
            others = len(draft.snapshots) - 1
            why = f"the devices are shared with {others} other session{'s' * (others != 1)}"
        return self._say(draft, client, option, why)

    def _say(self, draft: Draft, client: int, option: int, why: str) -> Assignment:
        long_side, _ = draft.options[option]
        sent, snapshot = draft.sent[client][option], draft.snapshots[client]
        name = Variant(self._network, long_side).name
        useful_bps = self._accuracy.enough_bps(
            name, sent, snapshot.fps, ENOUGH, pixels=_pixels(sent, *snapshot.size)
        )
        gain = 1.0
        if snapshot.pins.long_side is not None:
            why = f"pinned to {sent} px by the operator; {why}"
        elif snapshot.sent_long_side:
            gain = self._f1(name, sent, snapshot) - self._f1(
                name, snapshot.sent_long_side, snapshot
            )
        return Assignment(name, sent, useful_bps, gain, why)

    def _f1(self, variant: str, sent_long_side: int, snapshot: Snapshot) -> float:
        pixels = _pixels(sent_long_side, *snapshot.size)
        return self._accuracy.f1(variant, sent_long_side, snapshot.bps, snapshot.fps, pixels=pixels)


def _slower(problem: Problem, by: float) -> Problem:
    longer = tuple(
        replace(each, latency_ms=tuple(by * ms for ms in each.latency_ms))
        for each in problem.variants
    )
    return replace(problem, variants=longer)


_UNKNOWN_MS = 1e6  # of a variant that a device does not know
_STEPS = (1, 2, 4, 8)  # edges kept: all, every second, ...


def _fill(devices: int) -> float:
    """Part of the devices' time that plans may fill: the spare time that keeps waits short grows
    as the square root of what is there (square-root staffing, Halfin and Whitt 1981)."""
    return 1.0 - HEADROOM / math.sqrt(max(devices, 1))


def _pinned(snapshot: Snapshot) -> set[int]:
    name = snapshot.pins.variant
    return set() if name is None else {Variant.parse(name).long_side}


def _name(option: tuple[int, Size]) -> str:
    long_side, (width, height) = option
    return f"{long_side}:{width}x{height}"


def _pixels(long_side: int, width: int, height: int) -> int:
    return max(1, long_side * long_side * min(width, height) // max(width, height))
