"""The sender's encoder, as its frames show it: bitrate, usual frame, debt. Pure: times in ms are
arguments."""

from __future__ import annotations

from collections import deque

from edge.base.sliding_windows import BitrateWindow

_BITRATE_MS, _MAX_FRAMES = 1_000.0, 128
_USUAL_FRAMES, _MIN_FRAMES = 5, 3  # whose median is a usual frame
_MAX_DEBT_MS = 200.0  # of the cap, unless one frame alone is larger
_MAX_REPAYMENT_MS = 2_500.0


class EncoderOutput:
    """Frames that the encoder made, and the bits by which they exceed its cap.

    An encoder that made more than its cap leaves out frames until the excess is made up for: this
    debt is repaid at the rate of the cap (a leaky bucket).
    """

    def __init__(self) -> None:
        self.cap_bps: float | None = None
        """The cap in force; None where none was hinted."""
        self._capped_ms = float("-inf")  # when it was last lowered
        self._debt_bits = 0.0
        self._debt_ms = 0.0  # when that was true
        self.restart()

    def restart(self) -> None:
        """Another source, under the same cap."""
        self._made = BitrateWindow(_BITRATE_MS, _MAX_FRAMES)  # by the RTP clock
        self._sizes: deque[float] = deque(maxlen=_USUAL_FRAMES)
        self.mean_bits = 0.0  # of a frame, under whatever cap
        self._rtp_ms = 0.0  # the frame that is arriving
        self._is_frame_of_old_cap = False

    @property
    def bps(self) -> float:
        """Over the last second of video, by its own clock, however late its packets came."""
        return self._made.newest_bps()

    @property
    def usual_bits(self) -> float | None:
        """Of a usual frame under the cap in force: a median; None for too few frames."""
        if len(self._sizes) < _MIN_FRAMES:
            return None
        return sorted(self._sizes)[len(self._sizes) // 2]

    @property
    def repaid_ms(self) -> float:
        """The time at which the debt will be repaid."""
        repayment_ms = 1000.0 * self._debt_bits / max(self.cap_bps or 0.0, 1.0)
        return self._debt_ms + min(repayment_ms, _MAX_REPAYMENT_MS)

    def set_cap(self, bps: float, now_ms: float) -> None:
        """From now on the encoder makes this much at most."""
        self._owe(0.0, now_ms)
        if self.cap_bps is None or bps < self.cap_bps:
            self._made.clear()
            self._sizes.clear()
            self._capped_ms = now_ms
        self.cap_bps = bps

    def begin_frame(self, rtp_ms: float, sent_ms: float) -> None:
        """A frame's first packet: its time on the RTP clock, and when it was sent at the latest."""
        self._rtp_ms, self._is_frame_of_old_cap = rtp_ms, sent_ms < self._capped_ms

    def end_frame(self, bits: float, now_ms: float) -> None:
        """The frame is complete."""
        self._owe(bits, now_ms)
        self.mean_bits += 0.2 * (bits - self.mean_bits)
        if not self._is_frame_of_old_cap:
            self._made.add(bits, self._rtp_ms)
            self._sizes.append(bits)

    def _owe(self, bits: float, now_ms: float) -> None:
        if self.cap_bps is None:
            return
        repaid_bits = self.cap_bps * max(0.0, now_ms - self._debt_ms) / 1000.0
        debt_bits = max(0.0, self._debt_bits - repaid_bits)
        if bits:
            limit_bits = max(bits, self.cap_bps * _MAX_DEBT_MS / 1000.0)
            debt_bits = min(debt_bits + bits, limit_bits)
        self._debt_bits, self._debt_ms = debt_bits, now_ms
