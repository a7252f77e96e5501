import type { IncomingHttpHeaders } from 'node:http'
import { parseSelf } from '../../lib/routing/members.ts'
import { serviceError } from '../../lib/service/http/errors.ts'
import { MEMBER_HEADER } from '../../lib/service/names.ts'

/**
 * The member name that another sidecar claims, in canonical form: it is passed on to sidecars that refuse malformed
 * names. Older sidecars write an IPv6 address without brackets.
 *
 * @throws `WSO_ERR_BAD_MESSAGE` (400) if it is missing or malformed
 */
export function readMemberHeader(headers: IncomingHttpHeaders): string {
  const text = headers[MEMBER_HEADER]
  if (typeof text !== 'string') throw serviceError('BAD_MESSAGE', `the header ${MEMBER_HEADER} is missing`)
  try {
    return parseSelf(text).name
  } catch {
    throw serviceError('BAD_MESSAGE', `the header ${MEMBER_HEADER} is no host:port`)
  }
}
