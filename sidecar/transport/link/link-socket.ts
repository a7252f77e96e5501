import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import type { Member } from '../../../lib/routing/members.ts'
import { LINK_PROTOCOL, LINK_VERSION_HEADER, MESSAGE_PATH } from '../../../lib/service/names.ts'
import { isUnknownPeer } from '../unknown-peer.ts'
import { MAX_BATCH_BYTES } from './link-frames.ts'

/**
 * Why a link could not be opened: `no_link`: the other end refuses links; `unknown`: it does not know us yet;
 * `unreachable`: it cannot be reached.
 */
export type DialFailure = 'no_link' | 'unknown' | 'unreachable'

/**
 * Dials a link to a member. Never throws.
 *
 * @param headers headers of the handshake
 * @returns `undefined` if a header is invalid
 */
export function dialLink(link: {
  readonly member: Member
  readonly headers: Readonly<Record<string, string>>
}): WebSocket | undefined {
  const { host, port, name } = link.member
  try {
    return new WebSocket(`ws://sidecar${MESSAGE_PATH}`, LINK_PROTOCOL, {
      // Some member names cannot be written in a URL.
      createConnection: () => connect({ host, port }),
      headers: { ...link.headers, host: name },
      perMessageDeflate: false,
      maxPayload: MAX_BATCH_BYTES,
    })
  } catch {
    return undefined
  }
}

/** The frame version that the accepting end reads. */
export function readLinkVersion({ headers }: IncomingMessage): number {
  const version = headers[LINK_VERSION_HEADER]
  return typeof version === 'string' && /^[1-9]\d{0,3}$/.test(version) ? Number(version) : 1
}

/** The dial failure for a response other than 101: a sidecar that does not list us yet says so. */
export function readRefusal({ headers }: IncomingMessage): DialFailure {
  return isUnknownPeer(headers) ? 'unknown' : 'no_link'
}

/** Time limit for the other end to answer our close frame, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1000

/** Sends bytes of a link, in WebSocket messages of acceptable size. */
export function sendBytes(socket: WebSocket, bytes: Buffer, done?: () => void): void {
  let start = 0
  while (bytes.length - start > MAX_BATCH_BYTES) {
    const end = start + MAX_BATCH_BYTES
    socket.send(bytes.subarray(start, end))
    start = end
  }
  socket.send(start === 0 ? bytes : bytes.subarray(start), done)
}

/** Closes a link according to RFC 6455 §7, and terminates it if the other end does not respond. */
export function closeLink(socket: WebSocket, code: number, reason: string): void {
  if (socket.readyState === WebSocket.CONNECTING) {
    socket.terminate()
    return
  }
  const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS)
  socket.once('close', () => clearTimeout(timer))
  socket.close(code, reason)
}
