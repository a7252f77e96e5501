import { Resolver } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { type Endpoint, membersAt } from './endpoints.ts'
import type { MemberSource } from './source.ts'
import { Backoff, realTiming, type Timing } from './timing.ts'

/** The part of `node:dns` that is used here. */
export type SrvResolver = Pick<Resolver, 'resolveSrv' | 'resolve4' | 'resolve6' | 'cancel'>

interface Options {
  readonly resolver?: SrvResolver
  readonly timing?: Timing
  /** Domains that a name without a final dot may lie in. */
  readonly search?: readonly string[]
}

const POLL_MS = 2000
const POLL_JITTER_MS = 1000
const QUERY_TIMEOUT_MS = 2000
const QUERY_TRIES = 2
/** Questions that may be under way at once: a server's socket buffer holds only so many datagrams. */
const CONCURRENCY = 32

/**
 * Members from the SRV record of a headless Service (RFC 2782), asked again every 2 to 3 s, because the answer's time to live
 * does not get through `node:dns`. The member is the address and not the target's name, so that it is the same as from any other
 * discovery. Priorities and weights of the records are not looked at: Kubernetes has the same for all.
 */
export function dnsSource(record: string, options: Options = {}): MemberSource {
  const { resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES }), timing = realTiming } = options
  const names = candidates(record, options.search ?? searchDomains())
  return async (sink, signal) => {
    const backoff = new Backoff(timing)
    signal.addEventListener('abort', () => resolver.cancel(), { once: true })
    while (!signal.aborted) {
      try {
        sink.answer(membersAt(await resolveService(resolver, names)))
        backoff.reset()
        await timing.sleep(POLL_MS + timing.random() * POLL_JITTER_MS, signal)
      } catch (error) {
        sink.failed(new Error(`DNS record ${record}: ${(error as Error).message}`, { cause: error }))
        await backoff.wait(signal)
      }
    }
  }
}

/** The full names to ask for, in order. `node:dns` does not use the search list that `getaddrinfo` uses. */
function candidates(record: string, search: readonly string[]): string[] {
  return record.endsWith('.') ? [record] : [...search.map(domain => `${record}.${domain}`), record]
}

function searchDomains(): string[] {
  try {
    const lines = readFileSync('/etc/resolv.conf', 'utf8').split('\n')
    // The last one counts (resolv.conf(5)).
    return (
      lines
        .findLast(line => /^search\s/.test(line))
        ?.trim()
        .split(/\s+/)
        .slice(1) ?? []
    )
  } catch {
    return []
  }
}

async function resolveService(resolver: SrvResolver, names: string[]): Promise<Endpoint[]> {
  let failure: unknown
  for (const [index, name] of names.entries()) {
    const records = await orNone(resolver.resolveSrv(name)).catch(error => {
      // A server may know nothing of one domain in the search list while the record is in another.
      failure ??= error
      return []
    })
    if (records.length === 0) continue
    // The name that exists is asked for first from now on.
    names.unshift(...names.splice(index, 1))
    return resolveTargets(resolver, records)
  }
  if (failure) throw failure
  return []
}

async function resolveTargets(
  resolver: SrvResolver,
  records: readonly { name: string; port: number }[],
): Promise<Endpoint[]> {
  const endpoints: Endpoint[] = []
  for (let start = 0; start < records.length; start += CONCURRENCY) {
    const found = await Promise.all(
      records.slice(start, start + CONCURRENCY).map(async ({ name, port }) => {
        const addresses = await addressesOf(resolver, name)
        return addresses.map(address => ({ address, port }))
      }),
    )
    endpoints.push(...found.flat())
  }
  return endpoints
}

async function addressesOf(resolver: SrvResolver, name: string): Promise<string[]> {
  const v4 = await orNone(resolver.resolve4(name))
  return v4.length > 0 ? v4 : orNone(resolver.resolve6(name))
}

/**
 * A name that does not exist is an answer: no records. Anything else fails the whole round, since a question that got lost
 * must not take a living member's users away.
 */
async function orNone<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTFOUND' || code === 'ENODATA') return []
    throw error
  }
}
