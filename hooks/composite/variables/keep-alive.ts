import { fitsPing } from '../../../lib/proxy/proxy-settings.ts'
import { balancerSchema } from '../../../lib/settings/balancer-settings.ts'
import { KEEP_ALIVE } from './balancer-fields.ts'
import { variableSchema } from './variable-schema.ts'

const SIDES = ['client', 'upstream'] as const

const fallback = (field: keyof typeof KEEP_ALIVE): number =>
  variableSchema(balancerSchema, KEEP_ALIVE[field]).default as number

/** What a balancer does about silent sides where its spec says nothing. */
export const KEEP_ALIVE_DEFAULTS = {
  client: { pingSeconds: fallback('clientPingSeconds'), idleSeconds: fallback('clientIdleSeconds') },
  upstream: { pingSeconds: fallback('upstreamPingSeconds'), idleSeconds: fallback('upstreamIdleSeconds') },
} as const

/** What is wrong with `spec.keepAlive`, a line for each side: a balancer would not start with it. */
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
