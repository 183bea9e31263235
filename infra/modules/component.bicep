// Application Insights. The app writes with its identity: the key in the connection string alone opens nothing.
param name string
param location string
param tags object
param workspaceResourceId string

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: name
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspaceResourceId
    DisableLocalAuth: true
    // Client addresses are people's.
    DisableIpMasking: false
    IngestionMode: 'LogAnalytics'
  }
}

output name string = component.name
output connectionString string = component.properties.ConnectionString
