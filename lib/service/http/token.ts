import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { validateHeaderValue } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { serviceError } from './errors.ts'

/** The tokens of a setting: the first is shown to others, each is taken from them. */
const tokensOf = (setting: string): string[] => setting.split(',').flatMap(text => text.trim() || [])

/** What is wrong with a setting of tokens: at most one line, without the secret. An empty setting is right: it asks for no token. */
export function tokenProblems(setting: string): string[] {
  if (setting === '') return []
  const tokens = tokensOf(setting)
  // Whoever sets it wants a check, and would get none.
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

/** The token that a sidecar shows; empty: none. */
export const ownToken = (setting: string): string => tokensOf(setting)[0] ?? ''

/**
 * Makes the function that tells whether a request shows one of some tokens.
 *
 * @param tokens a list, or a text with commas between; none: no request does
 */
export function tokenMatcher(
  tokens: string | readonly string[],
): (request: Pick<FastifyRequest, 'headers'>) => boolean {
  const accepted = (typeof tokens === 'string' ? tokensOf(tokens) : tokens).map(token => digest(`Bearer ${token}`))
  return ({ headers: { authorization } }) => {
    if (accepted.length === 0 || authorization === undefined) return false
    const shown = digest(authorization)
    // Compares in a time that does not depend on where the texts differ, nor on which of them is the one.
    return accepted.filter(token => timingSafeEqual(token, shown)).length > 0
  }
}

/** Makes the check that callers have to pass: to show one of the tokens, if there are any, or get `WSO_ERR_UNAUTHORIZED` (401). */
export function tokenCheck(tokens: readonly string[]): (request: Pick<FastifyRequest, 'headers'>) => Promise<void> {
  const shows = tokenMatcher(tokens)
  return async request => {
    if (tokens.length > 0 && !shows(request)) throw serviceError('UNAUTHORIZED')
  }
}

/** Most tokens in a file: two are enough to change one. */
const MAX_TOKENS = 4

/**
 * Reads tokens from a file, such as a mounted Secret: one a line, without the white space around it. A token may have a comma in it.
 *
 * @throws where the file cannot be read, or holds anything that is no token; the message never says what it holds
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
