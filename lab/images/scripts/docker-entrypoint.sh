#!/bin/sh
# For everything but dockerd: a first word that is no command of its own is a command of the docker CLI.
set -eu

case "${1-}" in
  -*) set -- docker "$@" ;;
  "") set -- docker ;;
  *) command -v "$1" > /dev/null || set -- docker "$@" ;;
esac

# A CLI in this container talks to the daemon of the container next to it, over TLS where there are keys for that.
if [ -z "${DOCKER_HOST-}" ] && [ ! -S /var/run/docker.sock ]; then
  if [ -s "${DOCKER_TLS_CERTDIR:-/nowhere}/client/ca.pem" ]; then
    export DOCKER_HOST=tcp://docker:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$DOCKER_TLS_CERTDIR/client"
  else
    export DOCKER_HOST=tcp://docker:2375
  fi
fi
exec "$@"
