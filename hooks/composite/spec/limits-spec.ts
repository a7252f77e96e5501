import { Type } from 'typebox'
import { KEEP_ALIVE, LIMITS, TIMEOUTS } from '../variables/balancer-fields.ts'
import { KEEP_ALIVE_DEFAULTS } from '../variables/keep-alive.ts'
import { integerFields } from '../variables/variable-schema.ts'
import { rules } from './cel.ts'

export const limits = Type.Object(integerFields(LIMITS), {
  description: 'Limits of the balancer. The sidecars have their own limits, set by annotations of the Deployment.',
})

export const timeouts = Type.Object(integerFields(TIMEOUTS), {
  description: 'Timeouts of the balancer. The sidecars have their own, set by annotations of the Deployment.',
})

const pingRule = (side: keyof typeof KEEP_ALIVE_DEFAULTS) => {
  const value = (what: 'Ping' | 'Idle', fallback: number) => {
    const field = `self.${side}${what}Seconds`
    return `(has(${field}) ? ${field} : ${fallback})`
  }
  const { pingSeconds, idleSeconds } = KEEP_ALIVE_DEFAULTS[side]
  const [ping, idle] = [value('Ping', pingSeconds), value('Idle', idleSeconds)]
  return [
    `${idle} == 0 || (${ping} > 0 && ${ping} < ${idle})`,
    `${side}PingSeconds (${pingSeconds} if absent) must be above 0 and below ${side}IdleSeconds (${idleSeconds} if absent)`,
  ] as const
}

export const keepAlive = Type.Object(integerFields(KEEP_ALIVE), {
  description: 'When an idle side gets a ping, and when it counts as gone.',
  ...rules(pingRule('client'), pingRule('upstream')),
})
