#!/bin/sh
# The official script also writes SSH keys out of the environment. No build of the lab has any: it only passes on.
set -eu
exec "$@"
