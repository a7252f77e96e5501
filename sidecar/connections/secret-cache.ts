import { parseSecret } from '../../lib/rehome/control-pings.ts'

/** Limit of the cache; above it all are parsed again. There is one secret per balancer process. */
const MAX_SECRETS = 1000

/** Secrets of the balancers; connections through the same balancer share the memory of one. */
export class SecretCache {
  readonly #secrets = new Map<string, Buffer>()

  /** The secret that a header's text encodes; `undefined` if it encodes none. */
  get(text: string | undefined): Buffer | undefined {
    if (text === undefined) return undefined
    const known = this.#secrets.get(text)
    if (known) return known
    const secret = parseSecret(text)
    if (!secret) return undefined
    if (this.#secrets.size >= MAX_SECRETS) this.#secrets.clear()
    this.#secrets.set(text, secret)
    return secret
  }
}
