import { Type } from 'typebox'
import { wireSettings } from '../proxy/proxy-settings.ts'
import { routingSettings } from '../routing/routing-settings.ts'
import { baseSettings } from '../service/base-settings.ts'
import { DEFAULT_PORT, REBALANCES, REHOME_HELLOS, REHOMES } from '../service/names.ts'

/** Largest first message that is repeated, in bytes. */
export const MAX_HELLO_BYTES = 16_384

/** All settings of a balancer. */
export const balancerSchema = Type.Object({
  ...baseSettings(DEFAULT_PORT),
  ...routingSettings,
  WORKERS: Type.Integer({
    minimum: 0,
    maximum: 256,
    default: 0,
    description:
      'Processes that share the port; 1: a single process; 0: one for each usable core for which there are 192 MiB of memory.',
  }),
  REHOME: Type.Enum(REHOMES, {
    default: 'auto',
    description:
      'What happens to a client whose pod goes away: transparent moves it, so it notices nothing; close closes it with 1012, so that it reconnects; auto moves it only if it has not sent any message and its protocol has no session in the app, and closes it otherwise. transparent is right for apps that know a client by its handshake.',
  }),
  REHOME_HELLO: Type.Enum(REHOME_HELLOS, {
    default: 'none',
    description: `first-text: a client's first text message is repeated to each new upstream, if it has at most ${MAX_HELLO_BYTES} bytes; for apps whose clients introduce themselves with it.`,
  }),
  REHOME_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 600_000,
    default: 10_000,
    description:
      'Maximum time for which a client without an upstream waits for another one; after it, the client is closed with 1012.',
  }),
  REHOME_LINGER_MS: Type.Integer({
    minimum: 0,
    maximum: 60_000,
    default: 1000,
    description: 'Time for which the old upstream may still answer after its client has moved.',
  }),
  REBALANCE: Type.Enum(REBALANCES, {
    default: 'gradual',
    description:
      'Users whose owner has changed: gradual moves their connections at a limited rate; with on-reconnect they change pods when they reconnect; with off, when they reconnect and have no other connection left.',
  }),
  REBALANCE_DELAY_SECONDS: Type.Integer({
    minimum: 0,
    maximum: 3600,
    default: 10,
    description: 'Time for which the members must be unchanged before connections are moved for balance.',
  }),
  MAX_MOVES_PER_SECOND: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 50,
    description: 'Maximum number of connections moved per second for balance.',
  }),
  ...wireSettings({ pingSeconds: 30, idleSeconds: 90 }),
})
