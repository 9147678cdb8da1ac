#!/bin/sh
# Keeps the contract of the official docker:dind entrypoint:
#   no argument, or a flag first -> dockerd with a unix socket and a TCP port, with TLS where DOCKER_TLS_CERTDIR is set
#   "dockerd" first              -> only what the arguments say; stale pid files go, tini reaps, `dind` prepares
#   anything else                -> docker-entrypoint.sh
# Rootless mode is left out. Keys are RSA of 4096 bits, as there: that is what makes a start with TLS slow.
set -eu

make_certificate() {
  # $1: folder, $2: common name, $3: the extension line
  [ -s "$1/key.pem" ] || openssl genrsa -out "$1/key.pem" 4096
  openssl req -new -key "$1/key.pem" -out "$1/csr.pem" -subj "/CN=$2"
  printf '[ x509_exts ]\n%s\n' "$3" > "$1/openssl.cnf"
  openssl x509 -req -in "$1/csr.pem" -CA "$certificates/ca/cert.pem" -CAkey "$certificates/ca/key.pem" \
    -CAcreateserial -out "$1/cert.pem" -days 825 -extfile "$1/openssl.cnf" -extensions x509_exts
  cp "$certificates/ca/cert.pem" "$1/ca.pem"
}

names_of_this_host() {
  for address in $(ip -o address 2> /dev/null | awk '{ sub(/\/.*/, "", $4); print $4 }' | sort -u); do
    printf 'IP:%s,' "$address"
  done
  printf 'DNS:docker,DNS:localhost,DNS:%s' "$(hostname)"
  [ -z "${DOCKER_TLS_SAN-}" ] || printf ',%s' "$DOCKER_TLS_SAN"
}

make_certificates() {
  mkdir -p "$certificates/ca" "$certificates/server" "$certificates/client"
  if [ ! -s "$certificates/ca/key.pem" ]; then
    # Somebody else's authority: the certificates are theirs to bring.
    [ ! -s "$certificates/ca/cert.pem" ] || return 0
    openssl genrsa -out "$certificates/ca/key.pem" 4096
  fi
  openssl req -new -x509 -key "$certificates/ca/key.pem" -out "$certificates/ca/cert.pem" \
    -subj "/CN=docker:dind CA" -days 825
  make_certificate "$certificates/server" "docker:dind server" "subjectAltName = $(names_of_this_host)"
  make_certificate "$certificates/client" "docker:dind client" "extendedKeyUsage = clientAuth"
  # Whoever mounts the client's folder may be any user.
  chmod 0644 "$certificates/client/key.pem"
}

if [ "$#" -eq 0 ] || [ "${1#-}" != "$1" ]; then
  socket=unix:///var/run/docker.sock
  case "${DOCKER_HOST-}" in unix://*) socket=$DOCKER_HOST ;; esac

  certificates=${DOCKER_TLS_CERTDIR-}
  if [ -n "$certificates" ]; then make_certificates; fi
  if [ -n "$certificates" ] && [ -s "$certificates/server/cert.pem" ] && [ -s "$certificates/server/key.pem" ]; then
    set -- dockerd --host="$socket" --host=tcp://0.0.0.0:2376 --tlsverify \
      --tlscacert "$certificates/server/ca.pem" \
      --tlscert "$certificates/server/cert.pem" \
      --tlskey "$certificates/server/key.pem" "$@"
  else
    set -- dockerd --host="$socket" --host=tcp://0.0.0.0:2375 "$@"
  fi
fi

if [ "$1" = dockerd ]; then
  # A daemon that was killed leaves its pid file, and the next one refuses to start because of it.
  find /run /var/run -name 'docker*.pid' -delete 2> /dev/null || true

  if [ -n "${DOCKER_IPTABLES_LEGACY-}" ]; then
    PATH=/usr/local/sbin/.iptables-legacy:$PATH
    export PATH
  elif [ -z "${DOCKER_IPTABLES_LEGACY+set}" ] && ! iptables -nL > /dev/null 2>&1; then
    # This kernel has no nft: the older tables may still be there.
    PATH=/usr/local/sbin/.iptables-legacy:$PATH
    export PATH
  fi

  set -- docker-init -- dind "$@"
else
  set -- docker-entrypoint.sh "$@"
fi
exec "$@"
