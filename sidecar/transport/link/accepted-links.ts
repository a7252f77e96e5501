import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { serviceError } from '../../../lib/service/http/errors.ts'
import type { Allotment } from '../../../lib/service/memory/allotment.ts'
import { LINK_PROTOCOL, SENDER_HEADER } from '../../../lib/service/names.ts'
import { CLOSE } from '../../../lib/websocket/close-codes.ts'
import type { PeerGate } from '../../peers/peer-gate.ts'
import { readMemberHeader } from '../member-header.ts'
import type { Receiver } from '../transport.ts'
import { IncompleteFrames } from './incomplete-frames.ts'
import { LinkReceiver, type LinkReceiverLimits } from './link-receiver.ts'

/** Most links at a time: far more than an app has pods. A sender without one uses HTTP. */
const MAX_LINKS = 2000

/** Longest silence on a link, in milliseconds: its sender pings every few seconds. */
const SILENCE_MS = 30_000

export interface AcceptedLinksOptions {
  readonly inbox: Receiver
  readonly gate: PeerGate
  readonly limits: LinkReceiverLimits
  readonly maxLinks?: number
  /** Limit for what all links hold; by default there is none. */
  readonly memory?: Allotment
}

/** The links that other sidecars have to this one: at most one for each sending process. */
export class AcceptedLinks {
  readonly #options: AcceptedLinksOptions
  readonly #maxLinks: number
  readonly #incomplete: IncompleteFrames
  readonly #bySender = new Map<string, LinkReceiver>()
  /** Handshakes whose sender has proven its member name. */
  readonly #proven = new WeakSet<IncomingMessage>()

  constructor(options: AcceptedLinksOptions) {
    const { limits, maxLinks = MAX_LINKS, memory } = options
    this.#options = options
    this.#maxLinks = maxLinks
    this.#incomplete = new IncompleteFrames(limits.maxMessageBytes, undefined, memory)
  }

  get size(): number {
    return this.#bySender.size
  }

  /** Checks a handshake. @throws `WSO_ERR_UNAUTHORIZED`, `WSO_ERR_BAD_MESSAGE` or `WSO_ERR_FULL` */
  async admit({ raw, headers }: FastifyRequest): Promise<void> {
    const { gate, inbox } = this.#options
    const standing = await gate.admit(raw)
    const protocol = headers['sec-websocket-protocol']
    if (protocol !== LINK_PROTOCOL)
      throw serviceError('BAD_MESSAGE', `links here are ${LINK_PROTOCOL}, not ${protocol}`)
    const sender = headers[SENDER_HEADER]
    if (sender === undefined) throw serviceError('BAD_MESSAGE', `the header ${SENDER_HEADER} is missing`)
    const member = readMemberHeader(headers)
    // A link proves its member for as long as it lives, also when no list has the member: it is the same process.
    if (gate.proves(raw, standing, member) || inbox.knows(member)) this.#proven.add(raw)
    // A sender that dials again already has a place: its older link ends.
    if (this.size >= this.#maxLinks && !this.#bySender.has(String(sender))) throw serviceError('FULL', this.#maxLinks)
  }

  /** Takes the WebSocket of a handshake that was admitted. */
  accept(socket: WebSocket, request: IncomingMessage): void {
    const { inbox, limits } = this.#options
    const sender = String(request.headers[SENDER_HEADER])
    const member = readMemberHeader(request.headers)
    // The sender has given up its older link: bytes that are still unread there must not arrive after those of this one.
    this.#bySender.get(sender)?.terminate()
    const peer = { sender, member, proven: this.#proven.has(request) }
    const link = new LinkReceiver(socket, inbox, peer, limits, this.#incomplete)
    this.#bySender.set(sender, link)
    socket.once('close', () => {
      if (this.#bySender.get(sender) === link) this.#bySender.delete(sender)
    })
    request.socket.setTimeout(SILENCE_MS, () => link.terminate())
  }

  /** Ends all links with 1012, with the answers that are known. */
  leaveAll(): void {
    for (const link of this.#bySender.values()) link.leave(CLOSE.SERVICE_RESTART, 'service restart')
  }
}
