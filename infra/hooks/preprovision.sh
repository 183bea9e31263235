#!/bin/sh
# Before anything is made: the package, and the app registration whose id the template needs. Runs again without harm.
set -eu
cd "$(dirname "$0")/../.."

make package

multi_tenant=
if [ "${MULTI_TENANT:-false}" = true ]; then multi_tenant=--multi-tenant; fi
# shellcheck disable=SC2086  # a flag or nothing
client_id=$(.venv/bin/python -m infra.entra.register main --client-id "${CLIENT_ID:-}" $multi_tenant)
azd env set CLIENT_ID "$client_id"
