import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import { createMember, type Member } from '../../../../lib/routing/members.ts'
import { LINK_VERSION_HEADER } from '../../../../lib/service/names.ts'
import { LinkDecoder } from '../../../../sidecar/transport/link/link-decoder.ts'
import {
  encodeHello,
  LINK_VERSION,
  type LinkFrame,
  writeOutcome,
  writeWindow,
} from '../../../../sidecar/transport/link/link-frames.ts'
import type { Outcome } from '../../../../sidecar/transport/outcome.ts'
import type { Scope } from '../../../helpers/stack.ts'

/** The process that a peer is, unless it says otherwise. */
export const BOOT = Buffer.alloc(16, 1)

export const hello = (windowBytes: number, boot = BOOT) => encodeHello(windowBytes, 1_000_000, boot)

/** The accepting end of links as a test wants it: it keeps what comes, and answers only when told. */
export interface LinkPeer {
  readonly member: Member
  /** The process that it is: a test can change it. */
  boot: typeof BOOT
  readonly server: WebSocketServer
  /** Links that were made to it, in order. */
  readonly links: WebSocket[]
  /** WebSocket messages that came, by the link they came on. */
  readonly batches: { link: number; bytes: number }[]
  /** Payloads of the messages that came. */
  readonly texts: string[]
  readonly ids: number[]
  /** The frames of these. */
  readonly frames: Extract<LinkFrame, { type: 'deliver' }>[]
  /** Connections whose end was told. */
  readonly ended: string[]
  answer(id: number, outcome: Outcome, link?: number): void
  allow(bytes: number, link?: number): void
}

/**
 * @param greeting bytes to greet with, instead of the peer's own hello
 * @param version of the frames that it says it reads; empty: it says nothing, as one that reads version 1
 */
export async function startLinkPeer(
  t: Scope,
  options: ServerOptions = {},
  greeting?: Buffer | string,
  version = String(LINK_VERSION),
): Promise<LinkPeer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options })
  server.on('headers', headers => version !== '' && headers.push(`${LINK_VERSION_HEADER}: ${version}`))
  await once(server, 'listening')
  const peer: LinkPeer = {
    member: createMember('127.0.0.1', (server.address() as AddressInfo).port),
    boot: BOOT,
    server,
    links: [],
    batches: [],
    texts: [],
    ids: [],
    frames: [],
    ended: [],
    answer(id, outcome, link = peer.links.length - 1) {
      const bytes = Buffer.alloc(6)
      writeOutcome(bytes, 0, id, outcome)
      peer.links[link]?.send(bytes)
    },
    allow(count, link = peer.links.length - 1) {
      const bytes = Buffer.alloc(5)
      writeWindow(bytes, 0, count)
      peer.links[link]?.send(bytes)
    },
  }
  server.on('connection', (socket: WebSocket) => {
    const link = peer.links.push(socket) - 1
    const decoder = new LinkDecoder(1_000_000)
    socket.on('error', () => {})
    socket.on('message', (data: Buffer) => {
      peer.batches.push({ link, bytes: data.length })
      for (const frame of decoder.push(data)) {
        if (frame.type === 'end') peer.ended.push(frame.connection)
        if (frame.type !== 'deliver') continue
        peer.texts.push(frame.message.data.toString())
        peer.ids.push(frame.id)
        peer.frames.push(frame)
      }
    })
    socket.send(greeting ?? hello(262_144, peer.boot))
  })
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    return new Promise(resolve => server.close(resolve))
  })
  return peer
}
