import { Type } from 'typebox'
import { wireSettings } from '../proxy/proxy-settings.ts'
import { routingSettings } from '../routing/routing-settings.ts'
import { baseSettings } from '../service/base-settings.ts'
import { DEFAULT_APP_PORT, DEFAULT_DRAIN_SECONDS, DEFAULT_PORT, RECIPIENT_FIELD } from '../service/names.ts'

/** Which messages are looked at for a recipient: from clients, from the app, or both. */
export const ROUTES = ['inbound', 'outbound', 'both'] as const

/** Where an addressed message of a client ends: in the app, as its sender's or as the recipient's, or at the recipient's clients. */
export const DELIVERIES = ['sender', 'app', 'client'] as const

/** What becomes of what the app writes to a sender of another pod. */
export const SENDER_REPLIES = ['pass', 'drop'] as const

/** How sidecars pass messages to each other. */
export const TRANSPORTS = ['link', 'http'] as const

/** Everything a sidecar can be told, by environment. */
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
      "Where an addressed inbound message goes at the recipient's pod: into the app on a connection of its sender (sender), into the app on the one connection of the recipient that was heard of last (app), or to the recipient's clients (client). With app and client, any client speaks in another's name.",
  }),
  SENDER_REPLIES: Type.Enum(SENDER_REPLIES, {
    default: 'pass',
    description:
      "With deliver sender, what the app of the recipient's pod writes on a connection of the sender: passed to the sender's client (pass), or not (drop).",
  }),
  SENDER_IDLE_SECONDS: Type.Integer({
    minimum: 1,
    maximum: 86_400,
    default: 60,
    description: 'How long a connection into the app for a sender of another pod is kept without a message.',
  }),
  MAX_SENDER_CONNECTIONS: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1000,
    description:
      'Most connections into the app for senders of other pods; with more, the one used longest ago is closed, and opened again when it is needed.',
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
      'Largest message that is looked at for a recipient, the headers of its further frames included; a larger one passes.',
  }),
  SLOW_MESSAGE_SECONDS: Type.Integer({
    minimum: 0,
    maximum: 86_400,
    default: 60,
    description:
      'Longest time for a message that may be addressed to come whole; then its connection is closed with 1013. 0: off.',
  }),
  TOKEN: Type.String({
    default: '',
    description:
      'Secret that sidecars show each other; empty: none is asked for. Of several, with commas between, the first is shown and each is taken.',
  }),
  TOKEN_REQUIRED: Type.Boolean({
    default: true,
    description: 'false: who shows no token is let in too, for as long as not all have one; a wrong one never is.',
  }),
  TRANSPORT: Type.Enum(TRANSPORTS, {
    default: 'link',
    description:
      'How messages go to other sidecars: on one connection to each (link; http where the other knows no link), or as a request each (http).',
  }),
  DELIVER_TIMEOUT_MS: Type.Integer({
    minimum: 1,
    maximum: 600_000,
    default: 5000,
    description: 'Longest time one pod may take for an addressed message.',
  }),
  RECIPIENT_WAIT_MS: Type.Integer({
    minimum: 0,
    maximum: 60_000,
    default: 3000,
    description:
      'How long a message waits for a recipient who is not found while members change; four times as long for one who was connected a moment ago, where a pod that may have them cannot be reached, or where no other pod was known until a short time ago.',
  }),
  RECEIPTS: Type.Boolean({
    default: false,
    description: 'Whether clients are told what became of each of their addressed messages, by a text message.',
  }),
  DRAIN_SECONDS: Type.Integer({
    minimum: 0,
    maximum: 3600,
    default: DEFAULT_DRAIN_SECONDS,
    description:
      'Longest time to hand all clients over to other pods before this one ends; those that are left are closed with 1012.',
  }),
  // The balancer looks after its clients, so nobody pings twice.
  ...wireSettings({ pingSeconds: 0, idleSeconds: 0 }),
})
