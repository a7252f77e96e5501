import { Type } from 'typebox'
import { DEFAULT_ROUTING_KEY } from '../service/names.ts'
import { parseRoutingKey } from './key/routing-key.ts'
import { parseMembers } from './members.ts'

/** Kinds of discovery. */
export const DISCOVERIES = ['static', 'file', 'dns', 'kubernetes'] as const

/** Policies for handshakes that name no user. */
export const MISSING_KEY_POLICIES = ['random', 'reject'] as const

/** Settings for the members and for the owner of a user; identical in balancer and sidecar. */
export const routingSettings = {
  DISCOVERY: Type.Enum(DISCOVERIES, { default: 'static', description: 'Source of the members.' }),
  MEMBERS: Type.String({ default: '', description: 'For static: host:port[=weight], separated by commas.' }),
  MEMBERS_FILE: Type.String({
    default: '',
    description: 'For file: path of a JSON array of host:port[=weight]; watched.',
  }),
  SRV_DNS_RECORD: Type.String({
    default: '',
    description: 'For dns: the SRV record of a headless Service, queried every few seconds.',
  }),
  SERVICE: Type.String({
    default: '',
    pattern: '^([a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9-]*[a-z0-9])?)?$',
    description: 'For kubernetes: namespace/name of the Service whose EndpointSlices are watched.',
  }),
  TARGET: Type.String({
    default: '',
    pattern: '^([a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$',
    description:
      'namespace/name of the Deployment whose pods serve the WebSockets. It is sent with each handshake and message, and sidecars of another Deployment refuse them. Empty: neither sent nor checked.',
  }),
  ROUTING_KEY: Type.String({
    default: DEFAULT_ROUTING_KEY,
    description:
      'Places of a handshake that name its user: header:NAME, query:NAME, cookie:NAME, jwt:CLAIM, jwt:CLAIM@PLACE:NAME, path:REGEX, protocol:PREFIX, separated by commas. If they name different users, the answer is 400.',
  }),
  ON_MISSING_KEY: Type.Enum(MISSING_KEY_POLICIES, {
    default: 'random',
    description: 'A handshake without a user: random (placed anywhere, not addressable) or reject (400).',
  }),
}

/** Parsers for {@link routingSettings}. */
export const routingParsers = { MEMBERS: parseMembers, ROUTING_KEY: parseRoutingKey } as const

/** The setting that each kind of discovery requires. */
const NEEDS = { static: 'MEMBERS', file: 'MEMBERS_FILE', dns: 'SRV_DNS_RECORD', kubernetes: 'SERVICE' } as const

/** Checks the routing settings against each other; one line for each problem. */
export function checkRouting(
  config: { DISCOVERY: keyof typeof NEEDS } & Record<(typeof NEEDS)[keyof typeof NEEDS], { length: number }>,
): string[] {
  const needed = NEEDS[config.DISCOVERY]
  return config[needed].length > 0
    ? []
    : [`WS_OPERATOR_${needed} is required with WS_OPERATOR_DISCOVERY=${config.DISCOVERY}`]
}
