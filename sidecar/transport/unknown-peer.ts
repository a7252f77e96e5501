import type { IncomingHttpHeaders } from 'node:http'
import { ERRORS } from '../../lib/service/http/errors.ts'
import { ERROR_HEADER } from '../../lib/service/names.ts'

/**
 * Whether the responding sidecar does not have us in its member list yet: it accepts our messages as soon as it does.
 */
export const isUnknownPeer = (headers: IncomingHttpHeaders): boolean =>
  headers[ERROR_HEADER] === ERRORS.UNKNOWN_PEER.code
