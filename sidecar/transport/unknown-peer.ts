import type { IncomingHttpHeaders } from 'node:http'
import { ERRORS } from '../../lib/service/http/errors.ts'
import { ERROR_HEADER } from '../../lib/service/names.ts'

/** Whether this is the answer of a sidecar whose list of members does not have us yet: it will take what we send as soon as it does. */
export const isUnknownPeer = (headers: IncomingHttpHeaders): boolean =>
  headers[ERROR_HEADER] === ERRORS.UNKNOWN_PEER.code
