"""GStreamer's webrtcbin as a WHIP publisher; run by the system's Python, which has its bindings.

    /usr/bin/python3 gstreamer_publisher.py URL [--codec vp8|h264|vp9] [--profile P] [--pt N]
        [--audio [--audio-first]] [--bundle max-bundle|max-compat|none] [--frames N]

Publishes a test picture, waits until it has been sent, and ends. Writes the number of frames that
left the encoder, in RTP packets, as JSON to standard output; what GStreamer reports, to standard
error.
"""

import argparse
import contextlib
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

ENCODERS = {
    "vp8": "vp8enc deadline=1 target-bitrate=400000 keyframe-max-dist=2000"
    " ! rtpvp8pay name=pay pt={pt}",
    "vp9": "vp9enc deadline=1 lag-in-frames=0 target-bitrate=400000 keyframe-max-dist=2000"
    " ! rtpvp9pay name=pay pt={pt}",
    "h264": "x264enc tune=zerolatency speed-preset=superfast bitrate=400 key-int-max=2000"
    " ! video/x-h264,profile={profile} ! rtph264pay name=pay pt={pt} aggregate-mode=zero-latency"
    " config-interval=-1",
}


QUIET_S = 1.5  # without a packet, after the last frame: the encoder is done, the queues are empty


class Publisher:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.loop = GLib.MainLoop()
        self.given = 0  # frames, to the encoder
        self.sent: set[int] = (
            set()
        )  # timestamps in packets: an encoder that is behind leaves some out
        self.packet_s = 0.0
        self.offered = self.connected = False
        self.failure = ""
        self.location = ""
        encoder = ENCODERS[options.codec].format(profile=options.profile, pt=options.pt)
        audio = " audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=97 ! send. " * options.audio
        self.pipeline = Gst.parse_launch(
            f"webrtcbin name=send bundle-policy={options.bundle}"
            f"{audio if options.audio_first else ''}"
            f" videotestsrc name=source is-live=true pattern=ball"
            f" ! video/x-raw,format=I420,width=320,height=192,framerate={options.fps}/1"
            f" ! {encoder} ! send. {'' if options.audio_first else audio}"
        )
        self.webrtc = self.pipeline.get_by_name("send")
        self.webrtc.connect("on-negotiation-needed", self._negotiate)
        self.webrtc.connect("notify::ice-gathering-state", self._gathered)
        self.webrtc.connect("notify::connection-state", self._state_changed)
        # webrtcbin keeps the first frame, whose format the offer needs, until it is connected; more
        # of them would leave in one burst.
        source = self.pipeline.get_by_name("source").get_static_pad("src")
        source.add_probe(Gst.PadProbeType.BUFFER, self._count)
        packets = self.pipeline.get_by_name("pay").get_static_pad("src")
        kinds = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
        packets.add_probe(kinds, self._packet)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._failed)

    def _negotiate(self, webrtc: object) -> None:
        """Once: a WHIP publisher's sections stay as they were answered."""
        if self.offered:
            return
        self.offered = True
        promise = Gst.Promise.new_with_change_func(self._offered)
        self.webrtc.emit("create-offer", None, promise)

    def _offered(self, promise: Any) -> None:
        promise.wait()
        reply = promise.get_reply()  # owns the offer
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())

    def _gathered(self, *_: object) -> None:
        state = self.webrtc.get_property("ice-gathering-state")
        if state == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self._publish)

    def _publish(self) -> bool:
        offer = self.webrtc.get_property("local-description").sdp.as_text()
        if self.options.offer:
            Path(self.options.offer).write_text(offer)
        request = urllib.request.Request(
            self.options.url, offer.encode(), {"Content-Type": "application/sdp"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer = response.read().decode()
                location = response.headers["Location"]
        except urllib.error.HTTPError as refused:
            return self._end(f"{refused.code} {refused.read().decode()}")
        self.location = urllib.parse.urljoin(self.options.url, location)
        if self.options.answer:
            Path(self.options.answer).write_text(answer)
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(
            GstWebRTC.WebRTCSDPType.ANSWER, message
        )
        self.webrtc.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def _state_changed(self, *_: object) -> None:
        state = self.webrtc.get_property("connection-state")
        print("connection", state.value_nick, file=sys.stderr)
        if state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            self.connected = True
        elif state == GstWebRTC.WebRTCPeerConnectionState.FAILED:
            GLib.idle_add(self._end, "the connection failed")

    def _count(self, *_: object) -> object:
        if self.given and not self.connected:
            return Gst.PadProbeReturn.DROP
        if self.given >= self.options.frames:
            return Gst.PadProbeReturn.DROP
        self.given += 1
        if self.given == self.options.frames:
            self.packet_s = time.monotonic()
            GLib.timeout_add(100, self._end_when_quiet)
        return Gst.PadProbeReturn.OK

    def _packet(self, pad: object, probe: Any) -> object:
        self.packet_s = time.monotonic()
        if probe.type & Gst.PadProbeType.BUFFER_LIST:
            packets = probe.get_buffer_list()
            buffers = [packets.get(index) for index in range(packets.length())]
        else:
            buffers = [probe.get_buffer()]
        for buffer in buffers:
            head = buffer.extract_dup(0, 8)
            self.sent.add(int.from_bytes(head[4:8], "big"))
        return Gst.PadProbeReturn.OK

    def _end_when_quiet(self) -> bool:
        if time.monotonic() - self.packet_s < QUIET_S:
            return True
        return self._end("")

    def _failed(self, bus: object, message: Any) -> None:
        self._end(str(message.parse_error()))

    def _end(self, failure: str) -> bool:
        self.failure = self.failure or failure
        self.loop.quit()
        return False

    def run(self) -> int:
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add_seconds(self.options.timeout, self._end, "nothing happened")
        self.loop.run()
        if self.location:
            request = urllib.request.Request(self.location, method="DELETE")
            with contextlib.suppress(urllib.error.HTTPError):  # the server has ended it
                urllib.request.urlopen(request, timeout=10).close()
        self.pipeline.set_state(Gst.State.NULL)
        print(json.dumps({"sent": len(self.sent), "failure": self.failure}))
        return 1 if self.failure else 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--codec", choices=sorted(ENCODERS), default="vp8")
    parser.add_argument("--profile", default="constrained-baseline")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--pt", type=int, default=96, help="the payload type")
    parser.add_argument("--audio", action="store_true")
    parser.add_argument("--audio-first", action="store_true")
    parser.add_argument("--bundle", default="max-bundle")
    parser.add_argument("--offer", help="write the offer there")
    parser.add_argument("--answer", help="write the answer there")
    parser.add_argument("--timeout", type=int, default=60, help="in seconds")
    Gst.init(None)
    return Publisher(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
