#!/bin/sh
# The locks against deletion are meant: whoever takes the service down takes them away first, and knows what goes with it.
set -eu

locks=$(az lock list --resource-group "$AZURE_RESOURCE_GROUP" --query '[].name' --output tsv)
if [ -n "$locks" ]; then
  cat >&2 <<TEXT
$AZURE_RESOURCE_GROUP is locked. With it go every consent, every printer and every sign-in.
If that is meant, take the locks away and run azd down again:

  az lock list --resource-group $AZURE_RESOURCE_GROUP --query '[].id' --output tsv | xargs -n1 az lock delete --ids

The vault stays for 90 days as deleted and cannot be purged; the app registration stays, too:

  az ad app delete --id $CLIENT_ID
TEXT
  exit 1
fi
