"""A clip as VP8 in several renditions (sizes and bitrates), encoded once and cached.

Each rendition is encoded as *takes*: take k begins with a key frame at the clip's tick k * step and
runs for `STEPS` steps, continuing from the clip's beginning when it passes the end. So a new size,
a new rate or a request for a key frame takes effect at the next step (`STEP_S`), while an
undisturbed stream has a key frame only every `STEPS` steps. Every second frame is one that no other
depends on (two temporal layers), so it can be left out.

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
from edge.base.directories import cache_dir
from edge.profile.variant import SENT_LONG_SIDES

VERSION = 1  # of the encoder's settings below: another invalidates the cache
BITS = (0.05, 0.1, 0.2, 0.4, 0.8)  # a pixel: from visible damage to no further gain
STEP_S = 0.75  # rounded to an even number of frames
STEPS = 4  # of a take
SECONDS = 10.0  # of the clip
_MAX_KEYFRAME = 300  # percent of a frame's bits
_BASE_SHARE = 0.6  # of the bits: for the base layer

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, order=True)
class Rendition:
    """A size and a quality: long side in pixels, bits a pixel."""

    long_side: int
    bits: float


@dataclass(frozen=True, slots=True)
class EncodedRendition:
    """A rendition's takes: VP8 frames in order; `bps` is their mean bitrate."""

    rendition: Rendition
    width: int
    height: int
    bps: float
    takes: tuple[tuple[bytes, ...], ...]


class EncodeError(Exception):
    """A video that cannot be used; the message names it and the reason."""


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
        self._pictures: tuple[int, list[av.VideoFrame]] = (0, [])  # of the long side encoded last
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
        """(width, height) at that long side; even, because VP8 subsamples chroma."""
        scale = Fraction(long_side, max(self.width, self.height))
        return max(2, 2 * round(self.width * scale / 2)), max(2, 2 * round(self.height * scale / 2))

    def bps(self, rendition: Rendition, fps: float | None = None) -> float:
        """A rendition's nominal bitrate at `fps` frames a second, at most the clip's rate."""
        width, height = self.size(rendition.long_side)
        return rendition.bits * width * height * min(self.fps, fps or self.fps)

    def rendition(self, max_edge: float, max_bps: float, fps: float | None = None) -> Rendition:
        """The largest long side, then the most bits, at or below the limits; else the smallest."""
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
        """Encode every rendition that the cache lacks, with progress."""
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
        """The encoded rendition, if it is in memory."""
        return self._made.get(rendition)

    def get(self, rendition: Rendition) -> EncodedRendition:
        """The encoded rendition: from memory, from the cache, or encoded now."""
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
        """(width, height, the source frame shown at each tick)."""
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
    """(number, frame) of the source frame shown at each tick: the last that has begun by then.

    Raises EncodeError if the file is not a video.
    """
    tick, limit = 0, round(seconds * fps)
    shown: tuple[int, av.VideoFrame] | None = None
    try:
        with av.open(str(video)) as container:
            begin: float | None = None
            for source, frame in enumerate(container.decode(video=0)):
                begin = frame.time if begin is None else begin
                while shown is not None and tick / fps < frame.time - begin - 1e-6:
                    if tick >= limit:
                        return
                    yield shown
                    tick += 1
                shown = (source, frame)
    except (av.FFmpegError, IndexError) as error:
        raise EncodeError(f"{video}: not a readable video: {error}") from error
    if shown is not None and tick < limit:
        yield shown


def _encode(
    rendition: Rendition, size: tuple[int, int], takes: Sequence[Sequence[bytes]], fps: int
) -> EncodedRendition:
    frames = sum(map(len, takes))
    total = sum(len(frame) for take in takes for frame in take)
    bps = 8.0 * total * fps / frames
    return EncodedRendition(rendition, *size, bps=bps, takes=tuple(map(tuple, takes)))


def _take(pictures: Sequence[av.VideoFrame], warm: int, fps: int, bps: float) -> tuple[bytes, ...]:
    """Frames from a key frame on; no other frame depends on every second one.

    The first `warm` pictures (an even number) only let the rate control settle: a new encoder
    needs half a second to reach its bitrate.
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
