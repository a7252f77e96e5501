import { checkWire } from '../lib/proxy/proxy-settings.ts'
import { checkRouting, routingParsers } from '../lib/routing/routing-settings.ts'
import { loadConfig } from '../lib/service/config.ts'
import { balancerSchema } from '../lib/settings/balancer-settings.ts'

/** @throws {ConfigError} naming every bad variable */
export const loadBalancerConfig = (env: NodeJS.ProcessEnv) =>
  loadConfig(balancerSchema, routingParsers, env, config => [...checkRouting(config), ...checkWire(config)])

export type BalancerConfig = ReturnType<typeof loadBalancerConfig>
