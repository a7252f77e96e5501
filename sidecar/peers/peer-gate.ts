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
  /** The setting `TOKEN`; empty: no token. */
  readonly token: string
  /** Whether a peer has to present a token. */
  readonly tokenRequired: boolean
  /** The Deployment that these pods belong to: the setting `TARGET`. */
  readonly target: string
  readonly metrics: Metrics
  /** Whether an unlisted name is that of a member nevertheless. */
  readonly confirm?: (name: string) => Promise<boolean>
  /** Source address of a request. */
  readonly addressOf?: (request: IncomingMessage) => string
}

/** Reasons for refusing another sidecar. */
const REASONS = ['no_token', 'wrong_token', 'wrong_target', 'unknown_peer', 'wrong_name'] as const

/** How a request is known to come from another sidecar: by the token, or by the address of a member. */
export type Standing = 'token' | 'address' | 'unknown'

/**
 * Tells requests of other sidecars from those of clients and strangers, which may forge the same headers: a sidecar
 * presents the token or has the address of a member. A claimed sidecar with neither may be a pod that is not listed
 * yet: it is told to retry.
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

  /** Whether a request in the form of a sidecar's is treated as one; otherwise it is a client's. */
  isPeer(request: IncomingMessage): boolean {
    return (
      request.headers[SENDER_HEADER] !== undefined ||
      this.#hasToken(request) ||
      this.#options.addresses.has(this.#addressOf(request))
    )
  }

  /**
   * @throws `WSO_ERR_WRONG_TARGET` for a request meant for other pods, `WSO_ERR_UNAUTHORIZED` (401) if a required token
   *   is missing or the token is wrong
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
   * Like {@link standing}, but looks up a source address that is not listed: the list can be some seconds old, and a
   * new pod sends messages as soon as it is ready.
   */
  async recognize(request: IncomingMessage): Promise<Standing> {
    const standing = this.standing(request)
    if (standing !== 'unknown' || request.headers[MEMBER_HEADER] === undefined) return standing
    const name = readMemberHeader(request.headers)
    const isItself = this.#options.addresses.isOf(this.#addressOf(request), parseMember(name))
    return isItself && (await this.#options.confirm?.(name)) ? 'address' : 'unknown'
  }

  /**
   * Admits a peer that sends messages.
   *
   * @throws `WSO_ERR_UNKNOWN_PEER` (503) for a stranger, and the errors of {@link standing}
   */
  async admit(request: IncomingMessage): Promise<Standing> {
    const standing = await this.recognize(request)
    if (standing !== 'unknown') return standing
    this.#refused.inc({ reason: 'unknown_peer' })
    throw serviceError('UNKNOWN_PEER')
  }

  /**
   * Whether a peer has proven its name: it presented the token and has the address of that name. Without the token, the
   * name must be in the list of members, too.
   *
   * @param member a member's name
   * @throws `WSO_ERR_BAD_MESSAGE` (400) if a peer without the token claims the name of another address
   */
  proves(request: IncomingMessage, standing: Standing, member: string): boolean {
    const matches = this.#options.addresses.isOf(this.#addressOf(request), parseMember(member))
    if (standing === 'token') return matches
    if (matches) return false
    this.#refused.inc({ reason: 'wrong_name' })
    throw serviceError('BAD_MESSAGE', `this does not come from the address of ${member}`)
  }
}
