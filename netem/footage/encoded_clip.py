"""A clip as VP8 in several renditions (sizes and bitrates), encoded once and cached.

Each rendition is encoded as *takes*: take k begins with a key frame at the clip's tick k * step and
runs for `STEPS` steps, continuing from the clip's beginning when it passes the end. So a new size,
a new rate or a request for a key frame takes effect at the next step (`STEP_S`), while an
undisturbed stream has a key frame only every `STEPS` steps. No frame depends on any second one
(two temporal layers), so those can be left out.

The encoder is libvpx in its real-time mode, as in browsers: constant bitrate, no lookahead, key
frames of at most three times a frame's bits.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from edge.assets import samples
from edge.assets.store import cache_dir
from edge.profile.variant import SENT_LONG_SIDES

VERSION = 1  # of what is below: another, and all is encoded anew
BITS = (0.05, 0.1, 0.2, 0.4, 0.8)  # a pixel: from where pictures suffer to where more buy nothing
STEP_S = 0.75  # about: a whole, even number of frames
STEPS = 4  # of a take
SECONDS = 10.0  # of the clip that are used
_MAX_KEYFRAME = 300  # percent of a frame's bits
_BASE_SHARE = 0.6  # of the bits, for the frames that others refer to

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, order=True)
class Rendition:
    """A longest side in pixels, and bits a pixel."""

    long_side: int
    bits: float


@dataclass(frozen=True, slots=True)
class EncodedRendition:
    """One rendition's takes: VP8 frames in order; `bps` is what they come to, on average."""

    rendition: Rendition
    width: int
    height: int
    bps: float
    takes: tuple[tuple[bytes, ...], ...]


class EncodeError(Exception):
    """A video that can't be used; the message says which and why."""


class EncodedClip:
    """A clip's renditions at one frame rate, each encoded or read from the cache at its first use.

    Safe to share between threads: `get` blocks, so call it off the event loop.
    """

    def __init__(
        self,
        video: Path | None = None,
        fps: int = 15,
        *,
        long_sides: Sequence[int] = SENT_LONG_SIDES,
        bits: Sequence[float] = BITS,
        seconds: float = SECONDS,
        progress: Progress = lambda text: None,
    ) -> None:
        self.video = samples.street_video() if video is None else video
        self.fps = fps
        self.step = 2 * max(1, round(STEP_S * fps / 2))
        self.run = STEPS * self.step
        self.seconds = seconds
        self._progress = progress
        self._lock = threading.Lock()
        self._made: dict[Rendition, EncodedRendition] = {}
        self._pictures: tuple[int, list[av.VideoFrame]] = (0, [])  # of the edge made last
        self._folder = cache_dir() / "encodes" / self._key()
        self.width, self.height, self.sources = self._index()
        longest = max(self.width, self.height)
        self.long_sides = sorted(
            long_side for long_side in set(long_sides) if long_side <= longest
        ) or [longest & ~1]
        self.bits = sorted(set(bits))

    @property
    def ticks(self) -> int:
        """Frames in the clip at this rate: a whole number of steps."""
        return len(self.sources)

    def size(self, long_side: int) -> tuple[int, int]:
        """The clip's picture with that longest side; sides are even, as VP8's colours want it."""
        scale = Fraction(long_side, max(self.width, self.height))
        return max(2, 2 * round(self.width * scale / 2)), max(2, 2 * round(self.height * scale / 2))

    def bps(self, rendition: Rendition, fps: float | None = None) -> float:
        """What a rendition is meant to take at `fps` frames a second, at most its own rate."""
        width, height = self.size(rendition.long_side)
        return rendition.bits * width * height * min(self.fps, fps or self.fps)

    def rendition(self, max_edge: float, max_bps: float, fps: float | None = None) -> Rendition:
        """The largest edge, then the most bits, at or below; the least where nothing is."""
        long_side = max(
            (each for each in self.long_sides if each <= max_edge), default=self.long_sides[0]
        )
        within = [
            bits for bits in self.bits if self.bps(Rendition(long_side, bits), fps) <= max_bps
        ]
        return Rendition(long_side, within[-1] if within else self.bits[0])

    @property
    def renditions(self) -> list[Rendition]:
        return [Rendition(long_side, bits) for long_side in self.long_sides for bits in self.bits]

    def prepare(self) -> None:
        """Make every rendition that the cache lacks, and say how far it is."""
        renditions = self.renditions
        for number, rendition in enumerate(renditions, 1):
            if not self._path(rendition).is_file():
                self._progress(
                    f"encoding {self.video.name} at {rendition.long_side} px,"
                    f" {rendition.bits:g} bits a pixel ({number} of {len(renditions)}) ..."
                )
                self.get(rendition)
        self._pictures = (0, [])

    def ready(self, rendition: Rendition) -> EncodedRendition | None:
        """The rendition, if it needs no making or reading."""
        return self._made.get(rendition)

    def get(self, rendition: Rendition) -> EncodedRendition:
        """The rendition's encode: at once, from the cache, or made now."""
        with self._lock:
            if rendition not in self._made:
                path = self._path(rendition)
                self._made[rendition] = (
                    _read(path, rendition) if path.is_file() else self._make(rendition)
                )
            return self._made[rendition]

    def _key(self) -> str:
        try:
            facts = self.video.stat()
        except OSError as error:
            raise EncodeError(f"{self.video}: {error.strerror}") from error
        parts = (VERSION, self.video.resolve(), facts.st_size, facts.st_mtime_ns, self.fps)
        text = ":".join(map(str, (*parts, self.seconds)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _path(self, rendition: Rendition) -> Path:
        return self._folder / f"{rendition.long_side}-{rendition.bits:g}.vp8"

    def _index(self) -> tuple[int, int, tuple[int, ...]]:
        """(width, height, the source frame on show at each tick)."""
        path = self._folder / "index.json"
        if not path.is_file():
            sources = []
            width = height = 0
            for source, frame in on_show(self.video, self.fps, self.seconds):
                sources.append(source)
                width, height = frame.width, frame.height
            whole = len(sources) // self.step * self.step
            if not whole:
                raise EncodeError(f"{self.video}: shorter than {self.step / self.fps:g} s")
            index = {"width": width, "height": height, "sources": sources[:whole]}
            _write(path, json.dumps(index).encode())
        index = json.loads(path.read_text())
        return index["width"], index["height"], tuple(index["sources"])

    def _scaled(self, long_side: int) -> list[av.VideoFrame]:
        if self._pictures[0] != long_side:
            width, height = self.size(long_side)
            shown = zip(
                on_show(self.video, self.fps, self.seconds), range(self.ticks), strict=False
            )
            self._pictures = (
                long_side,
                [frame.reformat(width, height, format="yuv420p") for (_, frame), _ in shown],
            )
        return self._pictures[1]

    def _make(self, rendition: Rendition) -> EncodedRendition:
        pictures = self._scaled(rendition.long_side)
        takes = []
        for begin in range(0, self.ticks, self.step):
            order = [
                pictures[index % self.ticks] for index in range(begin - self.step, begin + self.run)
            ]
            takes.append(_take(order, self.step, self.fps, self.bps(rendition)))
        encode = _encode(rendition, self.size(rendition.long_side), takes, self.fps)
        head = {"width": encode.width, "height": encode.height, "fps": self.fps}
        sizes = [[len(frame) for frame in take] for take in takes]
        line = json.dumps({**head, "sizes": sizes}).encode()
        _write(
            self._path(rendition), b"\n".join((line, b"".join(b"".join(take) for take in takes)))
        )
        return encode


def on_show(video: Path, fps: int, seconds: float) -> Iterator[tuple[int, av.VideoFrame]]:
    """At each tick, the last source frame (counted from 0) that has begun by then. Raises
    EncodeError for what is no video."""
    tick, limit = 0, round(seconds * fps)
    held: tuple[int, av.VideoFrame] | None = None
    try:
        with av.open(str(video)) as container:
            begin: float | None = None
            for source, frame in enumerate(container.decode(video=0)):
                begin = frame.time if begin is None else begin
                while held is not None and tick / fps < frame.time - begin - 1e-6:
                    if tick >= limit:
                        return
                    yield held
                    tick += 1
                held = (source, frame)
    except (av.FFmpegError, IndexError) as error:
        raise EncodeError(f"{video}: no video that can be read: {error}") from error
    if held is not None and tick < limit:
        yield held


def _encode(
    rendition: Rendition, size: tuple[int, int], takes: Sequence[Sequence[bytes]], fps: int
) -> EncodedRendition:
    frames = sum(map(len, takes))
    total = sum(len(frame) for take in takes for frame in take)
    bps = 8.0 * total * fps / frames
    return EncodedRendition(rendition, *size, bps=bps, takes=tuple(map(tuple, takes)))


def _take(pictures: Sequence[av.VideoFrame], warm: int, fps: int, bps: float) -> tuple[bytes, ...]:
    """Frames from a key frame on, every second one referred to by none.

    The first `warm` pictures (an even number) only let the encoder find its rate: a fresh one
    needs half a second to spend the bits that it may.
    """
    context = av.CodecContext.create("libvpx", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = pictures[0].width, pictures[0].height
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = Fraction(1, fps), Fraction(fps)
    context.bit_rate = round(bps)
    context.gop_size = 10 * len(pictures)
    context.thread_count = 1
    kbps = max(2, round(bps / 1000))
    context.options = {
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "minrate": str(round(bps)),
        "maxrate": str(round(bps)),
        "bufsize": str(round(bps)),
        "qmin": "2",
        "qmax": "56",
        "max-intra-rate": str(_MAX_KEYFRAME),
        "error-resilient": "default",
        "ts-parameters": f"ts_number_layers=2:ts_target_bitrate={max(1, round(_BASE_SHARE * kbps))}"
        f",{kbps}:ts_rate_decimator=2,1:ts_periodicity=2:ts_layer_id=0,1:ts_layering_mode=2",
    }
    packets = []
    for index, picture in enumerate(pictures):
        picture.pts, picture.time_base = index, Fraction(1, fps)
        picture.pict_type = PictureType.I if index == warm else PictureType.NONE
        packets += context.encode(picture)
    packets += context.encode(None)
    frames = tuple(bytes(packet) for packet in packets)
    assert len(frames) == len(pictures), "libvpx left frames out"
    return frames[warm:]


def _read(path: Path, rendition: Rendition) -> EncodedRendition:
    data = path.read_bytes()
    at = data.index(b"\n") + 1
    head = json.loads(data[:at])
    takes = []
    for sizes in head["sizes"]:
        take = []
        for size in sizes:
            take.append(data[at : at + size])
            at += size
        takes.append(take)
    return _encode(rendition, (head["width"], head["height"]), takes, head["fps"])


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.part")  # another process may write the same
    partial.write_bytes(data)
    partial.replace(path)
