#!/usr/bin/env bash
# Builds the container and runs the demo in it, to see that the image works. Needs buildah, and a base image:
#   deploy/try-container.sh [BASE]
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:-docker.io/library/python:3.13-slim}
image=localhost/coverproxy-try

buildah build --build-arg "BASE=$base" -f deploy/Containerfile -t "$image" .
bytes=$(buildah inspect --type image --format '{{.Docker.Size}}' "$image" 2>/dev/null || echo unknown)
echo "image: $bytes bytes"

container=$(buildah from "$image")
trap 'buildah rm "$container" >/dev/null' EXIT
buildah run "$container" -- sh -c '
    coverproxy demo --port 8123 >/tmp/demo.log 2>&1 & demo=$!
    for _ in $(seq 120); do
        python3 -c "import urllib.request as u; u.urlopen(\"http://127.0.0.1:8123/\", timeout=2)" 2>/dev/null && break
        sleep 1
    done
    python3 -c "import urllib.request as u; print(\"demo answers\", u.urlopen(\"http://127.0.0.1:8123/\", timeout=5).status)"
    kill -INT $demo; wait $demo || true'
