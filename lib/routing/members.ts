import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** One instance of the app that can own users. */
export interface Member {
  /**
   * `host:port`, IPv6 hosts in brackets: the identity that is hashed, equal for every kind of discovery and every
   * observer.
   */
  readonly name: string
  /** A DNS name or an IP address, lower case, without brackets. */
  readonly host: string
  readonly port: number
  /** Share of the users relative to other members; 1 by default. */
  readonly weight: number
}

/**
 * The difference between two lists of members. `changed`: members with a new weight; `leaving`: names that have begun
 * to leave.
 */
export interface MemberChange {
  readonly added: readonly Member[]
  readonly removed: readonly Member[]
  readonly changed: readonly Member[]
  readonly leaving: readonly string[]
}

const PATTERN = /^(\[[^[\]]+\]|[^:=[\]]+):([0-9]{1,5})(?:=(.*))?$/
const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/
// Limited digits, so that every language reads the same number from the same text.
const WEIGHT = /^[0-9]{1,6}(?:\.[0-9]{1,6})?$/

/**
 * Creates a member from its parts. IPv6 addresses get their canonical spelling (RFC 5952), because the name is hashed.
 *
 * @param host a DNS name or an IP address, without brackets
 * @throws {Error} that names the invalid part
 */
export function createMember(host: string, port: number, weight = 1): Member {
  const canonical = canonicalHost(host)
  if (canonical === undefined) throw new Error(`"${host}" is neither a host name nor an IP address`)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`port ${port} is not between 1 and 65535`)
  if (!(weight > 0 && weight < 1e6)) throw new Error(`weight ${weight} is not above 0 and below 1000000`)
  const name = `${isIPv6(canonical) ? `[${canonical}]` : canonical}:${port}`
  return Object.freeze({ name, host: canonical, port, weight })
}

function canonicalHost(text: string): string | undefined {
  // A zone ("%eth0") has a meaning on one machine only.
  if (isIPv6(text)) return text.includes('%') ? undefined : new SocketAddress({ address: text, family: 'ipv6' }).address
  const host = text.toLowerCase()
  // Digits and dots that are not an IPv4 address are a typing error, never a name that resolves.
  if (isIPv4(host)) return host
  return DNS_NAME.test(host) && !/^[0-9.]+$/.test(host) ? host : undefined
}

/**
 * Parses `host:port` or `host:port=weight`; an IPv6 host is in brackets.
 *
 * @throws {Error} that quotes the text and names the problem
 */
export function parseMember(text: string): Member {
  const match = PATTERN.exec(text.trim())
  if (!match) throw new Error(`bad member "${text}": expected host:port or host:port=weight, an IPv6 host in brackets`)
  const [, host = '', port, weight] = match
  if (weight !== undefined && !WEIGHT.test(weight)) {
    throw new Error(
      `bad member "${text}": the weight must be a number above 0, with at most 6 digits on each side of the point`,
    )
  }
  const bracketed = host.startsWith('[')
  const address = bracketed ? host.slice(1, -1) : host
  if (bracketed && !isIPv6(address)) throw new Error(`bad member "${text}": "${address}" is not an IPv6 address`)
  try {
    return createMember(address, Number(port), weight === undefined ? 1 : Number(weight))
  } catch (error) {
    throw new Error(`bad member "${text}": ${(error as Error).message}`, { cause: error })
  }
}

/** A bare IPv6 address and a port: the port is mandatory, so it follows the last colon. */
const BARE_IPV6 = /^([0-9a-f:.]*:[0-9a-f:.]*):([0-9]{1,5})$/i

/**
 * Parses a sidecar's own name, `host:port`. A manifest that builds it from a pod's address cannot know whether brackets
 * are needed, so an IPv6 host may lack them.
 *
 * @throws {Error} as {@link parseMember}
 */
export function parseSelf(text: string): Member {
  const [, address = '', port] = BARE_IPV6.exec(text.trim()) ?? []
  return parseMember(isIPv6(address) ? `[${address}]:${port}` : text)
}

/**
 * Parses members separated by commas; empty text means no members.
 *
 * @throws {Error} that names the first item that is invalid or occurs twice
 */
export function parseMembers(text: string): Member[] {
  if (text.trim() === '') return []
  const members = text.split(',').map(parseMember)
  assertUnique(members)
  return members
}

/** @throws {Error} that names the first member that occurs twice */
export function assertUnique(members: readonly Member[]): void {
  const seen = new Set<string>()
  for (const { name } of members) {
    if (seen.has(name)) throw new Error(`member "${name}" occurs twice`)
    seen.add(name)
  }
}

/** Formats a member as {@link parseMember} reads it. */
export function formatMember(member: Member): string {
  return member.weight === 1 ? member.name : `${member.name}=${member.weight}`
}

/** The difference between two lists of members; order is ignored. */
export function diffMembers(before: readonly Member[], after: readonly Member[]): Omit<MemberChange, 'leaving'> {
  const old = new Map(before.map(member => [member.name, member]))
  const current = new Set(after.map(member => member.name))
  return {
    added: after.filter(member => !old.has(member.name)),
    removed: before.filter(member => !current.has(member.name)),
    changed: after.filter(member => old.has(member.name) && old.get(member.name)?.weight !== member.weight),
  }
}
