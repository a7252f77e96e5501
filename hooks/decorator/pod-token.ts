import { hkdfSync } from 'node:crypto'
import type { EnvVar, Secret } from 'kubernetes-types/core/v1.d.ts'
import { ENV_PREFIX, podTokenName } from '../../lib/service/names.ts'
import { targetLabels } from '../apply/object-labels.ts'
import type { Deployment } from '../requests/schemas.ts'

/** Bytes of a token. */
const TOKEN_BYTES = 32

/** What a token is derived for, so that the same key never makes the same bytes for anything else (RFC 5869, `info`). */
const CONTEXT = 'ws-operator pod token v1'

/** Key of the Secret under which its tokens are. */
const SECRET_KEY = 'token'

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
