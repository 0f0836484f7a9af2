"""wrk, a load generator in C: as many requests as a server answers, over a fixed number of connections.

It takes far less of the cores than a client in Python would, and they are shared with what is measured.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from bench.serve import program

_SLACK_SECONDS = 60.0

# at: how many paths were asked for. wrong: answers without the X-Cover-Status wanted; counted only where one
# is, as wrk parses no headers otherwise.
_LUA = """
local threads = {}
function setup(thread) table.insert(threads, thread) end

function init(args)
  lines, at, wrong = {}, tonumber(args[2]), 0
  local name = args[3]
  if args[4] ~= "" then
    local wanted = args[4]
    response = function(status, headers)
      if headers[name] ~= wanted then wrong = wrong + 1 end
    end
  end
  for path in io.lines(args[1]) do
    local headers = { ["Sec-Fetch-Dest"] = "image" }
    if args[5] ~= "" then headers["Accept"] = args[5] end
    lines[#lines + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  at = at + 1
  return lines[(at - 1) % #lines + 1]
end

function done(summary, latency)
  local e = summary.errors
  io.write("\\nTOLD ", string.format(
    '{"at":%d,"wrong":%d,"requests":%d,"bytes":%.0f,"microseconds":%.0f,"failed":%d,"refused":%d,' ..
    '"p50":%.0f,"p99":%.0f,"max":%.0f}\\n',
    threads[1]:get("at"), threads[1]:get("wrong"), summary.requests, summary.bytes, summary.duration,
    e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


class Run(NamedTuple):
    """One run: answers, in how many seconds, bytes of one with its headers, latencies in ms."""

    answers: int
    seconds: float
    mean_bytes: float
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds


class Wrk:
    """Asks for *paths* of *url* in their order, over and over; each run goes on where the last one ended."""

    def __init__(
        self, url: str, paths: Sequence[str], folder: Path, connections: int, accept: str = ""
    ) -> None:
        self._binary = program("wrk", "wrk")
        folder.mkdir(parents=True, exist_ok=True)
        self._script, self._paths = folder / "ask.lua", folder / "paths.txt"
        self._script.write_text(_LUA, encoding="utf-8")
        self._paths.write_text("\n".join(paths) + "\n", encoding="utf-8")
        self._url = url
        self._connections = connections
        self._accept = accept
        self.at = 0

    def run(self, seconds: float, wanted: str = "", header: str = "X-Cover-Status") -> Run:
        """Ask for that long; *wanted*: what *header* says on every answer, else this raises."""
        with self.running(seconds, wanted, header) as runs:
            pass
        return runs[0]

    @contextlib.contextmanager
    def running(
        self, seconds: float, wanted: str = "", header: str = "X-Cover-Status"
    ) -> Iterator[list[Run]]:
        """Ask while the block runs; the list holds the run after it. Ends by itself after *seconds*."""
        command = [self._binary, "-t1", f"-c{self._connections}", f"-d{max(round(seconds), 1)}s"]
        command += ["--timeout", "30s", "-s", str(self._script), self._url, "--"]
        command += [str(self._paths), str(self.at), header, wanted, self._accept]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        runs: list[Run] = []
        try:
            yield runs
            said, _ = process.communicate(timeout=seconds + _SLACK_SECONDS)
            runs.append(self._read(said))
        finally:
            process.kill()
            process.wait()

    def _read(self, said: str) -> Run:
        _, mark, line = said.rpartition("TOLD ")
        if not mark:
            raise RuntimeError(f"wrk: {said[-300:]}")
        told = orjson.loads(line)
        if told["wrong"] or told["refused"] or told["failed"] or not told["requests"]:
            raise RuntimeError(f"not every answer was the one wanted: {line.strip()}")
        self.at = told["at"]
        answers, seconds = told["requests"], told["microseconds"] / 1e6
        latencies = (told[name] / 1000 for name in ("p50", "p99", "max"))
        return Run(answers, seconds, told["bytes"] / answers, *latencies)
