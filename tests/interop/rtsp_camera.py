"""An RTSP camera: GStreamer's server over a test picture; run by the system's Python.

    /usr/bin/python3 rtsp_camera.py PORT [--codec h264|h264-b|h265|mjpeg]
        [--user NAME --password WORD] [--video FILE] [--bitrate KBPS] [--fps N] [--size WxH]

Serves rtsp://127.0.0.1:PORT/camera until it is killed. Writes a line once it listens. A real camera
stamps its own clock in RTCP sender reports, as this one does.
"""

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate={bitrate} key-int-max={gop}"
    " ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96",
    "h264-b": "x264enc speed-preset=ultrafast bframes=2 b-adapt=false bitrate={bitrate}"
    " key-int-max={gop} ! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast bitrate={bitrate} key-int-max={gop}"
    " ! rtph265pay name=pay0 pt=96",
    "mjpeg": "jpegenc quality=60 ! rtpjpegpay name=pay0 pt=26",
}


def launch(options: argparse.Namespace) -> str:
    """The pipeline, from picture to RTP."""
    width, height = options.size.split("x")
    raw = f"video/x-raw,width={width},height={height},format=I420"
    if options.video:  # at the file's own frame rate: videorate would hold back a frame
        source = (
            f"filesrc location={options.video} ! decodebin ! videoscale ! videoconvert ! {raw}"
            " ! identity sync=true"
        )
    else:
        source = f"videotestsrc is-live=true pattern=ball ! {raw},framerate={options.fps}/1"
    encoder = ENCODERS[options.codec].format(bitrate=options.bitrate, gop=options.fps)
    return f"( {source} ! {encoder} )"


def authenticate(server: GstRtspServer.RTSPServer, user: str, password: str) -> None:
    """Let only that user in (Basic authentication)."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)


def stamp_capture(factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
    """Pair the wall clock with the time of capture in sender reports, as RFC 3550 has it (6.4.1);
    GStreamer's default is the time of sending."""

    def prepared(media: GstRtspServer.RTSPMedia) -> None:
        pipeline = media.get_element().get_parent()
        for element in pipeline.children:
            if element.get_factory().get_name() == "rtpbin":
                element.set_property("rtcp-sync-send-time", False)

    media.connect("prepared", prepared)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("--codec", choices=ENCODERS, default="h264")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--video")
    parser.add_argument("--bitrate", type=int, default=800)
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--size", default="640x360")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch(options))
    factory.set_shared(True)
    factory.connect("media-configure", stamp_capture)
    if options.user:
        authenticate(server, options.user, options.password)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/camera", factory)
    if not server.attach(None):
        raise SystemExit(f"port {options.port} is taken")
    print("listening", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
