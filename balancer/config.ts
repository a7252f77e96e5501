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
  ...wireSettings({ pingSeconds: 30, idleSeconds: 90 }),
})

/** @throws {ConfigError} naming every bad variable */
export const loadBalancerConfig = (env: NodeJS.ProcessEnv) =>
  loadConfig(balancerSchema, routingParsers, env, checkRouting)

export type BalancerConfig = ReturnType<typeof loadBalancerConfig>
