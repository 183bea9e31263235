// To My Email in one resource group. README.md beside this file says what is proven of it: it has not been deployed yet.
targetScope = 'subscription'

@description('Name of the azd environment; part of every name, and the tag that azd finds the resource group by.')
@minLength(1)
@maxLength(20)
param environmentName string

@description('Region of everything. Flex Consumption must be offered there, with Python 3.13.')
param location string

@description('Application (client) id of the main app registration (infra/entra).')
param clientId string

@description('Client id of the registration for printers\' own mailboxes; empty: there are none.')
param mailboxClientId string = ''

@description('While a service key is being replaced: the vault also holds the one before, as the secret former-service-key.')
param formerServiceKey bool = false

@description('Origin under which people and printers reach the service. Empty: the host name that Azure gives.')
param publicUrl string = ''

@description('Object id of who may write secrets and read logs while the service is set up: azd says who runs it. Empty: nobody.')
param principalId string = ''

@description('Where alerts are sent. Empty: they are only shown.')
param operatorEmail string = ''

@description('MB. 2048 has one core: Python needs it for TLS, hashing and base64 of scans. 512 has a quarter and starts four times slower.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('A ceiling for cost and for what Microsoft throttles, not a reservation. The platform takes 40 to 1000.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('HTTP requests that one instance works on at once. The platform\'s default for Python is 1, which would start an instance for every open long poll. Handlers are threads that wait for storage and Microsoft: 16 keep one core busy.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('Threads of the worker: at least batchSize + newBatchThreshold of host.json (16), or deliveries queue inside the process. Waiting threads cost little.')
@minValue(16)
param threads int = 24

@description('Instances of the HTTP doors that are always warm: a person waits at a printer. 0 saves the standing cost and makes the first scan of a quiet hour wait for a cold start.')
@minValue(0)
param alwaysReadyHttp int = 0

@description('Instances of function:deliver that are always warm. A queue door scales alone, in processes of its own.')
@minValue(0)
param alwaysReadyDeliver int = 0

@description('A fixed egress address (virtual network, NAT gateway, public IP) for named locations in customers\' Conditional Access.')
param fixedEgress bool = false

@description('Days after which the storage deletes a document by itself, whatever happened to the app. The app deletes it when it was sent, after six days at the latest (a held scan whose person signed in late).')
@minValue(7)
param documentDays int = 8

@description('Days that logs are kept. They hold ids of jobs, devices and tenants, never a person\'s name, address or file.')
@minValue(30)
@maxValue(730)
param logDays int = 30

@description('GB of logs a day at most.')
@minValue(1)
param logGigabytesPerDay int = 1

@description('Locally redundant, zone redundant, or zone and region redundant storage of people\'s data.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GZRS'
])
param dataRedundancy string = 'Standard_ZRS'

@description('Locks against deletion on both storage accounts and the vault. azd down needs them taken away first.')
param deleteLocks bool = true

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}

resource resourceGroup 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module service 'modules/service.bicep' = {
  name: 'service'
  scope: resourceGroup
  params: {
    token: token
    location: location
    tags: tags
    clientId: clientId
    mailboxClientId: mailboxClientId
    formerServiceKey: formerServiceKey
    publicUrl: publicUrl
    principalId: principalId
    operatorEmail: operatorEmail
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    threads: threads
    alwaysReadyHttp: alwaysReadyHttp
    alwaysReadyDeliver: alwaysReadyDeliver
    fixedEgress: fixedEgress
    documentDays: documentDays
    logDays: logDays
    logGigabytesPerDay: logGigabytesPerDay
    dataRedundancy: dataRedundancy
    deleteLocks: deleteLocks
  }
}

output AZURE_RESOURCE_GROUP string = resourceGroup.name
output FUNCTION_APP string = service.outputs.functionApp
output KEY_VAULT string = service.outputs.keyVault
output PUBLIC_URL string = service.outputs.publicUrl
output IDENTITY_PRINCIPAL_ID string = service.outputs.identityPrincipalId
output EGRESS_ADDRESS string = service.outputs.egressAddress
