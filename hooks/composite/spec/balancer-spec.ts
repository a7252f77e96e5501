import { type Static, Type } from 'typebox'
import { PLAIN_HTTP_POLICIES } from '../../../lib/proxy/proxy-settings.ts'
import { MISSING_KEY_POLICIES } from '../../../lib/routing/routing-settings.ts'
import { LOG_LEVELS } from '../../../lib/service/log/log.ts'
import { headlessServiceName, REBALANCES, REHOME_HELLOS, REHOMES } from '../../../lib/service/names.ts'
import { DEFAULTS } from '../../annotations/annotations.ts'
import { REBALANCE } from '../variables/balancer-fields.ts'
import { fieldDescription, integerFields } from '../variables/variable-schema.ts'
import { affinity } from './affinity-spec.ts'
import { rules } from './cel.ts'
import { keepAlive, limits, timeouts } from './limits-spec.ts'
import { nodeSelector, tolerations } from './nodes-spec.ts'
import { imagePullSecrets, podLabels, priorityClassName } from './pod-spec.ts'
import { resources } from './resources-spec.ts'
import { autoscaling, replicas } from './scale-spec.ts'
import { service } from './service-spec.ts'

const SERVICE_NAME = '^[a-z]([-a-z0-9]*[a-z0-9])?$'

/** Spec of a WebSocketBalancer. The CRD's schema is generated from it; every field has a bound. */
export const balancerSpec = Type.Object(
  {
    target: Type.String({
      minLength: 1,
      maxLength: 63,
      pattern: '^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$',
      description:
        'Name of the Deployment whose pods serve the WebSockets, in the same namespace. It cannot be changed.',
      ...rules(['self == oldSelf', 'target cannot be changed; make another WebSocketBalancer']),
    }),
    targetUID: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description:
          'Set by ws-operator when it creates the object for a labelled Deployment: the uid of that Deployment. Do not set it.',
      }),
    ),
    backend: Type.Optional(
      Type.Object(
        {
          service: Type.String({
            minLength: 1,
            maxLength: 63,
            pattern: SERVICE_NAME,
            description: `Name of the headless Service of the sidecars; ${headlessServiceName('<target>')} if absent.`,
          }),
        },
        { description: 'How the balancer finds the sidecars.' },
      ),
    ),
    replicas: Type.Optional(replicas),
    autoscaling: Type.Optional(autoscaling),
    image: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 512,
        description: 'Image of the balancer; if absent, the image of this version of ws-operator.',
      }),
    ),
    routing: Type.Optional(
      Type.Object(
        {
          key: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 1024,
              description: 'Places of a handshake that name its user, as a chain; they must not name different users.',
            }),
          ),
          onMissing: Type.Optional(
            Type.Enum(MISSING_KEY_POLICIES, {
              description: 'A handshake without a user: random (placed anywhere, not addressable) or reject (400).',
            }),
          ),
        },
        { description: 'How the balancer chooses the pod of a connection.' },
      ),
    ),
    rehome: Type.Optional(
      Type.Enum(REHOMES, {
        description:
          'What happens to a client whose pod terminates or no longer owns the user: with transparent it keeps its socket; with close it is closed with 1012; auto moves only clients that have not sent any message and whose protocol has no session in the app, and closes the others. auto if absent.',
      }),
    ),
    rehomeHello: Type.Optional(
      Type.Enum(REHOME_HELLOS, {
        description: "first-text: a client's new pod gets the client's first text message again; none if absent.",
      }),
    ),
    rebalance: Type.Optional(
      Type.Object(
        {
          policy: Type.Optional(
            Type.Enum(REBALANCES, {
              description:
                'gradual moves them at a limited rate; with on-reconnect they change pods when they reconnect; with "off" (in quotes in YAML), when they reconnect and have no other connection left. gradual if absent.',
            }),
          ),
          ...integerFields(REBALANCE),
        },
        { description: 'What happens to users whose owner has changed because pods were added.' },
      ),
    ),
    drainSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 3600,
        description: `Maximum time for a terminating balancer to close its clients; ${DEFAULTS['drain-seconds']} if absent.`,
      }),
    ),
    exposeTopology: Type.Optional(
      Type.Boolean({
        description:
          'Whether answers tell clients about pods and addresses: in headers of every answer, and in the details of a 502, 503 or 504; false if absent.',
      }),
    ),
    logLevel: Type.Optional(Type.Enum(LOG_LEVELS, { description: 'Log level of the balancer; info if absent.' })),
    service: Type.Optional(service),
    limits: Type.Optional(limits),
    timeouts: Type.Optional(timeouts),
    keepAlive: Type.Optional(keepAlive),
    plainHttp: Type.Optional(Type.Enum(PLAIN_HTTP_POLICIES, { description: fieldDescription('PLAIN_HTTP') })),
    ...integerFields({ workers: 'WORKERS' }),
    resources: Type.Optional(resources),
    nodeSelector: Type.Optional(nodeSelector),
    tolerations: Type.Optional(tolerations),
    affinity: Type.Optional(affinity),
    priorityClassName: Type.Optional(priorityClassName),
    podLabels: Type.Optional(podLabels),
    imagePullSecrets: Type.Optional(imagePullSecrets),
  },
  {
    description: 'Desired state.',
    ...rules(
      // The API server fills in the default.
      [
        `!has(self.autoscaling) || !has(self.replicas) || self.replicas == ${DEFAULTS['balancer-replicas']}`,
        'replicas and autoscaling exclude each other',
      ],
      // Makes the API server refuse a forced apply onto an object that a user wrote, instead of taking it over.
      [
        'has(self.targetUID) == has(oldSelf.targetUID) && (!has(self.targetUID) || self.targetUID == oldSelf.targetUID)',
        'targetUID cannot be changed: ws-operator leaves alone a WebSocketBalancer that it did not make for this Deployment. Delete it, or set ws.operator/balancer to none on the Deployment',
      ],
    ),
  },
)

export type BalancerSpec = Static<typeof balancerSpec>
