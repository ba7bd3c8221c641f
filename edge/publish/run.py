"""All sources of a command at once, until they are done, fail, time out or are interrupted."""

from __future__ import annotations

import asyncio
import signal
import ssl

import aiohttp

from edge.client.whip_client import WhipClient
from edge.publish.options import OptionsError, PublishOptions
from edge.publish.output import JsonLines, SourceOutput
from edge.publish.publication import Publication


async def publish(
    options: PublishOptions, *, json: bool = False, seconds: float | None = None
) -> list[str]:
    """Publish every source; the failures, none if all went well. Raises OptionsError.

    SIGINT and SIGTERM end all sessions on the server; so do `seconds`.
    """
    token, tls = options.read_token(), _tls(options)
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    lines = JsonLines(lambda: _set(loop, over)) if json else None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    timed_out = False

    def time_out() -> None:
        nonlocal timed_out
        timed_out = True
        over.set()

    timer = loop.call_later(seconds, time_out) if seconds is not None else None
    failures: list[str] = []
    try:
        async with aiohttp.ClientSession() as http:
            publications = [
                Publication(
                    each,
                    SourceOutput(each.name, lines),
                    lambda: WhipClient(http, options.to, token=token, tls=tls),
                )
                for each in options.sources
            ]
            tasks = [asyncio.create_task(publication.run()) for publication in publications]
            ending = asyncio.create_task(over.wait())
            running = set(tasks)
            while running and not ending.done():
                await asyncio.wait({ending, *running}, return_when=asyncio.FIRST_COMPLETED)
                running = {task for task in tasks if not task.done()}
            for task in (ending, *running):
                task.cancel()
            await asyncio.wait({ending, *tasks})
            for publication, task in zip(publications, tasks, strict=True):
                if not task.cancelled():
                    failure = task.result()
                elif timed_out and not publication.totals.answered:
                    why = f": {publication.waits_for}" if publication.waits_for else ""
                    failure = f"{publication.name}: no frame was answered in {seconds:g} s{why}"
                else:
                    failure = None
                if failure is not None:
                    failures.append(failure)
    finally:
        if timer is not None:
            timer.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if lines is not None:
            lines.close()
    return failures


def _tls(options: PublishOptions) -> ssl.SSLContext | bool:
    if options.insecure:
        return False
    if options.ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(options.ca))
    except (OSError, ssl.SSLError) as error:
        raise OptionsError(f"{options.ca}: no certificates: {error.strerror or error}") from None


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)
