#!/bin/sh
# A stand-in for gke-gcloud-auth-plugin: prints the lab's bearer token as a client-go ExecCredential.
# Models: the program's kubeconfig starts a command to get its credential, and the command's protocol.
# Does not prove: Google's credentials, their expiry and renewal, or that the real command is installed.
set -eu
if [ ! -r "${LAB_CLUSTER_CREDENTIAL:-}" ]; then
  echo "LAB_CLUSTER_CREDENTIAL names no readable file: this command works only inside the lab" >&2
  exit 1
fi
case "${KUBERNETES_EXEC_INFO:-}" in
*'"client.authentication.k8s.io/v1beta1"'*) ;;
*)
  echo "KUBERNETES_EXEC_INFO must ask for client.authentication.k8s.io/v1beta1, the version the real command speaks" >&2
  exit 1
  ;;
esac
# printf is built into the shell, so the token is in no process's arguments.
printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","spec":{"interactive":false},"status":{"token":"%s"}}\n' \
  "$(cat "$LAB_CLUSTER_CREDENTIAL")"
