// Everything of the service, and who may do what: each role on the smallest thing that it is needed for.
param token string
param location string
param tags object
param clientId string
param mailboxClientId string
param formerServiceKey bool
param publicUrl string
param principalId string
param operatorEmail string
param instanceMemoryMB int
param maximumInstanceCount int
param httpConcurrency int
param threads int
param alwaysReadyHttp int
param alwaysReadyDeliver int
param fixedEgress bool
param documentDays int
param logDays int
param logGigabytesPerDay int
param dataRedundancy string
param deleteLocks bool

var packages = 'packages'
var documents = 'documents'

// Names of shared/storage/__init__.py; a test compares.
var tables = [
  'organisations'
  'tickets'
  'devices'
  'assertions'
  'people'
  'grants'
  'renewals'
  'handoffs'
  'authorizations'
  'jobs'
  'keys'
  'traces'
  'erasures'
  'mailboxes'
  'mailboxgrants'
  'mailboxrenewals'
  'sessions'
  'audit'
]
var queues = [
  'deliveries'
  'deliveries-poison'
]

module identity 'user-assigned-identity.bicep' = {
  name: 'identity'
  params: {
    name: 'id-${token}'
    location: location
    tags: tags
  }
}

// What the Functions host keeps for itself: packages, leases, timers. No one's data.
module hostStorage 'storage-account.bicep' = {
  name: 'host-storage'
  params: {
    name: 'sthost${token}'
    location: location
    tags: tags
    skuName: 'Standard_LRS'
    containers: [
      packages
    ]
    tables: []
    queues: []
    expiringContainer: ''
    expiryDays: 0
    lock: deleteLocks
  }
}

module dataStorage 'storage-account.bicep' = {
  name: 'data-storage'
  params: {
    name: 'stdata${token}'
    location: location
    tags: tags
    skuName: dataRedundancy
    containers: [
      documents
    ]
    tables: tables
    queues: queues
    expiringContainer: documents
    expiryDays: documentDays
    lock: deleteLocks
  }
}

module vault 'vault.bicep' = {
  name: 'vault'
  params: {
    name: 'kv-${token}'
    location: location
    tags: tags
    keyName: 'data-keys'
    workspaceResourceId: workspace.outputs.resourceId
    lock: deleteLocks
  }
}

module workspace 'workspace.bicep' = {
  name: 'workspace'
  params: {
    name: 'log-${token}'
    location: location
    tags: tags
    dataRetention: logDays
    dailyQuotaGb: logGigabytesPerDay
  }
}

module insights 'component.bicep' = {
  name: 'insights'
  params: {
    name: 'appi-${token}'
    location: location
    tags: tags
    workspaceResourceId: workspace.outputs.resourceId
  }
}

module egress 'egress.bicep' = if (fixedEgress) {
  name: 'egress'
  params: {
    token: token
    location: location
    tags: tags
  }
}

module roles 'role-assignments.bicep' = {
  name: 'roles'
  params: {
    hostStorageName: hostStorage.outputs.name
    dataStorageName: dataStorage.outputs.name
    documentsContainer: documents
    vaultName: vault.outputs.name
    keyName: vault.outputs.keyName
    componentName: insights.outputs.name
    identityPrincipalId: identity.outputs.principalId
    operatorPrincipalId: principalId
  }
}

module site 'site.bicep' = {
  name: 'site'
  params: {
    name: 'func-${token}'
    location: location
    tags: tags
    identityResourceId: identity.outputs.resourceId
    identityClientId: identity.outputs.clientId
    packageUri: '${hostStorage.outputs.blobServiceUri}${packages}'
    hostStorageName: hostStorage.outputs.name
    dataStorageName: dataStorage.outputs.name
    keyUri: vault.outputs.keyUri
    serviceKeyUri: vault.outputs.serviceKeyUri
    connectionString: insights.outputs.connectionString
    clientId: clientId
    mailboxClientId: mailboxClientId
    formerServiceKeyUri: formerServiceKey ? vault.outputs.formerServiceKeyUri : ''
    publicUrl: publicUrl
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    threads: threads
    alwaysReadyHttp: alwaysReadyHttp
    alwaysReadyDeliver: alwaysReadyDeliver
    subnetResourceId: fixedEgress ? egress.outputs.subnetResourceId : ''
  }
  dependsOn: [
    roles
  ]
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  params: {
    token: token
    location: location
    tags: tags
    workspaceResourceId: workspace.outputs.resourceId
    operatorEmail: operatorEmail
  }
}

output functionApp string = site.outputs.name
output keyVault string = vault.outputs.name
output publicUrl string = site.outputs.publicUrl
output identityPrincipalId string = identity.outputs.principalId
output egressAddress string = fixedEgress ? egress.outputs.address : ''
