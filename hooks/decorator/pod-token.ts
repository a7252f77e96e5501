import { hkdfSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { EnvVar, Secret } from 'kubernetes-types/core/v1.d.ts'
import { ENV_PREFIX, podTokenName } from '../../lib/service/names.ts'
import type { Deployment } from '../requests/schemas.ts'
import { targetLabels } from './attachments.ts'

/** A key of fewer characters could be guessed. */
const MIN_KEY_CHARACTERS = 32

const MAX_KEYS = 4

/** Bytes of a token. */
const TOKEN_BYTES = 32

/** What a token is derived for, so that the same key never makes the same bytes for anything else (RFC 5869, `info`). */
const CONTEXT = 'ws-operator pod token v1'

/** Key of the Secret under which its tokens are. */
const SECRET_KEY = 'token'

/**
 * Reads the file of master keys: one a line, the first one in use, the others accepted as well.
 *
 * @throws {Error} that says what is wrong with it, and never what is in it
 */
export function readMasterKeys(path: string): readonly string[] {
  if (path === '') return []
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`must be a file that can be read: ${(error as NodeJS.ErrnoException).code}`)
  }
  const keys = text.split('\n').flatMap(line => line.trim() || [])
  if (keys.length === 0 || keys.length > MAX_KEYS) {
    throw new Error(`must hold 1 to ${MAX_KEYS} keys, one a line; it holds ${keys.length}`)
  }
  if (keys.some(key => key.length < MIN_KEY_CHARACTERS)) {
    throw new Error(`must hold keys of ${MIN_KEY_CHARACTERS} characters or more, such as openssl rand -base64 32 makes`)
  }
  return keys
}

/**
 * The tokens of a Deployment, one for each key and in their order: HKDF with HMAC-SHA-256 (RFC 5869, RFC 2104) of the key, for
 * this Deployment. Nothing is stored, and the same object always gets the same.
 */
const tokensOf = (keys: readonly string[], uid: string): string[] =>
  keys.map(key => Buffer.from(hkdfSync('sha256', key, '', `${CONTEXT} ${uid}`, TOKEN_BYTES)).toString('base64url'))

/** The Secret by which a Deployment's sidecars know each other. */
export function tokenSecret({ metadata: { name, namespace, uid } }: Deployment, keys: readonly string[]): Secret {
  const text = tokensOf(keys, uid).join(',')
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: podTokenName(name), namespace, labels: targetLabels(name) },
    type: 'Opaque',
    data: { [SECRET_KEY]: Buffer.from(text).toString('base64') },
  }
}

/** The variable that brings the tokens into a sidecar. Without the Secret a pod does not start: never quietly without a token. */
export const tokenVariable = ({ metadata: { name } }: Deployment): EnvVar => ({
  name: `${ENV_PREFIX}TOKEN`,
  valueFrom: { secretKeyRef: { name: podTokenName(name), key: SECRET_KEY } },
})
