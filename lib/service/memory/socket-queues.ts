import { readFileSync } from 'node:fs'
import { SocketAddress } from 'node:net'

/** Bytes that the kernel holds for a connection. */
export interface SocketQueue {
  /** Written but not acknowledged by the peer. */
  readonly unsent: number
  /** Received but not read by us. */
  readonly unread: number
}

/** Smaller queues are ignored. */
const LEAST_BYTES = 4096

const FILES = ['/proc/self/net/tcp', '/proc/self/net/tcp6'] as const

/** The key of a connection in {@link readSocketQueues}. */
export const socketKey = (localPort = 0, remoteAddress = '', remotePort = 0): string =>
  `${localPort} ${remoteAddress} ${remotePort}`

/**
 * Reads the kernel queues of the TCP connections in this network namespace, except small ones. Takes some milliseconds
 * for thousands of connections; empty on systems without these files.
 */
export function readSocketQueues(): Map<string, SocketQueue> {
  const queues = new Map<string, SocketQueue>()
  for (const file of FILES) {
    try {
      parseSocketQueues(readFileSync(file, 'latin1'), queues)
    } catch {}
  }
  return queues
}

/** Both queues empty, as on most connections. */
const NO_QUEUES = '00000000:00000000'

/**
 * Adds the connections of a file like `/proc/net/tcp` (proc(5)): each line has a number and a colon, the local and the
 * remote address and port, a state, and both queues, all in hexadecimal and in fixed columns.
 */
export function parseSocketQueues(text: string, queues: Map<string, SocketQueue>): void {
  for (let end = text.indexOf('\n'); end >= 0; ) {
    const start = text.indexOf(':', end) + 2
    if (start < 2) return
    end = text.indexOf('\n', start)
    const addressDigits = text.indexOf(':', start) - start
    const remote = start + addressDigits + 6
    const sizes = remote + addressDigits + 9
    if (text.startsWith(NO_QUEUES, sizes)) continue
    const hex = (at: number, digits: number) => Number.parseInt(text.substring(at, at + digits), 16)
    const unsent = hex(sizes, 8)
    const unread = hex(sizes + 9, 8)
    if (!(unsent + unread >= LEAST_BYTES)) continue
    const address = addressOf(text.substring(remote, remote + addressDigits))
    const key = socketKey(hex(start + addressDigits + 1, 4), address, hex(remote + addressDigits + 1, 4))
    queues.set(key, { unsent, unread })
  }
}

/** Converts an address to Node's notation. The kernel writes words of 32 bits in the byte order of the machine. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex').swap32()
  const v4 = () => bytes.subarray(-4).join('.')
  if (bytes.length === 4) return v4()
  const isMapped = bytes.subarray(0, 10).every(byte => byte === 0) && bytes.readUInt16BE(10) === 0xffff
  if (isMapped) return `::ffff:${v4()}`
  const groups = Array.from({ length: 8 }, (_, n) => bytes.readUInt16BE(n * 2).toString(16))
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address
}
