"""Health and metrics, on a separate address."""

from aiohttp import web

from coverproxy.web import answers
from coverproxy.web.app_keys import COVERS, METRICS

routes = web.RouteTableDef()


@routes.get("/healthz")
async def alive(request: web.Request) -> web.Response:
    """Report that the process answers."""
    return answers.send(answers.json({"status": "alive"}))


@routes.get("/readyz")
async def able(request: web.Request) -> web.Response:
    """Report whether covers can be served, and faults by component.

    A source that is down is reported but is not a fault: local covers are served all the same.
    """
    covers = request.app[COVERS]
    faults = await covers.health()
    told = {"status": "faulty" if faults else "ready", "faults": faults, "sources": covers.source_states()}
    return answers.send(answers.json(told, 503 if faults else 200))


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Return every metric in the Prometheus text format."""
    return web.Response(
        body=request.app[METRICS].text(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )
