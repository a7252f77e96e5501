import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { FastifyRequest } from 'fastify'
import { serviceError } from './errors.ts'

/**
 * Makes the check that callers have to pass.
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

/**
 * Reads a token from a file, such as a mounted Secret, without the white space around it.
 *
 * @throws where the file cannot be read or holds nothing that a header could carry
 */
export function readToken(path: string): string {
  let token: string
  try {
    token = readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new Error(`cannot be read: ${(error as Error).message}`)
  }
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('must hold one token of printable characters without spaces')
  return token
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
