import { Type } from 'typebox'
import { wireSettings } from '../proxy/proxy-settings.ts'
import { routingSettings } from '../routing/routing-settings.ts'
import { baseSettings } from '../service/base-settings.ts'
import { DEFAULT_PORT, REBALANCES, REHOME_HELLOS, REHOMES } from '../service/names.ts'

/** Largest first message that is repeated. */
export const MAX_HELLO_BYTES = 16_384

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
  REHOME: Type.Enum(REHOMES, {
    default: 'transparent',
    description:
      'What a client notices when the pod behind it goes: nothing (transparent), or a close with 1012, so that it connects again (close).',
  }),
  REHOME_HELLO: Type.Enum(REHOME_HELLOS, {
    default: 'none',
    description: `For apps to which a client introduces itself: its first text message is repeated to each new upstream (first-text), if it has at most ${MAX_HELLO_BYTES} bytes.`,
  }),
  REHOME_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 600_000,
    default: 10_000,
    description:
      'Longest time that a client waits for another upstream when its own is gone; then it is closed with 1012.',
  }),
  REHOME_LINGER_MS: Type.Integer({
    minimum: 0,
    maximum: 60_000,
    default: 1000,
    description: 'How long an upstream may still answer after its client has got another one.',
  }),
  REBALANCE: Type.Enum(REBALANCES, {
    default: 'gradual',
    description:
      'When a user has become those of another pod: their connections are moved, paced (gradual); they go there when they connect again (on-reconnect); or when they connect again and have no other connection left (off).',
  }),
  REBALANCE_DELAY_SECONDS: Type.Integer({
    minimum: 0,
    maximum: 3600,
    default: 10,
    description: 'How long the members must have stayed the same before connections are moved for balance.',
  }),
  MAX_MOVES_PER_SECOND: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 50,
    description: 'Most connections that are moved in a second for balance.',
  }),
  ...wireSettings({ pingSeconds: 30, idleSeconds: 90 }),
})
