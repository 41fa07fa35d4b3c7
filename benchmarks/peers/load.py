"""Asks an HTTP server from several connections at once and notes how long each answer takes.

Run as a process of its own, so that its work is not counted as the server's::

    python load.py PORT CONNECTIONS SECONDS REQUESTS.json

It must not know what is asked or which server answers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path


class Asker:
    """One connection, kept open, that asks one request after the other."""

    def __init__(self, port: int, requests: list[bytes], first: int) -> None:
        self._port, self._requests, self._next = port, requests, first
        self.milliseconds: list[float] = []
        self.errors: list[str] = []

    async def ask_until(self, end: float) -> None:
        """Ask until the clock says so; a broken connection is an error, and is opened again."""
        while time.perf_counter() < end:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                while time.perf_counter() < end:
                    began = time.perf_counter()
                    await self._ask(reader, writer)
                    self.milliseconds.append(1000 * (time.perf_counter() - began))
                writer.close()
            except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                self.errors.append(f"{type(error).__name__}: {error}")

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = self._requests[self._next % len(self._requests)]
        self._next += 1
        head = (
            f"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = answer.split(b" ", 2)[1]
        lengths = [x for x in answer.split(b"\r\n") if x.startswith(b"content-length:")]
        content = await reader.readexactly(int(lengths[0].split(b":")[1]))
        if status != b"200":
            raise ValueError(f"status {status.decode()}: {content[:200]!r}")


async def load(port: int, connections: int, seconds: float, requests: list[bytes]) -> list[Asker]:
    """Ask from all connections for so long."""
    end = time.perf_counter() + seconds
    askers = [Asker(port, requests, number * 7) for number in range(connections)]
    await asyncio.gather(*(asker.ask_until(end) for asker in askers))
    return askers


def main() -> None:
    """Ask, and print what was measured as JSON."""
    port, connections, seconds, path = sys.argv[1:]
    requests = [json.dumps(body).encode() for body in json.loads(Path(path).read_text("utf-8"))]
    askers = asyncio.run(load(int(port), int(connections), float(seconds), requests))
    result = {
        "milliseconds": [value for asker in askers for value in asker.milliseconds],
        "errors": [error for asker in askers for error in asker.errors],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
