"""An ingest process' sessions, spoken with as the server does."""

from __future__ import annotations

import asyncio
import logging
import socket

from edge.config import load
from edge.ingest.messages import CODEC, IngestSetup, OpenSession, Reply, SetAssignment
from edge.ingest.pool import _plain
from edge.ingest.process import IngestRuntime
from edge.ipc.pipe import MAX_MESSAGE_BYTES
from edge.ipc.shared_memory import SharedPictures, slot_bytes
from edge.scheduling.assignment import Assignment
from edge.session.interface import SessionOptions
from tests.served_model import model

ASSIGNMENT = Assignment("yolov4-tiny-416", 416, 1e6, 0.1, "test")


async def test_a_plan_that_comes_with_the_offer_is_not_lost() -> None:
    """Both lie in the socket when the process gets to reading: it was busy."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    slots = SharedPictures.create(2, slot_bytes(64 * 64))
    setup = IngestSetup(_plain(load()), 2, slots.size, logging.INFO, [model()])
    ours.setblocking(False)
    ours.send(CODEC.encode(OpenSession(1, "id", "etag", SessionOptions(), "no SDP")))
    ours.send(CODEC.encode(SetAssignment("id", ASSIGNMENT)))
    runtime = IngestRuntime(theirs, setup, slots)
    async with asyncio.timeout(60):
        loop = asyncio.get_running_loop()
        reply = CODEC.decode(await loop.sock_recv(ours, MAX_MESSAGE_BYTES))
    assert isinstance(reply, Reply)
    assert (reply.request, reply.code) == (1, "bad_sdp")
    session = runtime._sessions["id"]
    assert session.assignment == ASSIGNMENT
    await session.close("test")
    runtime._pipe.close()
    ours.close()
    slots.close()
