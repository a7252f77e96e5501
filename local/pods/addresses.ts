import { createServer, type Server } from 'node:net'

/** Held on the first address of a block, so that two demos at a time use different blocks. */
const LOCK_PORT = 47_311
const BLOCKS = 32
const FIRST = 10
const SIZE = 20

/** Listens; `undefined` when it worked, else the error code. */
function tryListen(server: Server, host: string, port: number): Promise<string | undefined> {
  return new Promise(resolve => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => resolve(undefined))
  })
}

/** Whether nothing else listens there now. */
export async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer()
  const problem = await tryListen(server, host, port)
  if (problem === undefined) await new Promise(resolve => server.close(resolve))
  return problem === undefined
}

/**
 * The preferred port if it is free, else another: 10000 higher, and so on.
 *
 * @param report gets a line where it is not the preferred one
 * @throws {Error} where none of those is free
 */
export async function freePort(host: string, preferred: number, what: string, report: (line: string) => void) {
  for (let port = preferred; port < 65_536; port += 10_000) {
    if (!(await isFree(host, port))) continue
    if (port !== preferred)
      report(`port ${preferred} is taken by another program on this machine; ${what} uses ${port} instead`)
    return port
  }
  throw new Error(`${what}: port ${preferred} of ${host} and those 10000, 20000, … higher are all taken; free one`)
}

/** Addresses for pods: 127.0.x.11 to 127.0.x.30, each of this machine alone. */
export class AddressBlock {
  readonly #lock: Server
  readonly #block: number
  readonly #used = new Set<string>()
  #next = 0

  private constructor(lock: Server, block: number) {
    this.#lock = lock
    this.#block = block
  }

  /** @throws {Error} that says what to do where this machine has no such addresses */
  static async reserve(platform: string = process.platform): Promise<AddressBlock> {
    for (let block = 0; block < BLOCKS; block++) {
      const lock = createServer(socket => socket.destroy()).unref()
      const problem = await tryListen(lock, `127.0.${block}.${FIRST}`, LOCK_PORT)
      if (problem === undefined) return new AddressBlock(lock, block)
      if (problem === 'EADDRNOTAVAIL') throw new Error(noAddresses(block, platform))
    }
    throw new Error(`port ${LOCK_PORT} is taken on every address of this machine; are ${BLOCKS} demos running?`)
  }

  /** An unused address, in turn, so that a released one is not reused soon. */
  take(): string {
    for (let step = 0; step < SIZE; step++) {
      const address = `127.0.${this.#block}.${FIRST + 1 + (this.#next++ % SIZE)}`
      if (this.#used.has(address)) continue
      this.#used.add(address)
      return address
    }
    throw new Error(`all ${SIZE} addresses for pods are in use`)
  }

  give(address: string): void {
    this.#used.delete(address)
  }

  release(): void {
    this.#lock.close()
  }
}

/** What to do where an address of a block is not there. */
export function noAddresses(block: number, platform: string): string {
  if (platform !== 'darwin') return `this machine has no address 127.0.${block}.${FIRST}; the demo needs 127.0.0.0/8`
  if (block > 0) return 'another demo runs on this machine, and macOS has addresses for one only; end the other one'
  const last = FIRST + SIZE
  return `macOS has only 127.0.0.1 until it is told otherwise. Run this once (it lasts until the next restart), then start the demo again:
  for n in $(seq ${FIRST} ${last}); do sudo ifconfig lo0 alias 127.0.0.$n up; done`
}
