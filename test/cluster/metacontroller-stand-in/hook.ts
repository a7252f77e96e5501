import type { Api } from '../api.ts'

/** A hook of a controller, as its specification has it. */
export interface HookSpec {
  readonly version?: 'v1' | 'v2'
  readonly webhook?: {
    readonly url?: string
    readonly timeout?: string
    readonly responseUnMarshallMode?: 'loose' | 'strict'
    readonly authorization?: {
      readonly type: 'Bearer'
      readonly secretRef: { readonly namespace: string; readonly name: string; readonly key: string }
      /** What the Secret held at the start. */
      value?: string
    }
  }
}

/** Reads the Secrets that the hooks of a controller name, from a list, because Metacontroller has no right to get one. */
export async function readAuthorizations(api: Api, hooks: Readonly<Record<string, HookSpec>>): Promise<void> {
  for (const { webhook } of Object.values(hooks)) {
    if (!webhook?.authorization) continue
    const { namespace, name, key } = webhook.authorization.secretRef
    const { items } = await api.list(await api.resource('v1', 'secrets'), namespace)
    const secret = items.find(({ metadata }) => metadata.name === name)
    if (!secret) throw new Error(`no Secret ${namespace}/${name}`)
    webhook.authorization.value = Buffer.from(String(secret['data']?.[key]), 'base64').toString()
  }
}

/** The hook asked to be called again later. */
export class TooManyRequests extends Error {
  readonly afterMs: number

  constructor(afterMs: number) {
    super(`the hook asked to be called again after ${afterMs} ms`)
    this.afterMs = afterMs
  }
}

const DEFAULT_LIMIT_MS = 10_000

/**
 * Calls a hook: only status 200 is a success.
 *
 * @param fields fields that an answer may have; in strict mode, the default of version 2, any other is an error
 * @throws {TooManyRequests} for status 429
 */
export async function callHook<T>(hook: HookSpec, request: unknown, fields: readonly string[]): Promise<T> {
  const { url, timeout, responseUnMarshallMode, authorization } = hook.webhook ?? {}
  if (!url) throw new Error('the stand-in calls hooks by URL only; give webhook.url')
  const response = await fetch(url, {
    method: 'POST',
    body: JSON.stringify(request),
    headers: {
      'content-type': 'application/json',
      ...(authorization?.value && { authorization: `${authorization.type} ${authorization.value}` }),
    },
    signal: AbortSignal.timeout(parseDuration(timeout) ?? DEFAULT_LIMIT_MS),
  })
  if (response.status === 429) throw new TooManyRequests(1000 * Number(response.headers.get('retry-after') ?? 0))
  const text = await response.text()
  if (response.status !== 200) throw new Error(`unsupported status code: ${response.status} body: ${text}`)
  const answer = JSON.parse(text) as T
  const mode = responseUnMarshallMode ?? (hook.version === 'v2' ? 'strict' : 'loose')
  const unknown = Object.keys(answer as object).filter(field => !fields.includes(field))
  if (mode === 'strict' && unknown.length > 0)
    throw new Error(`strict validation failed: unknown field ${unknown.join()}`)
  return answer
}

/** Milliseconds of a duration such as `500ms` or `5s`; `undefined` where there is none. */
export function parseDuration(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? []
  const factor = { ms: 1, s: 1000, m: 60_000 }[unit ?? '']
  if (factor === undefined) throw new Error(`not a duration that the stand-in knows: ${text}`)
  return Number(amount) * factor
}
