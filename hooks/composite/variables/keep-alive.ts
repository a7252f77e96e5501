import { fitsPing } from '../../../lib/proxy/proxy-settings.ts'
import { balancerSchema } from '../../../lib/settings/balancer-settings.ts'
import { KEEP_ALIVE } from './balancer-fields.ts'
import { variableSchema } from './variable-schema.ts'

const SIDES = ['client', 'upstream'] as const

const fallback = (field: keyof typeof KEEP_ALIVE): number =>
  variableSchema(balancerSchema, KEEP_ALIVE[field]).default as number

/** Keep-alive of a balancer whose spec sets none. */
export const KEEP_ALIVE_DEFAULTS = {
  client: { pingSeconds: fallback('clientPingSeconds'), idleSeconds: fallback('clientIdleSeconds') },
  upstream: { pingSeconds: fallback('upstreamPingSeconds'), idleSeconds: fallback('upstreamIdleSeconds') },
} as const

/** Problems of `spec.keepAlive`, a line for each side: a balancer refuses to start with them. */
export function keepAliveProblems(given: { readonly [F in keyof typeof KEEP_ALIVE]?: number } = {}): string[] {
  return SIDES.flatMap(side => {
    const { [`${side}PingSeconds` as const]: ping = KEEP_ALIVE_DEFAULTS[side].pingSeconds } = given
    const { [`${side}IdleSeconds` as const]: idle = KEEP_ALIVE_DEFAULTS[side].idleSeconds } = given
    if (fitsPing(ping, idle)) return []
    return [
      `spec.keepAlive.${side}PingSeconds (${ping}) must be above 0 and below spec.keepAlive.${side}IdleSeconds (${idle})`,
    ]
  })
}
