// An Azure Databricks workspace for the lab: the managed resource group, no network of its own, no public keys.
// Applied and removed with the commands that `ziggurat databricks azure-template` prints.

@description('The name of the workspace.')
@minLength(3)
@maxLength(64)
param workspaceName string = 'ziggurat-lab'

@description('Where it is made; where the resource group is, by default.')
param location string = resourceGroup().location

@description('Whether the clusters have no public addresses; they then reach out through a NAT gateway of the managed group.')
param secureClusters bool = true

var managedGroupName = 'databricks-rg-${workspaceName}-${uniqueString(workspaceName, resourceGroup().id)}'

resource workspace 'Microsoft.Databricks/workspaces@2024-05-01' = {
  name: workspaceName
  location: location
  sku: {
    name: 'premium' // new workspaces of the standard tier are no longer made since April 2026
  }
  properties: {
    managedResourceGroupId: subscriptionResourceId('Microsoft.Resources/resourceGroups', managedGroupName)
    parameters: {
      enableNoPublicIp: {
        value: secureClusters
      }
    }
    publicNetworkAccess: 'Enabled'
  }
  tags: {
    purpose: 'ziggurat-lab'
  }
}

@description('What DATABRICKS_HOST is to be.')
output workspaceUrl string = 'https://${workspace.properties.workspaceUrl}'

@description('What signing in through Azure asks for.')
output workspaceResourceId string = workspace.id
