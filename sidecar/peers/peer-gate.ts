import type { IncomingMessage } from 'node:http'
import { parseMember } from '../../lib/routing/members.ts'
import { serviceError } from '../../lib/service/http/errors.ts'
import { tokenMatcher } from '../../lib/service/http/token.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import { MEMBER_HEADER, SENDER_HEADER } from '../../lib/service/names.ts'
import { meansOther } from '../connections/target.ts'
import { readMemberHeader } from '../transport/member-header.ts'
import type { MemberAddresses } from './member-addresses.ts'

export interface PeerGateOptions {
  readonly addresses: Pick<MemberAddresses, 'has' | 'isOf'>
  /** As the setting `TOKEN`; empty: there is none. */
  readonly token: string
  /** Whether a peer has to show one. */
  readonly tokenRequired: boolean
  /** Whose pods these are, as the setting `TARGET`. */
  readonly target: string
  readonly metrics: Metrics
  /** Whether who has this name, which no list has, is a member all the same. */
  readonly confirm?: (name: string) => Promise<boolean>
  /** Where a request comes from. */
  readonly addressOf?: (request: IncomingMessage) => string
}

/** Why another sidecar is not let in. */
const REASONS = ['no_token', 'wrong_token', 'wrong_target', 'unknown_peer', 'wrong_name'] as const

/** By what a request is known to be another sidecar's: the token, or the address of a member. */
export type Standing = 'token' | 'address' | 'unknown'

/**
 * Tells the requests of other sidecars from those of clients and of strangers, who may write the same headers: they show the token, or
 * come from the address of a member. Who has neither and calls itself a sidecar can be a pod that the list does not have yet: it is told to
 * ask again.
 */
export class PeerGate {
  readonly #options: PeerGateOptions
  readonly #hasToken: (request: Pick<IncomingMessage, 'headers'>) => boolean
  readonly #addressOf: (request: IncomingMessage) => string
  readonly #refused

  constructor(options: PeerGateOptions) {
    this.#options = options
    this.#hasToken = tokenMatcher(options.token)
    this.#addressOf = options.addressOf ?? (({ socket }) => socket.remoteAddress ?? '')
    this.#refused = options.metrics.counter(
      'peers_refused_total',
      "Refused requests of other sidecars, by reason: no token, a wrong token, meant for another Deployment, from an unknown address, or with another member's name.",
      { labelNames: ['reason'] },
    )
    for (const reason of REASONS) this.#refused.inc({ reason }, 0)
  }

  /** Whether a request that has the form of another sidecar's is taken for one; else it is a client's. */
  isPeer(request: IncomingMessage): boolean {
    return (
      request.headers[SENDER_HEADER] !== undefined ||
      this.#hasToken(request) ||
      this.#options.addresses.has(this.#addressOf(request))
    )
  }

  /**
   * @throws `WSO_ERR_WRONG_TARGET` for what is meant for other pods, `WSO_ERR_UNAUTHORIZED` (401) where a token is asked for and missing, or
   *   is wrong
   */
  standing(request: IncomingMessage): Standing {
    const { token, tokenRequired, target, addresses } = this.#options
    const { headers } = request
    if (meansOther(target, headers)) {
      this.#refused.inc({ reason: 'wrong_target' })
      throw serviceError('WRONG_TARGET')
    }
    if (this.#hasToken(request)) return 'token'
    if (token !== '' && (tokenRequired || headers.authorization !== undefined)) {
      this.#refused.inc({ reason: headers.authorization === undefined ? 'no_token' : 'wrong_token' })
      throw serviceError('UNAUTHORIZED')
    }
    return addresses.has(this.#addressOf(request)) ? 'address' : 'unknown'
  }

  /**
   * As {@link standing}, and asks about the address of a request that no list has: the list can be some seconds old, and a new
   * pod sends messages as soon as it is ready.
   */
  async recognize(request: IncomingMessage): Promise<Standing> {
    const standing = this.standing(request)
    if (standing !== 'unknown' || request.headers[MEMBER_HEADER] === undefined) return standing
    const name = readMemberHeader(request.headers)
    const isItself = this.#options.addresses.isOf(this.#addressOf(request), parseMember(name))
    return isItself && (await this.#options.confirm?.(name)) ? 'address' : 'unknown'
  }

  /**
   * Lets in who sends messages.
   *
   * @throws `WSO_ERR_UNKNOWN_PEER` (503) for a stranger, and what {@link standing} throws
   */
  async admit(request: IncomingMessage): Promise<Standing> {
    const standing = await this.recognize(request)
    if (standing !== 'unknown') return standing
    this.#refused.inc({ reason: 'unknown_peer' })
    throw serviceError('UNKNOWN_PEER')
  }

  /**
   * Whether the name that a peer gives itself is proven: it has shown the token, and has the name's address. Without a token the list of
   * members has to have it, too.
   *
   * @param member a member's name
   * @throws `WSO_ERR_BAD_MESSAGE` (400) where somebody without the token gives itself the name of another address
   */
  proves(request: IncomingMessage, standing: Standing, member: string): boolean {
    const matches = this.#options.addresses.isOf(this.#addressOf(request), parseMember(member))
    if (standing === 'token') return matches
    if (matches) return false
    this.#refused.inc({ reason: 'wrong_name' })
    throw serviceError('BAD_MESSAGE', `this does not come from the address of ${member}`)
  }
}
