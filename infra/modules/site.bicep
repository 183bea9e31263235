// The function app on Flex Consumption.
param name string
param location string
param tags object
param identityResourceId string
param identityClientId string
param packageUri string
param hostStorageName string
param dataStorageName string
param keyUri string
param serviceKeyUri string
param connectionString string
param clientId string
param mailboxClientId string
param formerServiceKeyUri string
param publicUrl string
param instanceMemoryMB int
param maximumInstanceCount int
param httpConcurrency int
param threads int
param alwaysReadyHttp int
param alwaysReadyDeliver int
param subnetResourceId string

var suffix = environment().suffixes.storage
var httpReady = [
  {
    name: 'http'
    instanceCount: alwaysReadyHttp
  }
]
var deliverReady = [
  {
    name: 'function:deliver'
    instanceCount: alwaysReadyDeliver
  }
]

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  // checkov:skip=CKV_AZURE_225: not every region of Flex Consumption has zones; an instance that is lost costs a repetition and no scan
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2024-04-01' = {
  // checkov:skip=CKV_AZURE_222: printers, people's phones and Entra's redirects come from the internet
  // checkov:skip=CKV_AZURE_17: printers sign assertions with keys of their own (RFC 7523); browsers have no certificate to show
  // checkov:skip=CKV_AZURE_212: Flex Consumption makes instances by demand; alwaysReadyHttp and alwaysReadyDeliver are the parameters
  // checkov:skip=CKV_AZURE_213: a health check takes instances out of a fixed set; this plan makes and drops them by itself
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityResourceId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    publicNetworkAccess: 'Enabled'
    keyVaultReferenceIdentity: identityResourceId
    virtualNetworkSubnetId: empty(subnetResourceId) ? null : subnetResourceId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUri
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityResourceId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: concat(alwaysReadyHttp > 0 ? httpReady : [], alwaysReadyDeliver > 0 ? deliverReady : [])
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
  }
}

// No password of any kind: neither for FTP nor for publishing.
resource ftpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

// The app's own names are those of shared/settings.py; a test compares. docs/settings.md says what each means.
resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  // checkov:skip=CKV_AZURE_13: people sign in at Entra through the app's own pages, printers by assertions; the platform's sign-in knows neither
  // checkov:skip=CKV_AZURE_63: these are application settings, which the check takes for the site's log settings
  // checkov:skip=CKV_AZURE_65: the same
  // checkov:skip=CKV_AZURE_66: the same
  // checkov:skip=CKV_AZURE_80: the same; and the runtime is Python
  // checkov:skip=CKV_AZURE_88: the same; and an instance keeps no file
  // checkov:skip=CKV_AZURE_222: the same; the site above says why it is public
  parent: site
  name: 'appsettings'
  properties: {
    ENVIRONMENT: 'production'
    PUBLIC_URL: empty(publicUrl) ? 'https://${site.properties.defaultHostName}' : publicUrl
    CLIENT_ID: clientId
    MAILBOX_CLIENT_ID: mailboxClientId
    MANAGED_IDENTITY_CLIENT_ID: identityClientId
    KEY_ENCRYPTION_KEY: keyUri
    SERVICE_KEY: '@Microsoft.KeyVault(SecretUri=${serviceKeyUri})'
    FORMER_SERVICE_KEY: empty(formerServiceKeyUri) ? '' : '@Microsoft.KeyVault(SecretUri=${formerServiceKeyUri})'
    DataStorage__blobServiceUri: 'https://${dataStorageName}.blob.${suffix}'
    DataStorage__queueServiceUri: 'https://${dataStorageName}.queue.${suffix}'
    DataStorage__tableServiceUri: 'https://${dataStorageName}.table.${suffix}'
    DataStorage__credential: 'managedidentity'
    DataStorage__clientId: identityClientId
    AzureWebJobsStorage__blobServiceUri: 'https://${hostStorageName}.blob.${suffix}'
    AzureWebJobsStorage__queueServiceUri: 'https://${hostStorageName}.queue.${suffix}'
    AzureWebJobsStorage__tableServiceUri: 'https://${hostStorageName}.table.${suffix}'
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: connectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    PYTHON_THREADPOOL_THREAD_COUNT: string(threads)
  }
}

output name string = site.name
output publicUrl string = empty(publicUrl) ? 'https://${site.properties.defaultHostName}' : publicUrl
