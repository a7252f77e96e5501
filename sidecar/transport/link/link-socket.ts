import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import type { Member } from '../../../lib/routing/members.ts'
import { LINK_PROTOCOL, LINK_VERSION_HEADER, MESSAGE_PATH } from '../../../lib/service/names.ts'
import { isUnknownPeer } from '../unknown-peer.ts'
import { MAX_BATCH_BYTES } from './link-frames.ts'

/**
 * Why a link did not come about: `no_link`, the other end is there and takes none; `unknown`, it does not know us yet;
 * `unreachable`, it is not there.
 */
export type DialFailure = 'no_link' | 'unknown' | 'unreachable'

/**
 * Dials a link to a member. Never throws.
 *
 * @param headers of the handshake
 * @returns `undefined`: one of the headers cannot be written
 */
export function dialLink(link: {
  readonly member: Member
  readonly headers: Readonly<Record<string, string>>
}): WebSocket | undefined {
  const { host, port, name } = link.member
  try {
    return new WebSocket(`ws://sidecar${MESSAGE_PATH}`, LINK_PROTOCOL, {
      // Not every name of a member can be written in a URL.
      createConnection: () => connect({ host, port }),
      headers: { ...link.headers, host: name },
      perMessageDeflate: false,
      maxPayload: MAX_BATCH_BYTES,
    })
  } catch {
    return undefined
  }
}

/** The version of the frames that the accepting end reads. */
export function readLinkVersion({ headers }: IncomingMessage): number {
  const version = headers[LINK_VERSION_HEADER]
  return typeof version === 'string' && /^[1-9]\d{0,3}$/.test(version) ? Number(version) : 1
}

/** Why another answer than 101 came: a sidecar whose list of members does not have us yet says so. */
export function readRefusal({ headers }: IncomingMessage): DialFailure {
  return isUnknownPeer(headers) ? 'unknown' : 'no_link'
}

/** Longest time for the other end to answer our close frame, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1000

/** Sends bytes of a link, in WebSocket messages that the other end takes. */
export function sendBytes(socket: WebSocket, bytes: Buffer, done?: () => void): void {
  let start = 0
  while (bytes.length - start > MAX_BATCH_BYTES) {
    const end = start + MAX_BATCH_BYTES
    socket.send(bytes.subarray(start, end))
    start = end
  }
  socket.send(start === 0 ? bytes : bytes.subarray(start), done)
}

/** Closes a link as RFC 6455 §7 wants it, and ends it where the other end does not take part. */
export function closeLink(socket: WebSocket, code: number, reason: string): void {
  if (socket.readyState === WebSocket.CONNECTING) {
    socket.terminate()
    return
  }
  const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS)
  socket.once('close', () => clearTimeout(timer))
  socket.close(code, reason)
}
