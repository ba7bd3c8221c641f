"""What a frame may be served with, and what each choice takes on every device."""

import math
from collections import OrderedDict
from collections.abc import Sequence

from edge.profile.latency import LatencyProfile, Size
from edge.profile.variant import Variant

MAX_MENUS = 1024  # kept for (variants, picture size) pairs; the one unused for longest leaves


class Option:
    """One variant at one input size: the unit of batching."""

    __slots__ = (
        "alone_ms",
        "cost_ms",
        "fastest_ms",
        "input_size",
        "rows",
        "singles",
        "stamp",
        "typical_ms",
        "variant",
    )

    def __init__(self, variant: str, input_size: Size) -> None:
        self.variant = variant
        self.input_size = input_size
        self.rows: list[list[float]] = []
        """Conservative latency for each device and batch size, ms."""
        self.singles: list[float] = []
        """The same of a single frame, for each device."""
        self.fastest_ms = math.inf
        """A single frame on the fastest live device."""
        self.typical_ms = math.inf
        """The same as it usually is."""
        self.alone_ms = math.inf
        """Time that a frame takes of all live devices together, each frame served by itself."""
        self.cost_ms = math.inf
        """The same with frames in the batches that pay best: what rationing goes by."""
        self.stamp = -1


class LatencyOptions:
    """The options of a frame, best first."""

    __slots__ = ("cheapest", "fastest_ms", "options", "stamp", "typical_ms")

    def __init__(self, options: tuple[Option, ...]) -> None:
        self.options = options
        self.fastest_ms = self.typical_ms = math.inf
        self.cheapest = options[0]
        self.stamp = -1

    def pick(self, cap_ms: float) -> Option:
        """The best option that costs at most `cap_ms` a frame, or else the cheapest."""
        for option in self.options:
            if option.cost_ms <= cap_ms and option.fastest_ms < math.inf:
                return option
        return self.cheapest


class LatencyOptionsCache:
    """All menus in use, kept in step with the profiles and with which devices live."""

    def __init__(self, profiles: Sequence[LatencyProfile], max_batch: int) -> None:
        self.profiles = list(profiles)
        self.live = [True] * len(self.profiles)
        self.max_batch = max_batch
        self.batch_limit_ms = math.inf
        """No batch longer than this counts as paying: twice it must fit a usual frame's budget."""
        self.stamp = 0
        self._turn = 0
        self._versions: list[int] = []
        self._menus: OrderedDict[tuple[tuple[str, ...], Size], LatencyOptions | None] = (
            OrderedDict()
        )
        self._options: dict[tuple[str, Size], Option] = {}

    def touch(self) -> None:
        """Everything worked out so far is stale: a device came, went or got another profile."""
        self.stamp += 1

    def replace(self, device: int, profile: LatencyProfile) -> None:
        """The device has another profile from now on."""
        self.profiles[device] = profile
        self._menus.clear()  # what no device knew may be known now
        self.touch()

    def settle(self, now_ms: float) -> None:
        """Lets the next profile in turn see time pass, and looks whether any changed."""
        self._turn = (self._turn + 1) % len(self.profiles)
        self.profiles[self._turn].settle(now_ms)
        self.check()

    def check(self) -> None:
        """Looks whether a profile changed."""
        versions = [profile.refresh() for profile in self.profiles]
        if versions != self._versions:
            self._versions = versions
            self.touch()

    def of(self, variants: tuple[str, ...], size: Size) -> LatencyOptions | None:
        """The menu of a frame of this picture size (pixels); None if no device knows a variant."""
        key = (variants, size)
        if key in self._menus:
            self._menus.move_to_end(key)
            menu = self._menus[key]
        else:
            menu = self._menus[key] = self._build(variants, size)
            if len(self._menus) > MAX_MENUS:
                self._menus.popitem(last=False)
        if menu is not None:
            self.sync(menu)
        return menu

    def sync(self, menu: LatencyOptions) -> None:
        """Brings a menu up to date; cheap when it is."""
        if menu.stamp == self.stamp:
            return
        menu.stamp = self.stamp
        for option in menu.options:
            if option.stamp != self.stamp:
                self._sync_option(option)
        menu.fastest_ms = min(o.fastest_ms for o in menu.options)
        menu.typical_ms = min(o.typical_ms for o in menu.options)
        menu.cheapest = min(menu.options, key=lambda o: o.cost_ms)

    def _build(self, variants: tuple[str, ...], size: Size) -> LatencyOptions | None:
        options = []
        for name in variants:
            try:
                input_size = Variant.parse(name).input_size(*size)
            except ValueError:
                continue
            if all(math.isinf(p.latency_ms(name, input_size, 1)) for p in self.profiles):
                continue
            if len(self._options) > 4 * MAX_MENUS:
                self._options.clear()  # menus in use keep theirs; new ones make new options
            option = self._options.get((name, input_size))
            if option is None:
                option = self._options[name, input_size] = Option(name, input_size)
            options.append(option)
        return LatencyOptions(tuple(options)) if options else None

    def _sync_option(self, option: Option) -> None:
        option.stamp = self.stamp
        option.rows, option.singles = [], []
        option.fastest_ms = option.typical_ms = math.inf
        alone = cost = 0.0
        for profile, live in zip(self.profiles, self.live, strict=True):
            row = profile.latency_row(option.variant, option.input_size)[: self.max_batch]
            option.rows.append(row)
            option.singles.append(row[0])
            if not live:
                continue
            typical = profile.typical_row(option.variant, option.input_size)
            best = typical[0]
            for index in range(1, len(row)):
                if row[index] > self.batch_limit_ms:
                    break
                best = min(best, typical[index] / (index + 1))
            option.fastest_ms = min(option.fastest_ms, row[0])
            option.typical_ms = min(option.typical_ms, typical[0])
            alone += 1.0 / typical[0]
            cost += 1.0 / best
        option.alone_ms = 1.0 / alone if alone > 0.0 else math.inf
        option.cost_ms = 1.0 / cost if cost > 0.0 else math.inf
