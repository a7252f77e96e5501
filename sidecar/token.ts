import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { serviceError } from '../lib/service/errors.ts'

/**
 * Makes the check that other sidecars have to pass.
 *
 * @param token what they have to show; empty: nothing
 * @returns a hook that throws `WSO_ERR_UNAUTHORIZED` (401)
 */
export function tokenCheck(token: string): (request: Pick<FastifyRequest, 'headers'>) => Promise<void> {
  const expected = digest(`Bearer ${token}`)
  return async ({ headers }) => {
    // Compares in a time that does not depend on where the texts differ.
    if (token !== '' && !timingSafeEqual(digest(headers.authorization ?? ''), expected))
      throw serviceError('UNAUTHORIZED')
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
