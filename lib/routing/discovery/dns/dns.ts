import { Resolver } from 'node:dns/promises'
import { type Endpoint, membersAt } from '../endpoints.ts'
import type { MemberSource } from '../source.ts'
import { Backoff, realTiming, type Timing } from '../timing.ts'
import { isNoName, isNone, orNone, TargetAddresses } from './dns-addresses.ts'
import { candidates, searchDomains, witnesses } from './dns-names.ts'

/** The part of `node:dns` that is used here. */
export type SrvResolver = Pick<Resolver, 'resolveSrv' | 'resolve4' | 'resolve6' | 'resolveTxt' | 'cancel'>

interface Options {
  readonly resolver?: SrvResolver
  readonly timing?: Timing
  /** Domains to search for a name without a final dot. */
  readonly search?: readonly string[]
}

const POLL_MS = 2000
const POLL_JITTER_MS = 1000
const QUERY_TIMEOUT_MS = 2000
const QUERY_TRIES = 2

/**
 * Members from the SRV record of a headless Service (RFC 2782), queried every 2 to 3 s, because `node:dns` does not
 * report the TTL of SRV records. Members are named by address instead of target name, so that every discovery yields
 * the same names. Priorities and weights of the records are ignored: Kubernetes sets the same for all.
 */
export function dnsSource(record: string, options: Options = {}): MemberSource {
  const { resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES }), timing = realTiming } = options
  const service = new ServiceRecord(resolver, candidates(record, options.search ?? searchDomains()), timing)
  return async (sink, signal) => {
    const backoff = new Backoff(timing)
    signal.addEventListener('abort', () => resolver.cancel(), { once: true })
    while (!signal.aborted) {
      try {
        sink.answer(membersAt(await service.endpoints()))
        backoff.reset()
        await timing.sleep(POLL_MS + timing.random() * POLL_JITTER_MS, signal)
      } catch (error) {
        sink.failed(new Error(`DNS record ${record}: ${(error as Error).message}`, { cause: error }))
        await backoff.wait(signal)
      }
    }
  }
}

/** An SRV record under one of several candidate names. */
class ServiceRecord {
  readonly #resolver: SrvResolver
  /** The name found last comes first. */
  readonly #names: string[]
  readonly #addresses: TargetAddresses

  constructor(resolver: SrvResolver, names: string[], timing: Timing) {
    this.#resolver = resolver
    this.#names = names
    this.#addresses = new TargetAddresses(resolver, timing)
  }

  /** @throws if a query failed */
  async endpoints(): Promise<Endpoint[]> {
    const records = await this.#records()
    const addresses = await this.#addresses.of(records.map(({ name }) => name))
    return records.flatMap(({ name, port }) => (addresses.get(name) ?? []).map(address => ({ address, port })))
  }

  async #records(): Promise<{ name: string; port: number }[]> {
    const names = this.#names
    let failure: unknown
    let exists = false
    for (const [index, name] of names.entries()) {
      const records = await this.#resolver.resolveSrv(name).catch(error => {
        // A server may fail for one search domain although the record exists in another.
        if (!isNone(error)) failure ??= error
        exists ||= isNone(error) && !isNoName(error)
        return []
      })
      if (records.length === 0) continue
      names.unshift(...names.splice(index, 1))
      return records
    }
    if (failure) throw failure
    if (!exists) await this.#assertCluster()
    return []
  }

  /** Any server can report that a name does not exist; the report counts only if the server knows the cluster. */
  async #assertCluster(): Promise<void> {
    const known = witnesses(this.#names)
    for (const { service, version } of known) {
      if (await this.#exists(this.#resolver.resolve4(service))) return
      if ((await orNone(this.#resolver.resolveTxt(version))).length > 0) return
    }
    const [first] = known
    if (!first) return
    throw new Error(
      `neither it nor ${first.service} is known to the DNS server, so that it is not the cluster's; what are dnsPolicy and dnsConfig of the pod?`,
    )
  }

  async #exists(answer: Promise<unknown[]>): Promise<boolean> {
    try {
      return (await answer).length > 0
    } catch (error) {
      if (isNoName(error)) return false
      // The name exists, but only with addresses of the other family.
      if (isNone(error)) return true
      throw error
    }
  }
}
