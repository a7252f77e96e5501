import { isIPv4 } from 'node:net'
import { createMember, type Member } from '../members.ts'

/** Address and port of one pod. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/**
 * Converts endpoints to members: each once, all of one IP family. A pod of a dual-stack Service has an endpoint in each
 * family and would own users under two names; IPv4 is used if any endpoint has it.
 */
export function membersAt(endpoints: readonly Endpoint[]): Member[] {
  const family = endpoints.filter(({ address }) => isIPv4(address))
  const members = (family.length > 0 ? family : endpoints).map(({ address, port }) => createMember(address, port))
  return [...new Map(members.map(member => [member.name, member])).values()]
}
