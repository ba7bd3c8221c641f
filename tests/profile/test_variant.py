"""Names and input sizes of variants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.profile.variant import LONG_SIDES, NETWORKS, Variant


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1280, 720), (416, 256)),
        ((720, 1280), (256, 416)),
        ((640, 272), (416, 192)),
        ((1080, 1080), (416, 416)),
        ((16, 16), (416, 416)),
        ((4000, 3), (416, 32)),
    ],
)
def test_the_input_keeps_the_pictures_shape(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert Variant("yolov4-tiny", 416).input_size(*size) == expected


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from(LONG_SIDES))
def test_input_sides_are_strides_and_hold_the_picture(
    width: int, height: int, long_side: int
) -> None:
    variant = Variant("yolov4", long_side)
    input_width, input_height = variant.input_size(width, height)
    fitted = variant.fit(width, height)
    assert max(input_width, input_height) == long_side == max(fitted)
    assert input_width % 32 == input_height % 32 == 0
    assert fitted[0] <= input_width < fitted[0] + 32
    assert fitted[1] <= input_height < fitted[1] + 32


@given(st.sampled_from(NETWORKS), st.sampled_from(LONG_SIDES))
def test_names_are_read_back(network: str, long_side: int) -> None:
    variant = Variant(network, long_side)
    assert Variant.parse(variant.name) == variant


@pytest.mark.parametrize(
    "name", ["", "yolov4", "yolov4-tiny-415", "-416", "a--416", "a b-416", "a-1312"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="variant name|network|side"):
        Variant.parse(name)
