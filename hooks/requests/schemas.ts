import { type Static, type TObject, type TProperties, Type } from 'typebox'

/**
 * The fields of a request that the hooks read. Kubernetes objects have many more, and get new ones: all are allowed, and none is
 * changed.
 */
const open = <P extends TProperties>(properties: P): TObject<P> =>
  Type.Object(properties, { additionalProperties: true })

const strings = Type.Record(Type.String(), Type.String())

const ownerReference = open({
  kind: Type.String(),
  name: Type.String(),
  uid: Type.String(),
  controller: Type.Optional(Type.Boolean()),
})

const managedFieldsEntry = open({
  manager: Type.Optional(Type.String()),
  operation: Type.Optional(Type.String()),
  subresource: Type.Optional(Type.String()),
  time: Type.Optional(Type.String()),
  fieldsV1: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})

const metadata = open({
  name: Type.String({ minLength: 1 }),
  namespace: Type.String({ minLength: 1 }),
  uid: Type.String({ minLength: 1 }),
  generation: Type.Optional(Type.Integer()),
  creationTimestamp: Type.Optional(Type.String()),
  deletionTimestamp: Type.Optional(Type.String()),
  labels: Type.Optional(strings),
  annotations: Type.Optional(strings),
  ownerReferences: Type.Optional(Type.Array(ownerReference)),
  managedFields: Type.Optional(Type.Array(managedFieldsEntry)),
})

const container = open({
  name: Type.String(),
  restartPolicy: Type.Optional(Type.String()),
  ports: Type.Optional(
    Type.Array(
      open({
        name: Type.Optional(Type.String()),
        containerPort: Type.Integer(),
        protocol: Type.Optional(Type.String()),
      }),
    ),
  ),
  env: Type.Optional(Type.Array(open({ name: Type.String() }))),
  lifecycle: Type.Optional(open({ preStop: Type.Optional(open({})) })),
})

const podSpec = open({
  containers: Type.Array(container),
  initContainers: Type.Optional(Type.Array(container)),
  serviceAccountName: Type.Optional(Type.String()),
  hostNetwork: Type.Optional(Type.Boolean()),
  terminationGracePeriodSeconds: Type.Optional(Type.Integer()),
})

const deployment = open({
  apiVersion: Type.Literal('apps/v1'),
  kind: Type.Literal('Deployment'),
  metadata,
  spec: open({
    selector: open({
      matchLabels: Type.Optional(strings),
      matchExpressions: Type.Optional(Type.Array(open({}))),
    }),
    template: open({ spec: podSpec }),
  }),
  // Written by Kubernetes: an unexpected status is no reason to refuse the object.
  status: Type.Optional(Type.Unknown()),
})

const anyObject = open({ apiVersion: Type.String(), kind: Type.String(), metadata })

/** By `Kind.apiVersion`, then by name. */
const objects = Type.Record(Type.String(), Type.Record(Type.String(), anyObject))

const balancer = open({
  apiVersion: Type.String(),
  kind: Type.Literal('WebSocketBalancer'),
  metadata,
  // Checked later: its problems are reported in the object's status, not to Metacontroller.
  spec: Type.Optional(Type.Unknown()),
  status: Type.Optional(Type.Unknown()),
})

/** Body of the decorator's sync and finalize hooks. */
export const decoratorRequest = open({ object: deployment, attachments: objects, finalizing: Type.Boolean() })

/** Body of the composite's sync and finalize hooks. */
export const compositeRequest = open({
  parent: balancer,
  children: objects,
  // The objects that the customize hook selected.
  related: Type.Optional(objects),
  finalizing: Type.Boolean(),
})

/** Body of both customize hooks. */
export const customizeRequest = open({
  parent: open({ kind: Type.Optional(Type.String()), metadata, spec: Type.Optional(Type.Unknown()) }),
})

export type Container = Static<typeof container>
export type PodSpec = Static<typeof podSpec>
export type Deployment = Static<typeof deployment>
export type ObservedObject = Static<typeof anyObject>
export type ObservedObjects = Static<typeof objects>
export type Balancer = Static<typeof balancer>
export type DecoratorRequest = Static<typeof decoratorRequest>
export type CompositeRequest = Static<typeof compositeRequest>
export type CustomizeRequest = Static<typeof customizeRequest>
