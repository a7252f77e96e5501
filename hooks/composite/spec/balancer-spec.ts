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

/** Spec of a WebSocketBalancer; the CRD's schema is made from this, and everything in it has a bound. */
export const balancerSpec = Type.Object(
  {
    target: Type.String({
      minLength: 1,
      maxLength: 63,
      pattern: '^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$',
      description:
        'Name of the Deployment whose pods take the WebSockets, in the same namespace. It cannot be changed.',
      ...rules(['self == oldSelf', 'target cannot be changed; make another WebSocketBalancer']),
    }),
    targetUID: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description:
          'Written by ws-operator where it makes the object for a labelled Deployment: uid of that Deployment. Leave it out.',
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
        { description: 'Where the sidecars are found.' },
      ),
    ),
    replicas: Type.Optional(replicas),
    autoscaling: Type.Optional(autoscaling),
    image: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 512,
        description: 'Image of the balancer; that of this version of ws-operator if absent.',
      }),
    ),
    routing: Type.Optional(
      Type.Object(
        {
          key: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 1024,
              description: 'Where a handshake names its user: a chain of places, which must not name different users.',
            }),
          ),
          onMissing: Type.Optional(
            Type.Enum(MISSING_KEY_POLICIES, {
              description: 'A handshake without a user: random (placed anywhere, not addressable) or reject (400).',
            }),
          ),
        },
        { description: 'Which pod a connection goes to.' },
      ),
    ),
    rehome: Type.Optional(
      Type.Enum(REHOMES, {
        description:
          'A client whose pod ends or no longer owns the user: transparent (it keeps its socket) or close (1012); transparent if absent.',
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
                'gradual (they are moved, paced), on-reconnect (they go there when they connect again) or "off" (only when they connect again and have no other connection left; in YAML in quotes); gradual if absent.',
            }),
          ),
          ...integerFields(REBALANCE),
        },
        { description: 'Users who belong to another pod although theirs stays, since pods were added.' },
      ),
    ),
    drainSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 3600,
        description: `Longest time in which a balancer that ends closes its clients; ${DEFAULTS['drain-seconds']} if absent.`,
      }),
    ),
    exposeTopology: Type.Optional(
      Type.Boolean({
        description:
          'Whether clients are told of pods and addresses: in headers of every answer, and in the details of a 502, 503 or 504; false if absent.',
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
    description: 'What is wanted.',
    ...rules(
      // The default is there even where nobody has written it.
      [
        `!has(self.autoscaling) || !has(self.replicas) || self.replicas == ${DEFAULTS['balancer-replicas']}`,
        'replicas and autoscaling exclude each other',
      ],
      // So a forced apply onto an object that a user wrote is refused, instead of taking it over.
      [
        'has(self.targetUID) == has(oldSelf.targetUID) && (!has(self.targetUID) || self.targetUID == oldSelf.targetUID)',
        'targetUID cannot be changed: ws-operator leaves alone a WebSocketBalancer that it did not make for this Deployment. Delete it, or set ws.operator/balancer to none on the Deployment',
      ],
    ),
  },
)

export type BalancerSpec = Static<typeof balancerSpec>
