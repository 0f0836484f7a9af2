"""The least that an aiohttp handler can do: send bytes from a dict, by path. the limit in bench/hits.py."""

import asyncio
import multiprocessing
import signal
import socket
import sys
from pathlib import Path

import orjson
import uvloop
from aiohttp import web


def main() -> None:
    """Serve the bodies of the file argv[1] in argv[2] processes; print the URL when they listen."""
    bodies = {
        path: bytes.fromhex(body) for path, body in orjson.loads(Path(sys.argv[1]).read_bytes()).items()
    }
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_run, args=(listener, bodies)) for _ in range(int(sys.argv[2]))]
    for process in processes:
        process.start()

    def stop(*_: object) -> None:
        for process in processes:
            process.terminate()

    signal.signal(signal.SIGTERM, stop)
    print("http://{}:{}".format(*listener.getsockname()), flush=True)
    for process in processes:
        process.join()


def _run(listener: socket.socket, bodies: dict[str, bytes]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listener, bodies))


async def _serve(listener: socket.socket, bodies: dict[str, bytes]) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=bodies[request.path], content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
