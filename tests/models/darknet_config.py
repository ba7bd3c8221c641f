"""Darknet's descriptions of networks, as .cfg files: OpenCV builds its own from them, too."""

ANCHORS = "12,16, 19,36, 40,28, 36,75, 76,55, 72,146, 142,110, 192,243, 459,401"


TINY_ANCHORS = "10,14, 23,27, 37,58, 81,82, 135,169, 344,319"


class Description:
    def __init__(self, long_side: int) -> None:
        self.text = ""
        self.layers = -1  # the first section describes the net as a whole
        self.section("net", width=long_side, height=long_side, channels=3)

    def section(self, kind: str, **values: object) -> int:
        lines = [f"[{kind}]", *(f"{key}={value}" for key, value in values.items())]
        self.text += "\n".join(lines) + "\n\n"
        self.layers += 1
        return self.layers - 1  # its number

    def convolution(self, filters: int, size: int, activation: str, stride: int = 1) -> int:
        values = {"filters": filters, "size": size, "stride": stride, "pad": 1}
        return self.section("convolutional", batch_normalize=1, **values, activation=activation)

    def route(self, *layers: int) -> int:
        return self.section("route", layers=",".join(str(layer) for layer in layers))

    def stage(self, outputs: int, residuals: int) -> int:
        first = outputs == 64
        width = outputs if first else outputs // 2
        down = self.convolution(outputs, 3, "mish", stride=2)
        bypass = self.convolution(width, 1, "mish")
        self.route(down)
        self.convolution(width, 1, "mish")
        for _ in range(residuals):
            self.convolution(width // 2 if first else width, 1, "mish")
            self.convolution(width, 3, "mish")
            self.section("shortcut", **{"from": -3}, activation="linear")
        end = self.convolution(width, 1, "mish")
        self.route(end, bypass)
        return self.convolution(outputs, 1, "mish")

    def alternating(self, channels: int, count: int) -> int:
        last = -1
        for index in range(count):
            filters, size = (channels, 1) if index % 2 == 0 else (2 * channels, 3)
            last = self.convolution(filters, size, "leaky")
        return last

    def head(self, channels: int, mask: str, scale_xy: float) -> None:
        self.convolution(2 * channels, 3, "leaky")
        values = {"filters": 255, "size": 1, "stride": 1, "pad": 1}
        self.section("convolutional", **values, activation="linear")
        self.section("yolo", mask=mask, anchors=ANCHORS, classes=80, num=9, scale_x_y=scale_xy)


def yolov4(long_side: int) -> str:
    """The .cfg file of YOLOv4 for a square input."""
    net = Description(long_side)
    net.convolution(32, 3, "mish")
    net.stage(64, 1)
    net.stage(128, 2)
    stride8 = net.stage(256, 8)
    stride16 = net.stage(512, 8)
    net.stage(1024, 4)
    before = net.alternating(512, 3)
    pools = []
    for size in (5, 9, 13):
        pools.append(net.section("maxpool", stride=1, size=size))
        if size < 13:
            net.route(before)
    net.route(*reversed(pools), before)
    top = net.alternating(512, 3)
    middle = _up(net, 256, stride16)
    fine = _up(net, 128, stride8)
    net.head(128, "0,1,2", 1.2)
    net.route(fine)
    middle = _down(net, 256, middle)
    net.head(256, "3,4,5", 1.1)
    net.route(middle)
    _down(net, 512, top)
    net.head(512, "6,7,8", 1.05)
    return net.text


def _up(net: Description, channels: int, lateral: int) -> int:
    net.convolution(channels, 1, "leaky")
    upsampled = net.section("upsample", stride=2)
    net.route(lateral)
    joined = net.convolution(channels, 1, "leaky")
    net.route(joined, upsampled)
    return net.alternating(channels, 5)


def _down(net: Description, channels: int, lateral: int) -> int:
    down = net.convolution(channels, 3, "leaky", stride=2)
    net.route(down, lateral)
    return net.alternating(channels, 5)


def yolov4_tiny(classes: int = 80, long_side: int = 416) -> str:
    """The .cfg file of YOLOv4-tiny."""
    net = Description(long_side)
    net.convolution(32, 3, "leaky", stride=2)
    net.convolution(64, 3, "leaky", stride=2)
    merged = -1
    for channels in (64, 128, 256):
        entry = net.convolution(channels, 3, "leaky")
        net.section("route", layers=-1, groups=2, group_id=1)
        first = net.convolution(channels // 2, 3, "leaky")
        second = net.convolution(channels // 2, 3, "leaky")
        net.route(second, first)
        merged = net.convolution(channels, 1, "leaky")
        net.route(entry, merged)
        net.section("maxpool", size=2, stride=2)
    net.convolution(512, 3, "leaky")
    neck = net.convolution(256, 1, "leaky")
    net.convolution(512, 3, "leaky")
    _tiny_head(net, "3,4,5", classes)
    net.route(neck)
    net.convolution(128, 1, "leaky")
    upsampled = net.section("upsample", stride=2)
    net.route(upsampled, merged)
    net.convolution(256, 3, "leaky")
    _tiny_head(net, "1,2,3", classes)
    return net.text


def _tiny_head(net: Description, mask: str, classes: int) -> None:
    filters = 3 * (5 + classes)
    net.section("convolutional", filters=filters, size=1, stride=1, pad=1, activation="linear")
    net.section("yolo", mask=mask, anchors=TINY_ANCHORS, classes=classes, num=6, scale_x_y=1.05)


def small(*, new_coords: bool = False, classes: int = 3) -> str:
    """A small network with the layers of YOLOv3, -csp and -x that the others lack."""
    net = Description(64)
    net.convolution(8, 3, "swish", stride=2)
    net.convolution(16, 3, "mish", stride=2)
    split = net.convolution(16, 3, "leaky", stride=2)
    grouped = {"filters": 16, "size": 3, "pad": 1, "groups": 4}
    net.section("convolutional", batch_normalize=1, **grouped, activation="logistic")
    net.convolution(16, 1, "relu")
    net.section("shortcut", **{"from": -3}, activation="leaky")
    fine = net.layers - 1
    net.section("maxpool", size=2, stride=1)
    net.convolution(32, 3, "swish", stride=2)
    net.section("maxpool", size=3, stride=1)
    net.section("dropout", probability=0.5)
    deep = net.convolution(32, 3, "swish", stride=2)
    _small_head(net, "2,3", classes, new_coords)
    net.route(deep)
    up = net.section("upsample", stride=4)
    net.route(up, split, fine)
    net.convolution(24, 1, "mish")
    _small_head(net, "0", classes, new_coords)
    return net.text


def _small_head(net: Description, mask: str, classes: int, new_coords: bool) -> None:
    net.section(
        "convolutional",
        filters=(mask.count(",") + 1) * (5 + classes),
        size=1,
        stride=1,
        pad=1,
        activation="logistic" if new_coords else "linear",
    )
    net.section(
        "yolo",
        mask=mask,
        anchors="8,9, 12.5,16, 20,18, 40,33",
        classes=classes,
        num=4,
        scale_x_y=2.0 if new_coords else 1.1,
        new_coords=int(new_coords),
    )
