import type { Resolver } from 'node:dns/promises'
import type { Timing } from '../timing.ts'

/** The part of `node:dns` that is used here. */
export type AddressResolver = Pick<Resolver, 'resolve4' | 'resolve6'>

interface Known {
  readonly addresses: readonly string[]
  /** On the clock of the timing. */
  readonly until: number
}

/** Questions that may be under way at once: a server's socket buffer holds only so many datagrams. */
const CONCURRENCY = 32

/** How long it is believed of a name that spells its address, in milliseconds, less a random part. */
const SPELLED_MS = 300_000

/**
 * Addresses of the targets of SRV records. They are asked for when a target is listed for the first time, or again after it was not: a
 * question for each pod in each round would be thousands in a second for an app of a hundred pods. What a name is known to stand for
 * holds for the time that the server says; where the answer is what the name spells (`10-244-0-5.chat…`, as Kubernetes names the
 * pods of a headless Service), it cannot change as long as it is listed, and is looked at again only now and then.
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
   * The addresses of all that are listed now, by name; none for a name that does not exist. Others are forgotten.
   *
   * @throws if one could not be asked for: a question that got lost must not take a living member's users away
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
      // Also those of a round that fails later: they need not be asked for again.
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
    // Of one that does not exist nothing is known the next time.
    return { addresses, until: records.length > 0 ? this.#timing.now() + keepMs : Number.NEGATIVE_INFINITY }
  }
}

/** How Kubernetes writes an address as the first label of a pod's name. */
export const spelled = (address: string): string => address.toLowerCase().replace(/[.:]/g, '-')

const spells = (name: string, address: string): boolean => name.toLowerCase().split('.', 1)[0] === spelled(address)

/** A name that does not exist is an answer: no records. */
export async function orNone<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer
  } catch (error) {
    if (isNone(error)) return []
    throw error
  }
}

/** Whether the answer was that the name does not exist, or has no record of this type. */
export const isNone = (error: unknown): boolean =>
  isNoName(error) || (error as NodeJS.ErrnoException).code === 'ENODATA'

/** Whether the answer was that the name does not exist. */
export const isNoName = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOTFOUND'
