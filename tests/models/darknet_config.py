"""Darknet's description of YOLOv4, for OpenCV to build its own from: an independent reading."""

ANCHORS = "12,16, 19,36, 40,28, 36,75, 76,55, 72,146, 142,110, 192,243, 459,401"


class _Description:
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
    net = _Description(long_side)
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


def _up(net: _Description, channels: int, lateral: int) -> int:
    net.convolution(channels, 1, "leaky")
    upsampled = net.section("upsample", stride=2)
    net.route(lateral)
    joined = net.convolution(channels, 1, "leaky")
    net.route(joined, upsampled)
    return net.alternating(channels, 5)


def _down(net: _Description, channels: int, lateral: int) -> int:
    down = net.convolution(channels, 3, "leaky", stride=2)
    net.route(down, lateral)
    return net.alternating(channels, 5)
