import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = '/sys/fs/cgroup'
const V1 = join(ROOT, 'memory')

/** More than any test reaches: a limit of its own makes cgroup v1 count the memory of TCP sockets. */
const NO_LIMIT = String(1 << 30)

/** A cgroup of its own with a memory limit, as a container has one (v1 or v2, whichever this machine has). */
export class MemoryCgroup {
  readonly limit: number
  readonly #path: string
  readonly #isV2: boolean

  private constructor(path: string, limit: number, isV2: boolean) {
    this.#path = path
    this.limit = limit
    this.#isV2 = isV2
  }

  /** @returns the cgroup, or why this machine cannot have one: it takes root and a cgroup file system that may be written */
  static create(limit: number): MemoryCgroup | string {
    const isV2 = existsSync(join(ROOT, 'cgroup.controllers'))
    const parent = isV2 ? ROOT : V1
    if (!existsSync(parent)) return `there is no memory controller in ${ROOT}`
    const path = join(parent, `ws-operator-${process.pid}-${Math.random().toString(36).slice(2)}`)
    try {
      mkdirSync(path)
    } catch (error) {
      return `no cgroup can be made: ${(error as Error).message}`
    }
    try {
      if (isV2) {
        writeFileSync(join(path, 'memory.max'), String(limit))
        if (existsSync(join(path, 'memory.swap.max'))) writeFileSync(join(path, 'memory.swap.max'), '0')
      } else {
        writeFileSync(join(path, 'memory.limit_in_bytes'), String(limit))
        writeFileSync(join(path, 'memory.kmem.tcp.limit_in_bytes'), NO_LIMIT)
      }
      return new MemoryCgroup(path, limit, isV2)
    } catch (error) {
      rmdirSync(path)
      return `its memory cannot be limited: ${(error as Error).message}`
    }
  }

  /** The command line that runs a program in it. */
  around(command: readonly string[]): [string, string[]] {
    return ['sh', ['-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', this.#path, ...command]]
  }

  /** Bytes in use, those of TCP sockets included. */
  get used(): number {
    if (this.#isV2) return this.#read('memory.current')
    return this.#read('memory.usage_in_bytes') + this.sockets
  }

  /** Bytes that the kernel holds for TCP sockets. */
  get sockets(): number {
    if (this.#isV2) return Number(/^sock (\d+)$/m.exec(this.#text('memory.stat'))?.[1] ?? 0)
    return this.#read('memory.kmem.tcp.usage_in_bytes')
  }

  /** Processes in it that were killed because there was no memory left. */
  get kills(): number {
    const text = this.#text(this.#isV2 ? 'memory.events' : 'memory.oom_control')
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0)
  }

  /** To be called when all its processes have ended. */
  remove(): void {
    rmdirSync(this.#path)
  }

  #read(file: string): number {
    return Number(this.#text(file))
  }

  #text(file: string): string {
    return readFileSync(join(this.#path, file), 'utf8')
  }
}
