"""Turns a plan into one assignment per session."""

from __future__ import annotations

import math
from dataclasses import replace

from edge.scheduling.assignment import Assignment, mbit
from edge.scheduling.draft import STAY, Draft
from edge.scheduling.fairness import alone
from edge.scheduling.picture_choice import MIN_GAIN, PictureChooser
from edge.scheduling.plan import Plan

HEADROOM = 0.3  # of a single device's time that plans leave to bursts and to other programs


def plannable_share(devices: int) -> float:
    """Share of the devices' time that plans may fill.

    The spare time that keeps waits short grows as the square root of the number of devices
    (square-root staffing, Halfin and Whitt 1981).
    """
    return 1.0 - HEADROOM / math.sqrt(max(devices, 1))


class Assigner:
    """Makes the assignments of a plan, for sessions that the plan serves and those that it doesn't.

    A session that the plan doesn't serve gets best effort with its fastest option, as long as all
    of these take no more than half of the headroom: a moment's drift of a device must not end its
    service. Where devices are so slow that not one whole session fits, all of them get it: some
    frames are answered by devices that would stand idle.
    """

    def __init__(self, pictures: PictureChooser) -> None:
        self._pictures = pictures

    def assignments(self, draft: Draft, plan: Plan) -> dict[str, Assignment]:
        """By session id, of every session in the draft."""
        assignments: dict[str, Assignment] = {}
        devices = len(draft.profiles)
        free = devices * (1.0 + plannable_share(devices)) / 2.0
        best = alone(draft.problem)
        for cycle in plan.gpus:
            for step in cycle:
                typical_ms = self._typical_ms(draft, step.variant, step.batch) / step.batch
                for client in step.clients:
                    snapshot = draft.snapshots[client]
                    free -= snapshot.fps * typical_ms / 1000.0
                    planned = self._planned(draft, client, step.variant)
                    f1 = self._f1(draft, client, step.variant)
                    # In a problem the option that a session has counts for more than its F1.
                    gains = best[client] > (1.0 + STAY) * f1
                    alone_f1 = float(best[client]) if gains else f1
                    assignments[snapshot.id] = replace(planned, f1=f1, f1_alone=alone_f1)
        unserved = [i for i in range(len(draft.snapshots)) if i not in plan.variant_of]
        loads = {client: self._least_load(draft, client) for client in unserved}
        is_too_slow = not plan.variant_of and min(loads.values(), default=0.0) > free
        for client in sorted(unserved, key=lambda i: (draft.snapshots[i].fps, i)):
            snapshot, load = draft.snapshots[client], loads[client]
            fastest = _fastest(draft, client)
            if draft.profiles and (load <= free or is_too_slow):
                free -= load
                reason = _best_effort_reason(draft, client, fastest)
                assignments[snapshot.id] = self._assignment(draft, client, fastest, reason)
            else:
                full = f"all {devices} devices are full" if devices else "no device is there"
                assignments[snapshot.id] = Assignment(
                    None, draft.sent_long_sides[client][fastest], 0.0, 0.0, f"not served: {full}"
                )
        return assignments

    def _planned(self, draft: Draft, client: int, option: int) -> Assignment:
        """The reason names what prevents the next better option."""
        problem, snapshot = draft.problem, draft.snapshots[client]
        f1 = problem.clients[client].accuracy or ()
        best = max(range(len(f1)), key=lambda index: (f1[index], -index))
        if snapshot.pins.variant is not None:
            reason = "pinned by the operator"
        elif f1[best] <= f1[option] + MIN_GAIN:
            reason = f"nothing sees more in {mbit(snapshot.link_bps)}"
        elif 2.0 * problem.variants[best].latency_ms[0] > problem.clients[client].budget_ms[best]:
            reason = f"{snapshot.budget_ms:.0f} ms are left for queueing and inference"
            if not snapshot.is_inference_measured:
                reason = "starting small: no frame has been answered yet"
        else:
            others = len(draft.snapshots) - 1
            reason = f"the devices are shared with {others} other session{'s' * (others != 1)}"
        return self._assignment(draft, client, option, reason)

    def _assignment(self, draft: Draft, client: int, option: int, reason: str) -> Assignment:
        snapshot, sent = draft.snapshots[client], draft.sent_long_sides[client][option]
        name = draft.options[option].variant
        useful_bps = self._pictures.useful_bps(name, sent, snapshot)
        gain = 1.0
        if snapshot.pins.long_side is not None:
            reason = f"pinned to {sent} px by the operator; {reason}"
        elif snapshot.sent_long_side:
            now = self._pictures.f1(name, snapshot.sent_long_side, snapshot)
            gain = self._pictures.f1(name, sent, snapshot) - now
        fallbacks = self._fallbacks(draft, client, option, sent)
        return Assignment(name, sent, useful_bps, gain, reason, fallbacks=fallbacks)

    def _f1(self, draft: Draft, client: int, option: int) -> float:
        """What its frames are expected to have with that option."""
        sent, snapshot = draft.sent_long_sides[client][option], draft.snapshots[client]
        return self._pictures.f1(draft.options[option].variant, sent, snapshot)

    def _fallbacks(self, draft: Draft, client: int, planned: int, sent: int) -> tuple[str, ...]:
        """A small input of a slow network may both take longer and see less than a large one of a
        fast network; it is left out."""
        snapshot, problem = draft.snapshots[client], draft.problem
        if len(snapshot.networks) < 2 or snapshot.pins.variant is not None:
            return ()
        others = [
            index for index, long_side in enumerate(draft.sent_long_sides[client]) if long_side
        ]
        f1 = {
            index: self._pictures.f1(draft.options[index].variant, sent, snapshot)
            for index in others
        }
        limit_ms, chosen = problem.variants[planned].latency_ms[0], []
        for index in sorted(others, key=lambda i: (-f1[i], problem.variants[i].latency_ms[0])):
            if problem.variants[index].latency_ms[0] < limit_ms:
                limit_ms = problem.variants[index].latency_ms[0]
                chosen.append(draft.options[index].variant)
        return tuple(chosen)

    def _least_load(self, draft: Draft, client: int) -> float:
        """Devices that its frames keep busy with its fastest option, each frame by itself."""
        typical_ms = self._typical_ms(draft, _fastest(draft, client), 1)
        return draft.snapshots[client].fps * typical_ms / 1000.0

    def _typical_ms(self, draft: Draft, option: int, batch: int) -> float:
        """The median latency on the slowest device; infinite without devices."""
        name, input_size = draft.options[option].variant, draft.options[option].input_size
        times = [profile.typical_ms(name, input_size, batch) for profile in draft.profiles]
        return max(times, default=math.inf)


def _fastest(draft: Draft, client: int) -> int:
    """The option with the least latency of a single frame."""
    sent = draft.sent_long_sides[client]
    return min(
        (index for index in range(len(sent)) if sent[index]),
        key=lambda index: draft.problem.variants[index].latency_ms[0],
    )


def _best_effort_reason(draft: Draft, client: int, option: int) -> str:
    """Why a session is promised nothing, though its frames are tried."""
    snapshot, devices = draft.snapshots[client], len(draft.profiles)
    network = "pinned" if snapshot.pins.variant else "fastest"
    why = f"all {devices} devices are nearly full: nothing is promised"
    needed_ms = 2.0 * draft.problem.variants[option].latency_ms[0]
    if needed_ms > draft.problem.clients[client].budget_ms[option]:
        left_ms = max(0.0, snapshot.budget_ms)
        why = f"{left_ms:.0f} ms are left for inference: too few to promise anything"
    return f"{why}, so each frame is tried with the {network} network"
