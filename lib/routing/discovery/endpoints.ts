import { isIPv4 } from 'node:net'
import { createMember, type Member } from '../members.ts'

/** Where one pod can be reached. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/**
 * The members behind endpoints: each once, all of one IP family. A pod of a dual-stack Service has an endpoint in each family,
 * and as two members it would own users under two names; IPv4 is taken where there is any.
 */
export function membersAt(endpoints: readonly Endpoint[]): Member[] {
  const family = endpoints.filter(({ address }) => isIPv4(address))
  const members = (family.length > 0 ? family : endpoints).map(({ address, port }) => createMember(address, port))
  return [...new Map(members.map(member => [member.name, member])).values()]
}
