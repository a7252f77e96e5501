import type { IncomingHttpHeaders } from 'node:http'
import { serviceError } from '../../lib/service/http/errors.ts'
import { TARGET_HEADER } from '../../lib/service/names.ts'

/** Whether a request is meant for the pods of another Deployment. One that does not say whom it means is meant for this. */
export function meansOther(own: string, headers: IncomingHttpHeaders): boolean {
  const meant = headers[TARGET_HEADER]
  return meant !== undefined && own !== '' && meant !== own
}

/**
 * Refuses what is meant for the pods of another Deployment: this pod has the address that one of them had, and what clients send, their
 * cookies among it, is not for this app.
 *
 * @throws `WSO_ERR_WRONG_TARGET` (503)
 */
export function assertTarget(own: string, headers: IncomingHttpHeaders): void {
  if (meansOther(own, headers)) throw serviceError('WRONG_TARGET')
}
