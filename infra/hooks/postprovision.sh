#!/bin/sh
# After the template: the service key, the rest of the app registration, the package, and a look whether it all answers.
set -eu
cd "$(dirname "$0")/../.."

# Made here and handed over by a file that nobody else can read: it never stands in a command line or a deployment's history.
if ! az keyvault secret show --vault-name "$KEY_VAULT" --name service-key --query id --output none 2>/dev/null; then
  file=$(mktemp)
  trap 'rm -f "$file"' EXIT
  .venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(32), end="")' > "$file"
  # The role that azd's user got a moment ago may take minutes to arrive.
  tries=0
  until az keyvault secret set --vault-name "$KEY_VAULT" --name service-key --file "$file" --encoding utf-8 --output none; do
    tries=$((tries + 1))
    if [ "$tries" -ge 20 ]; then echo "The service key could not be written into $KEY_VAULT." >&2; exit 1; fi
    echo "Waiting for the role on the vault ($tries of 20) ..."
    sleep 15
  done
fi

# The setting SERVICE_KEY refers to that secret, which was not there when the template set it; what a reference came to is
# kept for 24 hours (Microsoft, "Use Key Vault references as app settings").
app=$(az functionapp show --resource-group "$AZURE_RESOURCE_GROUP" --name "$FUNCTION_APP" --query id --output tsv)
az rest --method POST --output none \
  --url "https://management.azure.com$app/config/configreferences/appsettings/refresh?api-version=2022-03-01"

multi_tenant=
if [ "${MULTI_TENANT:-false}" = true ]; then multi_tenant=--multi-tenant; fi
# shellcheck disable=SC2086  # a flag or nothing
.venv/bin/python -m infra.entra.register main --client-id "$CLIENT_ID" --public-url "$PUBLIC_URL" \
  --identity "$IDENTITY_PRINCIPAL_ID" $multi_tenant
# shellcheck disable=SC2086
.venv/bin/python -m infra.entra.check --client-id "$CLIENT_ID" --public-url "$PUBLIC_URL" \
  --identity "$IDENTITY_PRINCIPAL_ID" --mailbox "${MAILBOX_CLIENT_ID:-}" $multi_tenant ||
  echo "The app registration deviates, as said above; the deployment goes on." >&2

(cd .run/package && sha256sum -c to-my-email.zip.sha256)
az functionapp deployment source config-zip --resource-group "$AZURE_RESOURCE_GROUP" --name "$FUNCTION_APP" \
  --src .run/package/to-my-email.zip --build-remote false --output none

tries=0
until curl --fail --silent --show-error --max-time 30 "$PUBLIC_URL/readyz"; do
  tries=$((tries + 1))
  if [ "$tries" -ge 20 ]; then echo "$PUBLIC_URL/readyz does not say ready; it says why." >&2; exit 1; fi
  sleep 15
done
printf '\n\nThe service answers. An administrator consents at %s/consent\n' "$PUBLIC_URL"
