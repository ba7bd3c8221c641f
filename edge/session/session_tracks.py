"""One session's tracks: ids for its boxes, and messages of what happens in zones and at lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.config import Settings
from edge.models.boxes import Box
from edge.observability.frame_metrics import FrameMetrics
from edge.session.control.control_messages import message
from edge.tracking.events import TrackEvent
from edge.tracking.scene import Scene, SceneSettings


class SessionTracks:
    """Sees all boxes of the model, whatever its publisher wants to be reported.

    Times are ms of the server's clock. `send` gets the text of each event.
    """

    def __init__(
        self,
        settings: Settings,
        class_names: Sequence[str],
        *,
        label: Callable[[], str],
        metrics: FrameMetrics,
        send: Callable[[str], None],
        former: SessionTracks | None = None,
    ) -> None:
        """`former`: of the session that this one is to take over. Both are of one camera, and
        follow one scene until either ends, so that tracks and visits outlive a connection; unless
        its model or its label is another one."""
        its = SceneSettings(settings.tracking, settings.zones, settings.lines, settings.rules)
        self._class_names = tuple(class_names)
        if former is not None and former._may_share(self._class_names, label()):
            self.scene: Scene = former.scene
            self._users: set[SessionTracks] = former._users
        else:
            self.scene, self._users = Scene(its, class_names, label()), set()
        self._users.add(self)
        self._label = label
        self._metrics = metrics
        self._send = send

    def _may_share(self, class_names: tuple[str, ...], label: str) -> bool:
        same = (self._class_names, self._label()) == (class_names, label)
        return same and self in self._users

    def ids(
        self, captured_ms: float, now_ms: float, boxes: Sequence[Box]
    ) -> tuple[list[int | None], list[TrackEvent]]:
        """The track of each box of an answer, and the events to send after it."""
        return self.scene.observe(captured_ms / 1000.0, now_ms / 1000.0, boxes, self._label())

    def tell(self, events: Sequence[TrackEvent], **frame: object) -> None:
        """Send events; `frame` names the frame that they were seen in."""
        for kind, fields in events:
            self._send(message(kind, **fields, **frame))

    def tick(self, now_ms: float) -> None:
        """A few times a second: tracks are lost, and rules come true, without answers too."""
        self.tell(self.scene.tick(now_ms / 1000.0))
        if counts := self.scene.take_counts():
            self._metrics.followed(counts)

    def end(self, now_ms: float) -> None:
        """The session ends, and with it all visits, unless it has been taken over."""
        self._users.discard(self)
        if not self._users:
            self.tell(self.scene.end(now_ms / 1000.0))
        self._metrics.followed(self.scene.take_counts())
