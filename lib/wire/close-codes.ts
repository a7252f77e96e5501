/** Close codes of RFC 6455 §7.4 (and the IANA registry) that this project sends or tells apart. */
export const CLOSE = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  /** Never on the wire: the peer's close frame had no code (RFC 6455 §7.1.5). */
  NO_STATUS: 1005,
  /** Never on the wire: the connection ended without a close frame (RFC 6455 §7.1.5). */
  ABNORMAL: 1006,
  INVALID_PAYLOAD: 1007,
  TOO_BIG: 1009,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
} as const

/**
 * The close code that tells the other side why a peer's bytes could not be read.
 *
 * @param errorCode `code` of an error that `ws` emits while it reads frames
 * @returns `undefined` for errors of the connection itself (a reset, say): those end without a close frame
 */
export function closeCodeOfReadError(errorCode: string | undefined): number | undefined {
  if (errorCode === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return CLOSE.TOO_BIG
  if (errorCode === 'WS_ERR_INVALID_UTF8') return CLOSE.INVALID_PAYLOAD
  return errorCode?.startsWith('WS_ERR_') ? CLOSE.PROTOCOL_ERROR : undefined
}
