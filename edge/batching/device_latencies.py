"""The latencies of every option on every device, kept in step with the devices' profiles."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from edge.batching.latency_options import LatencyOption, LatencyOptions
from edge.batching.request import Size
from edge.profile.latency import LatencyProfile
from edge.profile.variant import Variant

MAX_CACHED = 1024  # pairs of (variants, picture size); the least recently used leaves


class DeviceLatencies:
    """The devices' profiles, which devices are live, and the options worked out from both.

    Options are computed when they are asked for and cached. `version` changes whenever a profile
    or a device does; options of an older version are computed again by `refresh`.
    """

    def __init__(self, profiles: Sequence[LatencyProfile], max_batch: int) -> None:
        self.profiles = list(profiles)
        self.live = [True] * len(self.profiles)
        self.max_batch = max_batch
        self.version = 0
        self._batch_limit_ms = math.inf
        self._next_to_advance = 0
        self._profile_versions: list[int] = []
        self._networks: list[tuple[str, ...]] = []
        self._cache: OrderedDict[tuple[tuple[str, ...], Size], LatencyOptions | None] = (
            OrderedDict()
        )
        self._options: dict[tuple[str, Size], LatencyOption] = {}

    @property
    def any_live(self) -> bool:
        """Whether any device can take batches."""
        return any(self.live)

    @property
    def batch_limit_ms(self) -> float:
        """Longer batches do not lower an option's cost: twice this must fit a usual budget."""
        return self._batch_limit_ms

    @batch_limit_ms.setter
    def batch_limit_ms(self, limit_ms: float) -> None:
        self._batch_limit_ms = limit_ms
        self.version += 1

    def set_live(self, device: int, live: bool) -> None:
        """The device can take batches from now on, or no longer."""
        if self.live[device] != live:
            self.live[device] = live
            self.version += 1

    def replace(self, device: int, profile: LatencyProfile) -> None:
        """The device has another profile from now on."""
        self.profiles[device] = profile
        self._cache.clear()  # the new profile may hold variants that no device had before
        self.version += 1

    def advance(self, now_ms: float) -> None:
        """Advances the time of one profile, each in turn, and checks all for changes."""
        self._next_to_advance = (self._next_to_advance + 1) % len(self.profiles)
        self.profiles[self._next_to_advance].advance(now_ms)
        self.check()

    def check(self) -> None:
        """Starts a new version if a profile has changed."""
        versions = [profile.refresh() for profile in self.profiles]
        if versions != self._profile_versions:
            self._profile_versions = versions
            self.version += 1
            networks = [profile.networks for profile in self.profiles]
            if networks != self._networks:  # one has been loaded that no device had before
                self._networks = networks
                self._cache.clear()

    def options(self, variants: tuple[str, ...], size: Size) -> LatencyOptions | None:
        """The options of a frame of this picture size (width, height in pixels), up to date.

        None if no device has a profile of any of the variants.
        """
        key = (variants, size)
        if key in self._cache:
            self._cache.move_to_end(key)
            options = self._cache[key]
        else:
            options = self._cache[key] = self._build(variants, size)
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        if options is not None:
            self.refresh(options)
        return options

    def refresh(self, options: LatencyOptions) -> None:
        """Computes the options again if they are of an older version."""
        if options.version == self.version:
            return
        options.version = self.version
        for option in options.options:
            if option.version != self.version:
                self._compute(option)
        options.fastest_ms = min(o.fastest_ms for o in options.options)
        options.typical_ms = min(o.typical_ms for o in options.options)
        options.cheapest = min(options.options, key=lambda o: o.cost_ms)

    def _build(self, variants: tuple[str, ...], size: Size) -> LatencyOptions | None:
        options = []
        for name in variants:
            try:
                input_size = Variant.parse(name).input_size(*size)
            except ValueError:
                continue
            if all(math.isinf(p.latency_ms(name, input_size, 1)) for p in self.profiles):
                continue
            if len(self._options) > 4 * MAX_CACHED:
                self._options.clear()  # those in use live on in their LatencyOptions
            option = self._options.get((name, input_size))
            if option is None:
                option = self._options[name, input_size] = LatencyOption(name, input_size)
            options.append(option)
        return LatencyOptions(tuple(options)) if options else None

    def _compute(self, option: LatencyOption) -> None:
        option.version = self.version
        option.batch_ms, option.single_ms = [], []
        option.fastest_ms = option.typical_ms = math.inf
        alone_rate = batched_rate = 0.0  # frames a millisecond of all live devices
        for profile, live in zip(self.profiles, self.live, strict=True):
            p99 = profile.latency_row(option.variant, option.input_size)[: self.max_batch]
            option.batch_ms.append(p99)
            option.single_ms.append(p99[0])
            if not live:
                continue
            p50 = profile.typical_row(option.variant, option.input_size)
            best_ms = p50[0]
            for index in range(1, len(p99)):
                if p99[index] > self._batch_limit_ms:
                    break
                best_ms = min(best_ms, p50[index] / (index + 1))
            option.fastest_ms = min(option.fastest_ms, p99[0])
            option.typical_ms = min(option.typical_ms, p50[0])
            alone_rate += 1.0 / p50[0]
            batched_rate += 1.0 / best_ms
        option.alone_ms = 1.0 / alone_rate if alone_rate > 0.0 else math.inf
        option.cost_ms = 1.0 / batched_rate if batched_rate > 0.0 else math.inf
