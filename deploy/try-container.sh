#!/usr/bin/env bash
# Builds the container and runs the demo in it, to see that the image works. Needs buildah, and a base image:
#   deploy/try-container.sh [BASE [OPTIONS of buildah build, such as -v /etc/pip.conf:/etc/pip.conf:ro]]
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:-docker.io/library/python:3.13-slim}
image=localhost/coverproxy-try
most_bytes=250000000

buildah build --format docker --build-arg "BASE=$base" "${@:2}" -f deploy/Containerfile -t "$image" .
container=$(buildah from "$image")
trap 'buildah rm "$container" >/dev/null' EXIT
bytes=$(du -sb --apparent-size "$(buildah mount "$container")" | cut -f1)
echo "image: $((bytes / 1000000)) MB"
[ "$bytes" -le "$most_bytes" ] || { echo "that is more than $((most_bytes / 1000000)) MB"; exit 1; }

# The demo answers with its page and with a cover, as the image's user, and the service with its health check.
buildah run "$container" -- sh -ec '
    test "$(id -u)" = 10001
    ask() { python3 -c "import sys, urllib.request as u; got = u.urlopen(sys.argv[1], timeout=5); print(got.status, got.headers[\"Content-Type\"], sys.argv[1])" "$1"; }
    until_it_answers() { for _ in $(seq 120); do ask "$1" 2>/dev/null && return; sleep 1; done; return 1; }
    coverproxy demo --port 8123 >/tmp/demo.log 2>&1 & demo=$!
    until_it_answers http://127.0.0.1:8123/ || { cat /tmp/demo.log; exit 1; }
    ask "$(grep -o "http://[^ ]*/devkey/[^ ]*" /tmp/demo.log | head -1)"
    kill -INT $demo; wait $demo || true
    coverproxy serve --workers 1 >/tmp/serve.log 2>&1 & serve=$!
    until_it_answers http://127.0.0.1:8081/readyz || { cat /tmp/serve.log; exit 1; }
    kill -TERM $serve; wait $serve || true'
echo "the container works"
