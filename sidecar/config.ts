import { checkWire } from '../lib/proxy/proxy-settings.ts'
import { parseSelf } from '../lib/routing/members.ts'
import { checkRouting, routingParsers } from '../lib/routing/routing-settings.ts'
import { loadConfig } from '../lib/service/config.ts'
import { tokenProblems } from '../lib/service/http/token.ts'
import { sidecarSchema } from '../lib/settings/sidecar-settings.ts'

/** @throws {ConfigError} naming every bad variable */
export const loadSidecarConfig = (env: NodeJS.ProcessEnv) =>
  loadConfig(sidecarSchema, { ...routingParsers, SELF: text => parseSelf(text).name }, env, config => [
    ...checkRouting(config),
    ...checkWire(config),
    // Checked here because the error message of a parser would quote the token.
    ...tokenProblems(config.TOKEN).map(problem => `WS_OPERATOR_TOKEN ${problem}`),
  ])

export type SidecarConfig = ReturnType<typeof loadSidecarConfig>

/** The settings that addressed messages need. */
export type MessagingConfig = Pick<
  SidecarConfig,
  | 'SELF'
  | 'TOKEN'
  | 'TARGET'
  | 'TRANSPORT'
  | 'DELIVER_TIMEOUT_MS'
  | 'RECIPIENT_WAIT_MS'
  | 'MAX_QUEUE_BYTES'
  | 'RECEIPTS'
  | 'RECIPIENT_FIELD'
  | 'ROUTE'
  | 'APP_HOST'
  | 'APP_PORT'
  | 'HANDSHAKE_TIMEOUT_MS'
  | 'MAX_HEADER_BYTES'
  | 'MAX_PAYLOAD_BYTES'
  | 'SENDER_REPLIES'
  | 'SENDER_IDLE_SECONDS'
  | 'MAX_SENDER_CONNECTIONS'
>
