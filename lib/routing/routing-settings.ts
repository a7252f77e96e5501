import { Type } from 'typebox'
import { DEFAULT_ROUTING_KEY } from '../service/names.ts'
import { parseRoutingKey } from './key/routing-key.ts'
import { parseMembers } from './members.ts'

/** Where members come from. */
export const DISCOVERIES = ['static', 'file', 'dns', 'kubernetes'] as const

/** What happens to a handshake that names no user. */
export const MISSING_KEY_POLICIES = ['random', 'reject'] as const

/** Settings that say who the members are and which of them owns a user; balancer and sidecar have the same. */
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

/** Where each discovery gets its members: the setting that must not be empty. */
const NEEDS = { static: 'MEMBERS', file: 'MEMBERS_FILE', dns: 'SRV_DNS_RECORD', kubernetes: 'SERVICE' } as const

/** What must hold between the routing settings: one line for each problem. */
export function checkRouting(
  config: { DISCOVERY: keyof typeof NEEDS } & Record<(typeof NEEDS)[keyof typeof NEEDS], { length: number }>,
): string[] {
  const needed = NEEDS[config.DISCOVERY]
  return config[needed].length > 0
    ? []
    : [`WS_OPERATOR_${needed} is required with WS_OPERATOR_DISCOVERY=${config.DISCOVERY}`]
}
