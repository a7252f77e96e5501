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

/** Maximum number of links: far more than an app has pods. A sender without a link uses HTTP. */
const MAX_LINKS = 2000

/** Longest silence on a link, in milliseconds: its sender pings every few seconds. */
const SILENCE_MS = 30_000

export interface AcceptedLinksOptions {
  readonly inbox: Receiver
  readonly gate: PeerGate
  readonly limits: LinkReceiverLimits
  readonly maxLinks?: number
  /** Limit for the memory of all links; unlimited by default. */
  readonly memory?: Allotment
}

/** The links from other sidecars: at most one per sending process. */
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
    // A link proves its member name as long as it lives, even if the member is no longer listed: the process is the
    // same.
    if (gate.proves(raw, standing, member) || inbox.knows(member)) this.#proven.add(raw)
    // A sender that dials again already has a place: its older link ends.
    if (this.size >= this.#maxLinks && !this.#bySender.has(String(sender))) throw serviceError('FULL', this.#maxLinks)
  }

  /** Accepts the WebSocket of an admitted handshake. */
  accept(socket: WebSocket, request: IncomingMessage): void {
    const { inbox, limits } = this.#options
    const sender = String(request.headers[SENDER_HEADER])
    const member = readMemberHeader(request.headers)
    // The sender has given up its older link: unread bytes there must not arrive after those of this one.
    this.#bySender.get(sender)?.terminate()
    const peer = { sender, member, proven: this.#proven.has(request) }
    const link = new LinkReceiver(socket, inbox, peer, limits, this.#incomplete)
    this.#bySender.set(sender, link)
    socket.once('close', () => {
      if (this.#bySender.get(sender) === link) this.#bySender.delete(sender)
    })
    request.socket.setTimeout(SILENCE_MS, () => link.terminate())
  }

  /** Closes all links with 1012, after the answers that are known. */
  leaveAll(): void {
    for (const link of this.#bySender.values()) link.leave(CLOSE.SERVICE_RESTART, 'service restart')
  }
}
