/** Specs of WebSocketBalancers that an API server must refuse, and what it has to say. */
export const BAD_SPECS: readonly (readonly [spec: object, says: RegExp])[] = [
  [{}, /spec\.target: Required value/],
  [{ target: 'Chat' }, /spec\.target: Invalid value: "Chat"/],
  [{ target: 'chat', replicas: 101 }, /spec\.replicas: .*less than or equal to 100/],
  [
    { target: 'chat', replicas: 3, autoscaling: { minReplicas: 1, maxReplicas: 2 } },
    /replicas and autoscaling exclude each other/,
  ],
  [{ target: 'chat', autoscaling: { minReplicas: 3, maxReplicas: 2 } }, /minReplicas must not be above maxReplicas/],
  [{ target: 'chat', autoscaling: { minReplicas: 3 } }, /spec\.autoscaling\.maxReplicas: Required value/],
  [{ target: 'chat', service: { type: 'ExternalName' } }, /spec\.service\.type: Unsupported value/],
  [
    { target: 'chat', service: { externalTrafficPolicy: 'Local' } },
    /externalTrafficPolicy needs type LoadBalancer or NodePort/,
  ],
  [{ target: 'chat', resources: { requests: { cpu: '1e3' } } }, /spec\.resources\.requests\.cpu: Invalid value: "1e3"/],
  [
    { target: 'chat', resources: { requests: { cpu: 2 }, limits: { cpu: '1500m' } } },
    /requests\.cpu must not be above limits\.cpu/,
  ],
  [
    { target: 'chat', resources: { requests: { memory: '1Gi' }, limits: { memory: '512Mi' } } },
    /requests\.memory must not be above limits\.memory/,
  ],
  [{ target: 'chat', nodeSelector: { pool: 'not a label' } }, /spec\.nodeSelector\.pool: Invalid value/],
  [
    { target: 'chat', tolerations: [{ operator: 'Exists', value: 'x' }] },
    /operator Exists goes without a value, and Equal with a key/,
  ],
  [
    { target: 'chat', tolerations: [{ key: 'x', operator: 'Exists', tolerationSeconds: 5 }] },
    /tolerationSeconds needs effect NoExecute/,
  ],
  [{ target: 'chat', limits: { maxPayloadBytes: 1_073_741_825 } }, /spec\.limits\.maxPayloadBytes: .*1073741824/],
  [{ target: 'chat', timeouts: { handshakeMs: 0 } }, /spec\.timeouts\.handshakeMs: .*greater than or equal to 1/],
  [{ target: 'chat', plainHttp: 'no' }, /spec\.plainHttp: Unsupported value: "no"/],
  [
    { target: 'chat', keepAlive: { clientIdleSeconds: 20 } },
    /clientPingSeconds \(30 if absent\) must be above 0 and below clientIdleSeconds/,
  ],
  [
    { target: 'chat', keepAlive: { upstreamIdleSeconds: 60 } },
    /upstreamPingSeconds \(0 if absent\) must be above 0 and below upstreamIdleSeconds/,
  ],
  [
    { target: 'chat', podLabels: { 'ws.operator/target': 'x' } },
    /labels of ws\.operator and of app\.kubernetes\.io are set by ws-operator/,
  ],
  [{ target: 'chat', podLabels: { 'a b': 'x' } }, /podLabels must have names as labels have/],
  [{ target: 'chat', priorityClassName: 'No Name' }, /spec\.priorityClassName: Invalid value/],
  [{ target: 'chat', imagePullSecrets: [{}] }, /spec\.imagePullSecrets\[0\]\.name: Required value/],
  [{ target: 'chat', affinity: { podAffinity: { required: [] } } }, /field not declared in schema/],
  [
    {
      target: 'chat',
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            {
              topologyKey: 'kubernetes.io/hostname',
              labelSelector: { matchExpressions: [{ key: 'app', operator: 'In' }] },
            },
          ],
        },
      },
    },
    /operators In and NotIn go with values/,
  ],
  [{ target: 'chat', replica: 1 }, /\.spec\.replica: field not declared in schema/],
]

/** All there is to say, at once. */
export const FULL_SPEC = {
  target: 'chat',
  backend: { service: 'members' },
  autoscaling: { minReplicas: 1, maxReplicas: 3, targetCPUUtilizationPercentage: 60, targetConnectionsPerPod: 5000 },
  routing: { key: 'query:user', onMissing: 'reject' },
  rehome: 'close',
  rebalance: { policy: 'off' },
  service: {
    type: 'LoadBalancer',
    port: 443,
    annotations: { 'example.com/scheme': 'internal' },
    externalTrafficPolicy: 'Local',
  },
  limits: {
    maxConnections: 5000,
    maxPayloadBytes: 65_536,
    maxHeaderBytes: 65_536,
    maxQueueBytes: 524_288,
    maxPlainConnections: 500,
    minBodyBytesPerSecond: 0,
  },
  timeouts: { handshakeMs: 60_000, plainHttpMs: 300_000, slowConsumerSeconds: 10, rehomeMs: 60_000, rehomeLingerMs: 0 },
  keepAlive: { clientPingSeconds: 20, clientIdleSeconds: 50, upstreamPingSeconds: 15, upstreamIdleSeconds: 45 },
  plainHttp: 'refuse',
  workers: 1,
  resources: { requests: { cpu: 1, memory: '256Mi' }, limits: { cpu: '2.5', memory: '1Gi' } },
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'edge', effect: 'NoExecute', operator: 'Exists', tolerationSeconds: 60 }],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'cores', operator: 'Gt', values: ['7'] }] }],
      },
    },
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 5,
          podAffinityTerm: {
            topologyKey: 'kubernetes.io/hostname',
            labelSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['chat'] }] },
          },
        },
      ],
    },
  },
  priorityClassName: 'edge',
  podLabels: { team: 'chat' },
  imagePullSecrets: [{ name: 'registry' }],
}
