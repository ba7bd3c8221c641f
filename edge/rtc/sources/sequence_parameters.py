"""The size of the pictures that an H264 sequence parameter set (SPS) is for (ITU-T H.264, 7.3.2.1).

Pure; what is cut short, or out of all bounds, has no size.
"""

from __future__ import annotations

_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_MAX_BYTES = 512  # of a set that is read; usual ones have 10 to 40
_MAX_SIDE = 16_384  # pixels
_MAX_CYCLE = 255  # num_ref_frames_in_pic_order_cnt_cycle
_YUV420, _YUV444 = 1, 3  # chroma_format_idc


class _CutShortError(ValueError):
    pass


class _Bits:
    """A unit's bits, read one syntax element after the other."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise _CutShortError
        self._left -= count
        return self._bits >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """An unsigned Exp-Golomb number (9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise _CutShortError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        value = self.number()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def picture_size(unit: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, after cropping; None for an unreadable set."""
    body = unit[1:_MAX_BYTES].replace(b"\x00\x00\x03", b"\x00\x00")  # emulation prevention
    try:
        return _read(_Bits(body))
    except _CutShortError:
        return None


def _read(bits: _Bits) -> tuple[int, int] | None:
    profile = bits.take(8)
    bits.take(16)  # constraints and level
    bits.number()  # seq_parameter_set_id
    chroma = _YUV420
    if profile in _WITH_CHROMA:
        chroma = bits.number()
        separate = bits.take(1) if chroma == _YUV444 else 0
        bits.number(), bits.number()  # bit depths
        bits.take(1)
        if bits.take(1):
            _skip_scaling_lists(bits, 12 if chroma == _YUV444 else 8)
        chroma = 0 if separate else chroma
    bits.number()  # log2_max_frame_num_minus4
    order = bits.number()  # pic_order_cnt_type
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take(1)
        bits.signed(), bits.signed()
        for _ in range(min(_MAX_CYCLE, bits.number())):
            bits.signed()
    bits.number()  # max_num_ref_frames
    bits.take(1)
    columns, rows = bits.number() + 1, bits.number() + 1  # in macroblocks
    fields = 1 - bits.take(1)
    if fields:
        bits.take(1)
    bits.take(1)
    width, height = 16 * columns, 16 * rows * (1 + fields)
    if bits.take(1):
        across = 2 if chroma in (1, 2) else 1
        down = (2 if chroma == 1 else 1) * (1 + fields)
        width -= across * (bits.number() + bits.number())
        height -= down * (bits.number() + bits.number())
    return (width, height) if 0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE else None


def _skip_scaling_lists(bits: _Bits, count: int) -> None:
    for index in range(count):
        if not bits.take(1):
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last
