import type { IncomingHttpHeaders } from 'node:http'
import { serviceError } from '../../lib/service/http/errors.ts'
import { TARGET_HEADER } from '../../lib/service/names.ts'

/** Whether a request is meant for another Deployment's pods. A request without a target is meant for this one. */
export function meansOther(own: string, headers: IncomingHttpHeaders): boolean {
  const meant = headers[TARGET_HEADER]
  return meant !== undefined && own !== '' && meant !== own
}

/**
 * Refuses a request meant for another Deployment's pods: this pod has reused the address of one of them, and clients'
 * data, such as cookies, must not reach this app.
 *
 * @throws `WSO_ERR_WRONG_TARGET` (503)
 */
export function assertTarget(own: string, headers: IncomingHttpHeaders): void {
  if (meansOther(own, headers)) throw serviceError('WRONG_TARGET')
}
