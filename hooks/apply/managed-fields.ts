import type { Container as SidecarContainer } from 'kubernetes-types/core/v1.d.ts'
import { SIDECAR_CONTAINER, STATUS_ANNOTATION } from '../../lib/service/names.ts'
import type { Container, Deployment, ObservedObject } from '../requests/schemas.ts'

/** A set of fields as `managedFields` writes it (structured-merge-diff's fieldsV1): `f:` field, `k:` list item by key. */
export type FieldSet = { readonly [path: string]: FieldSet }

export type ContainerList = 'initContainers' | 'containers'

/** The container of a pod template that has the sidecar's name. */
export interface FoundSidecar {
  readonly list: ContainerList
  readonly container: Container
}

/** The sidecar that a pod template shall have, and in which list. */
export interface DesiredSidecar {
  readonly list: ContainerList
  readonly sidecar: SidecarContainer
}

/** The environment variable that only a sidecar of ours has. */
export const SELF_ENV = 'WS_OPERATOR_SELF'

/**
 * The fields that Metacontroller has applied to an object for us. Found by the ownerReference to `owner`, which no other manager
 * applies; the manager's name is a flag of Metacontroller and may differ.
 */
export function appliedByUs(object: Pick<ObservedObject, 'metadata'>, owner: string): FieldSet | undefined {
  const reference = `k:${JSON.stringify({ uid: owner })}`
  return applied(object).find(fields => at(fields, 'f:metadata', 'f:ownerReferences', reference))
}

/** Names of the field managers that have applied the ownerReference to `owner`, sorted: one for each Metacontroller that runs our controllers. */
export function ownerManagers({ metadata }: Pick<ObservedObject, 'metadata'>, owner: string): string[] {
  const reference = `k:${JSON.stringify({ uid: owner })}`
  const entries = (metadata.managedFields ?? []).filter(({ fieldsV1 }) =>
    at((fieldsV1 ?? {}) as FieldSet, 'f:metadata', 'f:ownerReferences', reference),
  )
  return [...new Set(entries.map(({ manager = 'unknown' }) => manager))].sort()
}

/** The container with the sidecar's name; it need not be ours. */
export function findSidecar(deployment: Deployment): FoundSidecar | undefined {
  const pod = deployment.spec.template.spec
  for (const list of ['initContainers', 'containers'] as const) {
    const container = pod[list]?.find(({ name }) => name === SIDECAR_CONTAINER)
    if (container) return { list, container }
  }
  return undefined
}

/** Whether we made that container: by its environment, or by what we applied. */
export function isOurs(deployment: Deployment, { list, container }: FoundSidecar): boolean {
  if (container.env?.some(({ name }) => name === SELF_ENV)) return true
  return appliedContainer(deployment, list) !== undefined
}

/** Whether the status in the annotations says that this Deployment has a sidecar. */
export const wasInjected = ({ metadata }: Deployment): boolean =>
  ['Injected', 'RemovalBlocked'].includes(metadata.annotations?.[STATUS_ANNOTATION] ?? '')

/** Whether we still own anything of the pod template. */
export function ownsTemplate(deployment: Deployment): boolean {
  const ours = appliedByUs(deployment, deployment.metadata.uid)
  return ours !== undefined && at(ours, 'f:spec') !== undefined
}

/** Names of the other field managers that own a part of the sidecar container, or of the field at a path in it; sorted. */
export function otherOwners(deployment: Deployment, { list }: FoundSidecar, ...path: string[]): string[] {
  const ours = appliedByUs(deployment, deployment.metadata.uid)
  const names = new Set<string>()
  for (const { manager = 'unknown', fieldsV1 } of deployment.metadata.managedFields ?? []) {
    if (!fieldsV1 || fieldsV1 === ours) continue
    const container = containerFields(fieldsV1 as FieldSet, list)
    if (container && at(container, ...path)) names.add(manager)
  }
  return [...names].sort()
}

/** Whether we are the only owner of the field at a path. */
export function ownsAlone(object: Pick<ObservedObject, 'metadata'>, owner: string, ...path: string[]): boolean {
  const ours = appliedByUs(object, owner)
  if (ours === undefined || at(ours, ...path) === undefined) return false
  return (object.metadata.managedFields ?? []).every(
    ({ fieldsV1 }) => fieldsV1 === ours || at((fieldsV1 ?? {}) as FieldSet, ...path) === undefined,
  )
}

const applied = ({ metadata }: Pick<ObservedObject, 'metadata'>): FieldSet[] =>
  (metadata.managedFields ?? [])
    .filter(({ operation, fieldsV1 }) => operation === 'Apply' && fieldsV1 !== undefined)
    .map(({ fieldsV1 }) => fieldsV1 as FieldSet)

/** The fields of the sidecar container that we have applied in that list; `undefined` where none is recorded as ours. */
export function appliedContainer(deployment: Deployment, list: ContainerList): FieldSet | undefined {
  const ours = appliedByUs(deployment, deployment.metadata.uid)
  return ours && containerFields(ours, list)
}

/** The fields of a Deployment's pod template that we have applied for `owner`. */
export function appliedTemplate(deployment: Pick<ObservedObject, 'metadata'>, owner: string): FieldSet | undefined {
  const ours = appliedByUs(deployment, owner)
  return ours && at(ours, 'f:spec', 'f:template')
}

const containerFields = (fields: FieldSet, list: ContainerList): FieldSet | undefined =>
  at(fields, 'f:spec', 'f:template', 'f:spec', `f:${list}`, `k:${JSON.stringify({ name: SIDECAR_CONTAINER })}`)

/** The set of fields at a path; `undefined` where there is none. */
function at(fields: FieldSet, ...path: string[]): FieldSet | undefined {
  let here: unknown = fields
  for (const step of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined
    here = (here as FieldSet)[step]
  }
  return typeof here === 'object' && here !== null ? (here as FieldSet) : undefined
}
