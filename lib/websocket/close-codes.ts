/** Close codes of RFC 6455 §7.4 and the IANA registry that this project sends or distinguishes. */
export const CLOSE = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  /** Never on the wire: the peer's close frame had no code (RFC 6455 §7.1.5). */
  NO_STATUS: 1005,
  /** Never on the wire: the connection ended without a close frame (RFC 6455 §7.1.5). */
  ABNORMAL: 1006,
  INVALID_PAYLOAD: 1007,
  POLICY_VIOLATION: 1008,
  TOO_BIG: 1009,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
} as const
