"""Collective adaptation: one problem of all sessions, and from its plan each session's assignment.

A session's frames can be served with several *options*: a variant, of any network that may serve
it, at the input size that its picture's shape makes of it. Only frames of one option share a batch,
so the scheduler places options. The F1 of an option for a session depends on what its link carries:
for each option the planner takes the sent size that gives the best F1 with the link's bits. The
time that an option may take is the budget that the SLO leaves, as measured, less a reserve.

Plans are made about twice a second, each from slightly different measurements. To keep them
stable, a new plan is made with latencies `MARGIN` times as long, and the plan in force stays as
long as it obeys the rule without that margin, serves as many sessions and has nearly their F1.
Where a new plan replaces it, an option that a session already has counts for `STAY` more.

Pure: no clock, no I/O. The server's controller and the simulator run the same code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edge.profile.accuracy import AccuracyProfile
from edge.profile.latency import LatencyProfile
from edge.profile.variant import SENT_LONG_SIDES, Variant
from edge.scheduling.assigner import Assigner, plannable_share
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.scheduling.capacity_rules import Rule
from edge.scheduling.draft import STAY, Draft, ServingOption, slower
from edge.scheduling.fairness import ACCURACY_FLOOR, least_share
from edge.scheduling.picture_choice import PictureChooser
from edge.scheduling.plan import CycleStep, Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant

PERIOD_MS = 500.0  # between plans
MIN_PERIOD_MS = 100.0  # after an event, with up to MANY_SESSIONS
MANY_SESSIONS = 16  # the more sessions, the less one event matters
RESERVE_MS = 4.0  # of the budget, for handing pictures over and for timers
UNMEASURED_SHARE = 0.25  # of the budget, until the devices have answered a session's own frames
MARGIN = 1.1  # factor on latencies in new plans: they must still fit after a little drift
NEWCOMER_MARGIN = 1.3  # the same with one session more: all must fit after the usual drift
MAX_OPTIONS = 96  # in one problem; with more shapes than that, some long sides are left out
_UNKNOWN_MS = 1e6  # latency of a variant that is in no device's profile
_SKIPS = (1, 2, 4, 8)  # long sides kept: all, every second, ...


def min_period_ms(sessions: int) -> float:
    """The pause after a plan, however many events there are."""
    return min(PERIOD_MS, MIN_PERIOD_MS * max(1.0, sessions / MANY_SESSIONS))


class Planner:
    """Makes problems, and keeps the plan in force."""

    def __init__(
        self,
        networks: Mapping[str, Sequence[int]],
        accuracy: AccuracyProfile,
        *,
        rule: Rule = "shared",
        accuracy_floor: float = ACCURACY_FLOOR,
        max_batch: int = 8,
        sent_long_sides: Sequence[int] = SENT_LONG_SIDES,
    ) -> None:
        """`networks`: the long sides of each network's inputs; the first is the default one."""
        self.rule = rule
        self.accuracy_floor = accuracy_floor
        self._long_sides = {network: tuple(sorted(sides)) for network, sides in networks.items()}
        self._default = (next(iter(networks)),)
        self._max_batch = max_batch
        self._pictures = {
            network: PictureChooser(network, sides, tuple(sorted(sent_long_sides)), accuracy)
            for network, sides in self._long_sides.items()
        }
        self._assigner = Assigner(self._pictures[self._default[0]])
        self._in_force: list[list[tuple[ServingOption, int, list[str]]]] = []
        """Of the plan in force, for each device its steps: option, batch size, session ids."""
        self._option_of: dict[str, ServingOption] = {}
        """The option of each session that the plan in force serves."""

    def draft(
        self,
        snapshots: Sequence[SessionSnapshot],
        profiles: Sequence[LatencyProfile],
        *,
        copies: int = 1,
    ) -> Draft:
        """The problem of these sessions on the live devices, one profile each.

        `copies`: how many sessions like the last one there are to be.
        """
        options = self._options(snapshots)
        typical = self._typical_share(options, profiles)
        clients, sent = [], []
        for snapshot in snapshots:
            budget_ms = self._budget_ms(snapshot, len(snapshots) + copies - 1 <= len(profiles))
            load_fps = typical * snapshot.fps / plannable_share(len(profiles))
            client, client_sent = self._client(snapshot, options, budget_ms, load_fps)
            clients.append(client)
            sent.append(client_sent)
        last_id = snapshots[-1].id if snapshots else ""
        for number in range(1, copies):
            copy = replace(snapshots[-1], id=f"{last_id} {number}")
            clients.append(replace(clients[-1], id=copy.id))
            sent.append(sent[-1])
            snapshots = [*snapshots, copy]
        current = tuple(tuple(option.name for option, _, _ in steps) for steps in self._in_force)
        measured = Problem(
            gpus=len(profiles),
            variants=tuple(self._variant(option, profiles) for option in options),
            clients=tuple(clients),
            current=current if len(current) == len(profiles) else None,
        )
        return Draft(
            problem=slower(measured, MARGIN),
            measured_problem=measured,
            snapshots=tuple(snapshots),
            options=options,
            sent_long_sides=tuple(sent),
            profiles=tuple(profiles),
        )

    def adopt(self, draft: Draft, plan: Plan) -> tuple[Plan, dict[str, Assignment]]:
        """The plan to follow, the draft's or the one in force, and each session's part in it."""
        previous = self._previous(draft)
        if (
            previous is not None
            and previous.served >= plan.served
            and plan.accuracy <= (1.0 + STAY) * previous.accuracy
            and self._is_as_fair(previous, plan)
            and not violations(draft.measured_problem, previous, self.rule)
        ):
            plan = previous
        self._in_force = [
            [
                (
                    draft.options[step.variant],
                    step.batch,
                    [draft.snapshots[client].id for client in step.clients],
                )
                for step in cycle
            ]
            for cycle in plan.gpus
        ]
        self._option_of = {
            draft.snapshots[client].id: draft.options[option]
            for client, option in plan.variant_of.items()
        }
        return plan, self._assigner.assignments(draft, plan)

    def _is_as_fair(self, previous: Plan, plan: Plan) -> bool:
        """Whether it keeps the floor as well as the new plan does."""
        wanted = min(self.accuracy_floor, least_share(plan))
        return least_share(previous) >= (1.0 - STAY) * wanted

    def _previous(self, draft: Draft) -> Plan | None:
        """The plan in force, without sessions that left, as an answer to the draft's problem."""
        if len(self._in_force) != draft.measured_problem.gpus:
            return None
        clients = {snapshot.id: index for index, snapshot in enumerate(draft.snapshots)}
        options = {option: index for index, option in enumerate(draft.options)}
        cycles = []
        for steps in self._in_force:
            cycle = []
            for option, batch, ids in steps:
                present = tuple(clients[each] for each in ids if each in clients)
                if present and option not in options:
                    return None
                if present:
                    cycle.append(CycleStep(options[option], batch, present))
            cycles.append(tuple(cycle))
        return Plan(draft.measured_problem, "previous", self.rule, tuple(cycles))

    # The parts of a problem

    def _networks(self, snapshot: SessionSnapshot) -> tuple[str, ...]:
        """Those that may serve the session."""
        return snapshot.networks or self._default

    def _options(self, snapshots: Sequence[SessionSnapshot]) -> tuple[ServingOption, ...]:
        """The options of these sessions, up to MAX_OPTIONS.

        Each session keeps the smallest long side, which serves most sessions, and its pinned one.
        """
        options: set[ServingOption] = set()
        for skip in _SKIPS:
            options = {
                ServingOption.of_picture(network, long_side, snapshot.size)
                for snapshot in snapshots
                for network in self._networks(snapshot)
                for sides in (self._long_sides[network],)
                for long_side in {sides[0], *sides[::-skip], *_pinned_long_sides(snapshot, network)}
            }
            if len(options) <= MAX_OPTIONS:
                break
        return tuple(sorted(options))

    def _variant(self, option: ServingOption, profiles: Sequence[LatencyProfile]) -> ProblemVariant:
        """With the slowest device's latency for each batch size, to be on the safe side."""
        rows = [
            profile.latency_row(option.variant, option.input_size)[: self._max_batch]
            for profile in profiles
        ]
        slowest = [max(column) for column in zip(*rows, strict=False)]
        finite = [ms for ms in slowest if math.isfinite(ms)]
        return ProblemVariant(option.name, 0.0, tuple(finite) or (_UNKNOWN_MS,))

    def _client(
        self,
        snapshot: SessionSnapshot,
        options: Sequence[ServingOption],
        budget_ms: float,
        load_fps: float,
    ) -> tuple[ProblemClient, tuple[int, ...]]:
        """The session as a client, and for each option the long side of the picture to send."""
        places = {option: index for index, option in enumerate(options)}
        budgets_ms, f1, sent = ([0.0] * len(options), [0.0] * len(options), [0] * len(options))
        choices = [
            (network, choice)
            for network in self._networks(snapshot)
            for choice in self._pictures[network].choices(snapshot)
        ]
        for network, choice in choices:
            option = ServingOption.of_picture(network, choice.input_long_side, snapshot.size)
            if snapshot.pins.variant not in (None, option.variant):
                continue
            index = places.get(option)
            if index is not None:
                stays = self._option_of.get(snapshot.id) == option
                f1[index] = choice.f1 * (1.0 + STAY) if stays else choice.f1
                budgets_ms[index] = max(0.0, budget_ms)
                sent[index] = choice.sent_long_side
        # Rounded up to half a frame a second: rates of few kinds make problems that solve faster.
        fps = math.ceil(2.0 * load_fps) / 2.0
        return ProblemClient(snapshot.id, fps, tuple(budgets_ms), tuple(f1)), tuple(sent)

    @staticmethod
    def _budget_ms(snapshot: SessionSnapshot, has_own_device: bool) -> float:
        """The time that the problem's rule may use."""
        budget_ms = snapshot.budget_ms - RESERVE_MS
        if not snapshot.is_inference_measured:
            budget_ms *= UNMEASURED_SHARE
        if has_own_device:
            # No frame waits for another session's batch, which is half of what the rules allow for.
            budget_ms *= 2.0
        return budget_ms

    def _typical_share(
        self, options: Sequence[ServingOption], profiles: Sequence[LatencyProfile]
    ) -> float:
        """The highest ratio of median to p99 latency.

        Rules go by p99s, which deadlines need, but the throughput of a device goes by medians: so
        the frame rates in a problem are lowered by this factor.
        """
        ratios = [
            typical_ms / p99_ms
            for profile in profiles
            for option in options
            for typical_ms, p99_ms in zip(
                profile.typical_row(option.variant, option.input_size),
                profile.latency_row(option.variant, option.input_size),
                strict=True,
            )
            if math.isfinite(p99_ms)
        ]
        return max(ratios, default=1.0)


def _pinned_long_sides(snapshot: SessionSnapshot, network: str) -> set[int]:
    """The long side of the session's pinned variant, if that is one of this network."""
    pinned = None if snapshot.pins.variant is None else Variant.parse(snapshot.pins.variant)
    return {pinned.long_side} if pinned is not None and pinned.network == network else set()
