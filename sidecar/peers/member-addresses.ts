import { lookup } from 'node:dns/promises'
import { BlockList, isIP, isIPv6, SocketAddress } from 'node:net'
import type { Member } from '../../lib/routing/members.ts'
import type { MemberSet } from '../../lib/routing/rendezvous.ts'
import { ExpiringMap } from '../expiring-map.ts'

/** How long the address of a former member still counts, in milliseconds: as long as its name is known. */
const KEEP_MS = 60_000
const MAX_FORMER = 10_000

/** Pause between two lookups of members that are listed by DNS name, in milliseconds. */
const LOOKUP_MS = 30_000

export interface MemberAddressesOptions {
  /** This sidecar itself, which may not be listed yet. */
  readonly self: Member
  /** Resolves a DNS name to all its addresses. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number
}

/**
 * IP addresses of the members, including those of the last minute: the sources of other sidecars' requests. Loopback
 * addresses are this machine: the pod's own containers or, in the demo, all pods.
 */
export class MemberAddresses {
  readonly #options: MemberAddressesOptions
  readonly #resolve: (host: string) => Promise<readonly string[]>
  /** Addresses by host; for a DNS name, those of the last answer. */
  #hosts = new Map<string, readonly string[]>()
  #current = new Set<string>()
  readonly #former: ExpiringMap<string, true>
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: MemberAddressesOptions) {
    this.#options = options
    this.#resolve = options.resolve ?? lookupAll
    this.#former = new ExpiringMap({
      keepMs: KEEP_MS,
      maxEntries: MAX_FORMER,
      ...(options.now && { now: options.now }),
    })
    this.#setHosts([options.self])
  }

  /** Called with the members at the start and after every change. */
  update(members: MemberSet): void {
    this.#setHosts([this.#options.self, ...members.members])
  }

  /** Accepts the address of a member that may be unlisted, for a while. */
  addFormer({ host }: Member): void {
    if (isIP(host) > 0) this.#former.set(canonicalAddress(host), true)
  }

  /** Whether a request from this address may be another sidecar's, or comes from this machine. */
  has(address: string): boolean {
    const canonical = canonicalAddress(address)
    return isLoopback(canonical) || this.#current.has(canonical) || this.#former.get(canonical) === true
  }

  /** Whether a request from this address may be that member's; the member need not be listed. */
  isOf(address: string, { host }: Member): boolean {
    const canonical = canonicalAddress(address)
    if (isLoopback(canonical)) return true
    return isIP(host) > 0 ? canonicalAddress(host) === canonical : (this.#hosts.get(host)?.includes(canonical) ?? false)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #setHosts(members: readonly Member[]): void {
    const before = this.#hosts
    this.#hosts = new Map(
      members.map(({ host }) => [host, isIP(host) > 0 ? [canonicalAddress(host)] : (before.get(host) ?? [])]),
    )
    this.#index()
    const isNew = members.some(({ host }) => isIP(host) === 0 && !before.has(host))
    if (isNew) void this.#lookUp()
  }

  #index(): void {
    const before = this.#current
    this.#current = new Set([...this.#hosts.values()].flat())
    for (const address of before) if (!this.#current.has(address)) this.#former.set(address, true)
  }

  async #lookUp(): Promise<void> {
    clearTimeout(this.#timer)
    const names = [...this.#hosts.keys()].filter(host => isIP(host) === 0)
    if (names.length === 0 || this.#stopped) return
    this.#timer = setTimeout(() => void this.#lookUp(), LOOKUP_MS)
    this.#timer.unref()
    await Promise.all(
      names.map(async host => {
        // A failed lookup keeps the previous addresses.
        const found = await this.#resolve(host).catch(() => undefined)
        if (found && this.#hosts.has(host)) this.#hosts.set(host, found.map(canonicalAddress))
      }),
    )
    this.#index()
  }
}

const lookupAll = async (host: string): Promise<string[]> =>
  (await lookup(host, { all: true })).map(({ address }) => address)

const LOOPBACK = loopback()

function loopback(): BlockList {
  const list = new BlockList()
  list.addSubnet('127.0.0.0', 8, 'ipv4')
  list.addAddress('::1', 'ipv6')
  return list
}

const isLoopback = (address: string): boolean =>
  isIP(address) > 0 && LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')

/** Canonical form of an address: an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2) as IPv4, and no zone. */
export function canonicalAddress(address: string): string {
  const [bare = ''] = address.split('%', 1)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1]
  if (mapped !== undefined) return mapped
  return isIPv6(bare) ? new SocketAddress({ address: bare, family: 'ipv6' }).address : bare
}
