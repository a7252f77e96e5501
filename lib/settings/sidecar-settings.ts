import { Type } from 'typebox'
import { wireSettings } from '../proxy/proxy-settings.ts'
import { routingSettings } from '../routing/routing-settings.ts'
import { baseSettings } from '../service/base-settings.ts'
import { DEFAULT_APP_PORT, DEFAULT_DRAIN_SECONDS, DEFAULT_PORT, RECIPIENT_FIELD } from '../service/names.ts'

/** Directions in which messages may be addressed: from clients, from the app, or both. */
export const ROUTES = ['inbound', 'outbound', 'both'] as const

/**
 * Destination of a client's addressed message: the app as its sender, the app as the recipient, or the recipient's
 * clients.
 */
export const DELIVERIES = ['sender', 'app', 'client'] as const

/** What happens to the app's output to a sender of another pod. */
export const SENDER_REPLIES = ['pass', 'drop'] as const

/** How sidecars send messages to each other. */
export const TRANSPORTS = ['link', 'http'] as const

/** All settings of a sidecar. */
export const sidecarSchema = Type.Object({
  ...baseSettings(DEFAULT_PORT),
  APP_HOST: Type.String({ default: '127.0.0.1', description: 'Address of the app.' }),
  APP_PORT: Type.Integer({ minimum: 1, maximum: 65_535, default: DEFAULT_APP_PORT, description: 'Port of the app.' }),
  SELF: Type.String({
    description: "This sidecar's own member name, host:port, as other sidecars and the balancer see it.",
  }),
  ...routingSettings,
  ROUTE: Type.Enum(ROUTES, {
    default: 'inbound',
    description: 'Messages that may be addressed: inbound (client to app), outbound (app to client) or both.',
  }),
  DELIVER: Type.Enum(DELIVERIES, {
    default: 'sender',
    description:
      "Destination of an addressed inbound message on the recipient's pod: the app, over a connection of the sender (sender); the app, over the most recently active connection of the recipient (app); or the recipient's clients (client). With app and client, any client can speak in another user's name.",
  }),
  SENDER_REPLIES: Type.Enum(SENDER_REPLIES, {
    default: 'pass',
    description:
      "With deliver sender, the output of the recipient's app on a connection of the sender: pass it to the sender's client, or drop it.",
  }),
  SENDER_IDLE_SECONDS: Type.Integer({
    minimum: 1,
    maximum: 86_400,
    default: 60,
    description: 'Idle time after which a connection into the app for a sender of another pod is closed.',
  }),
  MAX_SENDER_CONNECTIONS: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1000,
    description:
      'Maximum number of connections into the app for senders of other pods; above it, the least recently used one is closed, and opened again when needed.',
  }),
  RECIPIENT_FIELD: Type.String({
    default: RECIPIENT_FIELD,
    minLength: 1,
    description: 'Field of a JSON text message that names its recipient.',
  }),
  MAX_ADDRESSED_BYTES: Type.Integer({
    minimum: 1,
    maximum: 16_777_216,
    default: 1_048_576,
    description:
      'Maximum size of a message that is examined for a recipient, including the headers of its later frames; a larger one passes.',
  }),
  SLOW_MESSAGE_SECONDS: Type.Integer({
    minimum: 0,
    maximum: 86_400,
    default: 60,
    description:
      'Maximum time for a message that may be addressed to arrive completely; after it, the connection is closed with 1013. 0: off.',
  }),
  TOKEN: Type.String({
    default: '',
    description:
      'Secret that sidecars show each other; if empty, none is required. Of several, separated by commas, the first is shown and each is accepted.',
  }),
  TOKEN_REQUIRED: Type.Boolean({
    default: true,
    description: 'false: peers without a token are accepted too, until all have one; a wrong token never is.',
  }),
  TRANSPORT: Type.Enum(TRANSPORTS, {
    default: 'link',
    description:
      'How messages travel to other sidecars: over one connection to each (link; http if the other does not support links), or one request for each message (http).',
  }),
  DELIVER_TIMEOUT_MS: Type.Integer({
    minimum: 1,
    maximum: 600_000,
    default: 5000,
    description: 'Maximum time for one pod to answer an addressed message.',
  }),
  RECIPIENT_WAIT_MS: Type.Integer({
    minimum: 0,
    maximum: 60_000,
    default: 3000,
    description:
      'Time for which a message waits for a recipient that is not found while members change. Four times as long if the recipient left a moment ago, if a pod that may have the recipient is unreachable, or if no other pod was known until recently.',
  }),
  RECEIPTS: Type.Boolean({
    default: false,
    description: 'Whether clients get a text message with the outcome of each of their addressed messages.',
  }),
  DRAIN_SECONDS: Type.Integer({
    minimum: 0,
    maximum: 3600,
    default: DEFAULT_DRAIN_SECONDS,
    description:
      'Maximum time to hand all clients over to other pods before this one ends; the remaining ones are closed with 1012.',
  }),
  // The balancer pings its clients, so the sidecar need not.
  ...wireSettings({ pingSeconds: 0, idleSeconds: 0 }),
})
