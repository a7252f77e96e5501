import type { Resolver } from 'node:dns/promises'
import type { Timing } from '../timing.ts'

/** The part of `node:dns` that is used here. */
export type AddressResolver = Pick<Resolver, 'resolve4' | 'resolve6'>

interface Known {
  readonly addresses: readonly string[]
  /** On the clock of `Timing`. */
  readonly until: number
}

/** Maximum number of concurrent queries: a server's socket buffer holds only a limited number of datagrams. */
const CONCURRENCY = 32

/** How long an address that its name spells is trusted, in milliseconds, less a random part. */
const SPELLED_MS = 300_000

/**
 * Resolves the targets of SRV records, with a cache: a query for each pod in each round would be thousands per second
 * for an app of a hundred pods. A target is queried when it is first listed, or listed again. An answer is valid for
 * its TTL. If the name spells the address (`10-244-0-5.chat…`, as Kubernetes names the pods of a headless Service), it
 * cannot change while listed, and is queried again only occasionally.
 */
export class TargetAddresses {
  readonly #resolver: AddressResolver
  readonly #timing: Timing
  #known = new Map<string, Known>()

  constructor(resolver: AddressResolver, timing: Timing) {
    this.#resolver = resolver
    this.#timing = timing
  }

  /**
   * Returns the addresses of all listed names, by name; none for a name that does not exist. Other names are forgotten.
   *
   * @throws if a query failed: a lost query must not remove a living member
   */
  async of(names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const now = this.#timing.now()
    const listed = [...new Set(names)]
    const known = new Map<string, Known>()
    const unknown: string[] = []
    for (const name of listed) {
      const entry = this.#known.get(name)
      if (entry && entry.until > now) known.set(name, entry)
      else unknown.push(name)
    }
    this.#known = known
    for (let start = 0; start < unknown.length; start += CONCURRENCY) {
      const some = unknown.slice(start, start + CONCURRENCY)
      const found = await Promise.all(some.map(async name => [name, await this.#ask(name)] as const))
      // Caches the successful answers even if a later query of this round fails, so that they are not repeated.
      for (const [name, entry] of found) known.set(name, entry)
    }
    return new Map(listed.map(name => [name, known.get(name)?.addresses ?? []]))
  }

  async #ask(name: string): Promise<Known> {
    const v4 = await orNone(this.#resolver.resolve4(name, { ttl: true }))
    const records = v4.length > 0 ? v4 : await orNone(this.#resolver.resolve6(name, { ttl: true }))
    const addresses = records.map(({ address }) => address)
    const [first] = addresses
    const keepMs =
      addresses.length === 1 && first !== undefined && spells(name, first)
        ? SPELLED_MS * (0.5 + this.#timing.random() / 2)
        : Math.min(...records.map(({ ttl }) => ttl * 1000))
    // A name that does not exist is queried again next time.
    return { addresses, until: records.length > 0 ? this.#timing.now() + keepMs : Number.NEGATIVE_INFINITY }
  }
}

/** An address as Kubernetes writes it in the first label of a pod's name. */
export const spelled = (address: string): string => address.toLowerCase().replace(/[.:]/g, '-')

const spells = (name: string, address: string): boolean => name.toLowerCase().split('.', 1)[0] === spelled(address)

/** Converts "no such name" into an empty list of records. */
export async function orNone<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer
  } catch (error) {
    if (isNone(error)) return []
    throw error
  }
}

/** Whether the name does not exist or has no record of this type. */
export const isNone = (error: unknown): boolean =>
  isNoName(error) || (error as NodeJS.ErrnoException).code === 'ENODATA'

/** Whether the name does not exist. */
export const isNoName = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOTFOUND'
