import { hkdfSync } from 'node:crypto'
import type { EnvVar, Secret } from 'kubernetes-types/core/v1.d.ts'
import { ENV_PREFIX, podTokenName } from '../../lib/service/names.ts'
import { targetLabels } from '../apply/object-labels.ts'
import type { Deployment } from '../requests/schemas.ts'

/** Bytes of a token. */
const TOKEN_BYTES = 32

/** Purpose of the derived bytes (RFC 5869, `info`): the same key derives other bytes for any other purpose. */
const CONTEXT = 'ws-operator pod token v1'

/** Key of the Secret under which its tokens are. */
const SECRET_KEY = 'token'

/**
 * The tokens of a Deployment, one for each key in their order: HKDF with HMAC-SHA-256 (RFC 5869, RFC 2104) of key and uid. Nothing is
 * stored: the same object always gets the same tokens.
 */
const tokensOf = (keys: readonly string[], uid: string): string[] =>
  keys.map(key => Buffer.from(hkdfSync('sha256', key, '', `${CONTEXT} ${uid}`, TOKEN_BYTES)).toString('base64url'))

/** The Secret with which a Deployment's sidecars authenticate to each other. */
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

/** The variable that gives a sidecar its tokens. Not optional: without the Secret the pod does not start. */
export const tokenVariable = ({ metadata: { name } }: Deployment): EnvVar => ({
  name: `${ENV_PREFIX}TOKEN`,
  valueFrom: { secretKeyRef: { name: podTokenName(name), key: SECRET_KEY } },
})
