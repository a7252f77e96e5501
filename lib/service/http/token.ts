import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { validateHeaderValue } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { serviceError } from './errors.ts'

/** The tokens of a setting: we send the first and accept all. */
const tokensOf = (setting: string): string[] => setting.split(',').flatMap(text => text.trim() || [])

/**
 * Problems of a token setting: at most one line, without the secret. An empty setting is valid: no token is required.
 */
export function tokenProblems(setting: string): string[] {
  if (setting === '') return []
  const tokens = tokensOf(setting)
  // The operator wants a check, but would get none.
  if (tokens.length === 0) return ['has no token in it']
  return tokens.every(isHeaderValue) ? [] : ['has a token with a character that no header can carry']
}

function isHeaderValue(text: string): boolean {
  try {
    validateHeaderValue('authorization', text)
    return true
  } catch {
    return false
  }
}

/** The token that a sidecar sends; empty: none. */
export const ownToken = (setting: string): string => tokensOf(setting)[0] ?? ''

/**
 * Makes a function that tells whether a request carries one of the tokens.
 *
 * @param tokens a list, or a comma-separated text; without tokens no request matches
 */
export function tokenMatcher(
  tokens: string | readonly string[],
): (request: Pick<FastifyRequest, 'headers'>) => boolean {
  const accepted = (typeof tokens === 'string' ? tokensOf(tokens) : tokens).map(token => digest(`Bearer ${token}`))
  return ({ headers: { authorization } }) => {
    if (accepted.length === 0 || authorization === undefined) return false
    const shown = digest(authorization)
    // Compares all tokens in a time that depends neither on where the texts differ nor on which token matches.
    return accepted.filter(token => timingSafeEqual(token, shown)).length > 0
  }
}

/**
 * Makes the check for callers: a request without one of the tokens gets `WSO_ERR_UNAUTHORIZED` (401). No tokens: no
 * check.
 */
export function tokenCheck(tokens: readonly string[]): (request: Pick<FastifyRequest, 'headers'>) => Promise<void> {
  const shows = tokenMatcher(tokens)
  return async request => {
    if (tokens.length > 0 && !shows(request)) throw serviceError('UNAUTHORIZED')
  }
}

/** Maximum tokens in a file: two are enough for a rotation. */
const MAX_TOKENS = 4

/**
 * Reads tokens from a file, such as a mounted Secret: one per line, surrounding white space removed. A token may
 * contain a comma.
 *
 * @throws if the file cannot be read or has invalid tokens; the message never contains the file's content
 */
export function readTokens(path: string): readonly string[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`cannot be read: ${(error as Error).message}`)
  }
  const tokens = text.split('\n').flatMap(line => line.trim() || [])
  if (tokens.length === 0 || tokens.length > MAX_TOKENS || !tokens.every(token => /^[\x21-\x7e]+$/.test(token))) {
    throw new Error(`must hold 1 to ${MAX_TOKENS} tokens of printable characters without spaces, one a line`)
  }
  return tokens
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
