import { Type } from 'typebox'
import { checkRouting, routingParsers, routingSettings } from '../lib/routing/settings.ts'
import { loadConfig } from '../lib/service/config.ts'
import { DEFAULT_PORT } from '../lib/service/names.ts'
import { baseSettings } from '../lib/service/settings.ts'
import { wireSettings } from '../lib/wire/settings.ts'

/** Everything a balancer can be told, by environment. */
export const balancerSchema = Type.Object({
  ...baseSettings(DEFAULT_PORT),
  ...routingSettings,
  WORKERS: Type.Integer({
    minimum: 0,
    maximum: 256,
    default: 0,
    description:
      'Processes that share the port; 1 is one process alone, 0 one for each core it may use that it has 192 MiB of memory for.',
  }),
  ...wireSettings({ pingSeconds: 30, idleSeconds: 90 }),
})

/** @throws {ConfigError} naming every bad variable */
export const loadBalancerConfig = (env: NodeJS.ProcessEnv) =>
  loadConfig(balancerSchema, routingParsers, env, checkRouting)

export type BalancerConfig = ReturnType<typeof loadBalancerConfig>
