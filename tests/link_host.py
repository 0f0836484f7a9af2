"""A host of pictures that feeds link to: a real server that notes what it was asked for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class LinkHost:
    """Gives `files` by path, with `headers`; a file that is a text is an address that it redirects to."""

    files: dict[str, bytes | str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def name(self) -> str:
        """The host as a feed lists it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What addresses begin with."""
        return f"http://{self.name}"


@contextmanager
def link_host(files: dict[str, bytes | str]) -> Iterator[LinkHost]:
    """Serve *files* for a while."""
    host = LinkHost(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.asked.append(self.path)
            found = host.files.get(self.path)
            if isinstance(found, str):
                self.send_response(302)
                self.send_header("Location", found)
            else:
                self.send_response(404 if found is None else 200)
            for name, value in host.headers.items():
                self.send_header(name, value)
            body = found if isinstance(found, bytes) else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()
