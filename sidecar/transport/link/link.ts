import { keyProblem } from '../../../lib/routing/key/routing-key.ts'
import type { Member } from '../../../lib/routing/members.ts'
import type { Allotment } from '../../../lib/service/memory/allotment.ts'
import { encodeUsers } from '../announcement.ts'
import type { Deadline } from '../deadline.ts'
import { HttpTransport } from '../http.ts'
import { type Answer, REFUSED } from '../outcome.ts'
import { SendingProcess } from '../sending-process.ts'
import type { RoutedMessage, Transport, TransportIdentity } from '../transport.ts'
import type { LinkRest } from './in-flight-message.ts'
import { type LinkEnd, LinkSender, type LinkSenderOptions } from './link-sender.ts'

/** Times of the link transport, all in milliseconds. */
export interface LinkTimes extends Pick<LinkSenderOptions, 'handshakeMs' | 'pingMs' | 'idleMs'> {
  /** Pause before redialling a member after one failure; it doubles with each further failure. */
  readonly firstPauseMs: number
  readonly longestPauseMs: number
  /** Longest time limit of a repeated handshake: the limit doubles with each failure, for pods short of CPU. */
  readonly longestHandshakeMs: number
  /** How long a member that refuses links is used over HTTP before a link is tried again. */
  readonly httpMs: number
}

const TIMES: LinkTimes = {
  handshakeMs: 2000,
  longestHandshakeMs: 8000,
  pingMs: 5000,
  idleMs: 300_000,
  firstPauseMs: 50,
  longestPauseMs: 2000,
  httpMs: 60_000,
}

const NO_OWNER = Promise.resolve<Answer>('no_owner')
const REJECTED = Promise.resolve<Answer>('rejected')

/** State kept for a member. */
interface Peer {
  link: LinkSender | undefined
  failures: number
  /** Earliest time of the next dial, on the clock of `performance.now()`. */
  notBefore: number
  /** End of the HTTP fallback, on the same clock. */
  httpUntil: number
  /** Number of messages in flight over HTTP. */
  overHttp: number
  /** The member refused the last link because it did not know us. */
  unknown: boolean
}

/**
 * Answers all waiters of a link that has ended for good. Sent messages may have arrived, so their outcome is unknown.
 *
 * @param instead sends a message in another way, if the other end refuses links
 */
export function giveUp(
  { pendings }: LinkRest,
  end: LinkEnd,
  instead: (routed: RoutedMessage, deadline: Deadline) => Promise<Answer>,
): void {
  for (const inFlight of pendings) {
    const { id, content, deadline } = inFlight
    if (id !== undefined) inFlight.settle('timeout')
    else if (end === 'no_link' && !Buffer.isBuffer(content) && content.start)
      inFlight.settle(instead(content, deadline))
    else inFlight.settle(end === 'unknown' ? REFUSED : 'no_owner')
  }
}

/**
 * The link transport: one WebSocket connection, kept open, to each member that messages are sent to; it carries all
 * messages, and their outcomes back (docs/wire-format.md). A broken link is redialled, and unanswered messages are sent
 * again to the same process. A member that refuses links is used over HTTP.
 */
export function createLinkTransport(
  identity: TransportIdentity,
  times: LinkTimes = TIMES,
  memory?: Allotment,
): Transport {
  return new LinkTransport(identity, times, memory)
}

class LinkTransport implements Transport {
  readonly #process: SendingProcess
  readonly #http: HttpTransport
  readonly #times: LinkTimes
  readonly #memory: Allotment | undefined
  readonly #peers = new Map<string, Peer>()
  #closed = false

  constructor(identity: TransportIdentity, times: LinkTimes, memory: Allotment | undefined) {
    this.#process = new SendingProcess(identity)
    this.#http = new HttpTransport(this.#process)
    this.#times = times
    this.#memory = memory
  }

  send(member: Member, routed: RoutedMessage, deadline: Deadline): Promise<Answer> {
    if (this.#closed) return NO_OWNER
    if (keyProblem(routed.user) !== undefined) return REJECTED
    const peer = this.#peer(member)
    return this.#link(member, peer)?.send(routed, deadline) ?? this.#overHttp(member, peer, routed, deadline)
  }

  async #overHttp(member: Member, peer: Peer, routed: RoutedMessage, deadline: Deadline): Promise<Answer> {
    peer.overHttp++
    try {
      return await this.#http.send(member, routed, deadline)
    } finally {
      peer.overHttp--
    }
  }

  async announce(member: Member, users: readonly string[], deadline: Deadline): Promise<boolean> {
    if (this.#closed) return false
    const peer = this.#peer(member)
    // Not over HTTP: a member that refuses links may be of an older version that passes unknown requests to its app.
    if ((await this.#link(member, peer)?.send(encodeUsers(users), deadline)) === 'delivered') return true
    // A member that does not know us yet refuses links, but records an announcement.
    return peer.unknown && this.#http.announce(member, users, deadline)
  }

  end(member: Member, connection: string): void {
    const peer = this.#peers.get(member.name)
    if (peer?.link) peer.link.end(connection)
    else if (peer && performance.now() < peer.httpUntil) this.#http.end(member, connection)
  }

  pipelines(member: Member): boolean {
    const peer = this.#peers.get(member.name)
    return peer?.overHttp === 0 && (peer.link?.open ?? false)
  }

  close(): void {
    this.#closed = true
    for (const { link } of this.#peers.values()) link?.close()
    this.#http.close()
  }

  #peer(member: Member): Peer {
    const known = this.#peers.get(member.name)
    if (known) return known
    this.#forget()
    const peer = { link: undefined, failures: 0, notBefore: 0, httpUntil: 0, overHttp: 0, unknown: false }
    this.#peers.set(member.name, peer)
    return peer
  }

  #link(member: Member, peer: Peer): LinkSender | undefined {
    if (peer.link) return peer.link
    const now = performance.now()
    if (now >= peer.httpUntil) peer.link = this.#open(member, peer, Math.max(0, peer.notBefore - now))
    return peer.link
  }

  #open(member: Member, peer: Peer, delayMs: number, resume?: LinkRest): LinkSender {
    const link = new LinkSender({
      member,
      headers: this.#process.headers,
      nextId: this.#process.nextId,
      delayMs,
      memory: this.#memory,
      ...(resume && { resume }),
      ...this.#times,
      handshakeMs: Math.min(this.#times.longestHandshakeMs, this.#times.handshakeMs * 2 ** peer.failures),
      onEnd: (end, rest) => {
        this.#ended(peer, link, end)
        if (end === 'broken' && rest.boot && rest.pendings.length > 0 && !this.#closed)
          peer.link = this.#open(member, peer, Math.max(0, peer.notBefore - performance.now()), rest)
        else giveUp(rest, end, (routed, deadline) => this.#overHttp(member, peer, routed, deadline))
      },
    })
    return link
  }

  #ended(peer: Peer, link: LinkSender, end: LinkEnd): void {
    const { firstPauseMs, longestPauseMs, httpMs } = this.#times
    const now = performance.now()
    peer.link = undefined
    peer.unknown = end === 'unknown'
    peer.failures = end === 'no_link' || end === 'done' || link.proved ? 0 : peer.failures + 1
    if (end === 'no_link') peer.httpUntil = now + httpMs
    const pause = peer.failures === 0 ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (peer.failures - 1))
    // Jittered, so that the sidecars of many pods do not redial at the same moment.
    peer.notBefore = now + pause * (0.5 + Math.random() / 2)
  }

  /** Drops idle peers, because members come and go. */
  #forget(): void {
    const now = performance.now()
    for (const [name, { link, notBefore, httpUntil, overHttp }] of this.#peers) {
      if (!link && overHttp === 0 && notBefore <= now && httpUntil <= now) this.#peers.delete(name)
    }
  }
}
