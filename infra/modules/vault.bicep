// The vault: one RSA key that wraps the tenants' data keys, and the service key as a secret. Nothing else lies in it.
param name string
param location string
param tags object
param keyName string
param workspaceResourceId string
param lock bool

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  // checkov:skip=CKV_AZURE_109: Flex Consumption has no fixed address of its own by default; the border is two roles, and every use is in the audit log
  // checkov:skip=CKV_AZURE_189: the same
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    // Without a version of the key everything that it wrapped is lost: not even an owner can purge it.
    enablePurgeProtection: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

resource wrappingKey 'Microsoft.KeyVault/vaults/keys@2023-07-01' = {
  // checkov:skip=CKV_AZURE_112: a software key leaves the vault as little as an HSM's; who must have one takes sku premium and kty RSA-HSM
  // checkov:skip=CKV_AZURE_40: a date that nobody moves would stop the service; rotationPolicy makes a new version every year
  parent: vault
  name: keyName
  properties: {
    kty: 'RSA'
    keySize: 3072
    keyOps: [
      'wrapKey'
      'unwrapKey'
    ]
    attributes: {
      enabled: true
      exportable: false
    }
    rotationPolicy: {
      lifetimeActions: [
        {
          action: {
            type: 'rotate'
          }
          trigger: {
            timeAfterCreate: 'P1Y'
          }
        }
      ]
    }
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceResourceId
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
  }
}

resource deleteLock 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep'
  scope: vault
  properties: {
    level: 'CanNotDelete'
    notes: 'Without the key every stored sign-in is unreadable.'
  }
}

output name string = vault.name
output keyName string = wrappingKey.name
output keyUri string = '${vault.properties.vaultUri}keys/${keyName}'
// Written by the hook after provisioning: a secret in a template would stand in the deployment's history.
output serviceKeyUri string = '${vault.properties.vaultUri}secrets/service-key'
output formerServiceKeyUri string = '${vault.properties.vaultUri}secrets/former-service-key'
