// What somebody must look at, found in the log lines that the app really writes (a test compares). docs/operations.md
// says for each what to do.
param token string
param location string
param tags object
param workspaceResourceId string
param operatorEmail string

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'to-my-email'
    enabled: true
    emailReceivers: empty(operatorEmail) ? [] : [
      {
        name: 'operator'
        emailAddress: operatorEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

// One alert for each reason.
var byReason = [
  {
    name: 'reason'
    operator: 'Include'
    values: [
      '*'
    ]
  }
]

var rules = [
  {
    name: 'poisoned'
    severity: 1
    description: 'The queue gave up on a delivery; the sweep goes on with the job.'
    window: 'PT15M'
    threshold: 0
    query: 'AppTraces | where Message has "poisoned the queue in state"'
  }
  {
    name: 'own-credential-refused'
    severity: 0
    description: 'Microsoft does not accept the service\'s own credential: nothing is sent or renewed.'
    window: 'PT15M'
    threshold: 0
    query: 'AppTraces | where Message has "service_credential_refused" or Message has "nothing is renewed"'
  }
  {
    name: 'own-credential-ends'
    severity: 1
    description: 'The app\'s certificate (CLIENT_CERTIFICATE_FILE) ends within 30 days. A managed identity has none.'
    window: 'PT2H'
    threshold: 0
    query: 'AppTraces | where Message startswith "certificate of the app ends in" | extend days = toint(extract("ends in (-?[0-9]+) days", 1, Message)) | where days < 30'
  }
  {
    name: 'keys-do-not-open'
    severity: 0
    description: 'Key Vault or the identity does not open the tenants\' data keys.'
    window: 'PT15M'
    threshold: 0
    query: 'AppTraces | where Message has "a data key could not be unwrapped" or Message has "a data key may not be unwrapped"'
  }
  {
    name: 'misconfigured'
    severity: 0
    description: 'A setting is missing or wrong, or Microsoft refuses our registration.'
    window: 'PT15M'
    threshold: 0
    query: 'AppTraces | where Message startswith "settings: " or Message has "service_misconfigured"'
  }
  {
    name: 'sends-fail'
    severity: 2
    description: 'Deliveries met a fault, counted by its reason, more often than one office explains.'
    window: 'PT30M'
    threshold: 20
    query: 'AppTraces | where Message matches regex "^job [0-9a-f-]+ of device [0-9a-f-]+, attempt [0-9]+: [a-z_]+" | extend reason = extract("attempt [0-9]+: ([a-z_]+)", 1, Message) | where reason !in ("sent", "throttled")'
  }
  {
    name: 'outcome-unknown'
    severity: 2
    description: 'Mails of which nobody knows whether they were sent.'
    window: 'PT30M'
    threshold: 3
    query: 'AppTraces | where Message matches regex "^job .*, attempt [0-9]+: outcome_unknown"'
  }
  {
    name: 'throttled'
    severity: 3
    description: 'Microsoft asks us to wait: too many sends of one mailbox, or of the app.'
    window: 'PT30M'
    threshold: 20
    query: 'AppTraces | where Message matches regex "^job .*, attempt [0-9]+: throttled" or Message matches regex "^a renewal in tenant .*: throttled"'
  }
  {
    name: 'renewals-behind'
    severity: 2
    description: 'For half an hour every run of renewals was full: more sign-ins are due than are renewed.'
    window: 'PT30M'
    threshold: 25
    query: 'AppTraces | where Message has "renewals fill their run"'
  }
  {
    name: 'renewals-stand-still'
    severity: 1
    description: 'The timer that renews sign-ins has not run: after 90 days people would have to sign in again.'
    window: 'PT6H'
    threshold: 0
    query: 'AppRequests | where OperationName == "renew" and Success == true | summarize runs = count() | where runs == 0'
  }
  {
    name: 'unexpected'
    severity: 2
    description: 'A fault that nobody thought of; the log line has the place in the code.'
    window: 'PT30M'
    threshold: 0
    query: 'AppTraces | where Message matches regex "attempt [0-9]+: unexpected" or Message matches regex "answered 500 unexpected"'
  }
]

resource queries 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'alert-${rule.name}-${token}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.name
    description: rule.description
    severity: rule.severity
    enabled: true
    evaluationFrequency: 'PT15M'
    windowSize: rule.window
    scopes: [
      workspaceResourceId
    ]
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: rule.threshold
          dimensions: rule.name == 'sends-fail' ? byReason : []
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // A rule may be made before the tables that it reads have their first row.
    skipQueryValidation: true
    actions: {
      actionGroups: [
        operators.id
      ]
    }
  }
}]
