import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a process is told of the memory of its container. Bytes. */
export interface MemoryUse {
  /** All that counts against the container's limit, less what the kernel can take back (files that it has read). */
  readonly used: number
  /** The part of it that the kernel holds for sockets: what they have not sent, and what we have not read. */
  readonly sockets: number
}

/** Reads {@link MemoryUse}; `undefined` where the system does not say. */
export type MemoryReader = () => MemoryUse | undefined

const V2_ROOT = '/sys/fs/cgroup'
const V1_ROOT = '/sys/fs/cgroup/memory'

/**
 * Makes the reader for this process's cgroup, of version 2 or 1. A container sees its own as the root, or below the path that
 * `/proc/self/cgroup` names.
 */
export function memoryReader(read: (path: string) => string = path => readFileSync(path, 'utf8')): MemoryReader {
  const own = ownPaths(read)
  const has = (path: string, file: string) => attempt(() => read(join(path, file))) !== undefined
  const v2 = [join(V2_ROOT, own.v2), V2_ROOT].find(path => has(path, 'memory.current'))
  if (v2 !== undefined) return () => attempt(() => useOfV2(read, v2))
  const v1 = [join(V1_ROOT, own.v1), V1_ROOT].find(path => has(path, 'memory.usage_in_bytes'))
  if (v1 !== undefined) return () => attempt(() => useOfV1(read, v1))
  return () => undefined
}

function useOfV2(read: (path: string) => string, path: string): MemoryUse {
  const stat = read(join(path, 'memory.stat'))
  const used = bytesIn(read(join(path, 'memory.current'))) - field(stat, 'inactive_file')
  return { used, sockets: field(stat, 'sock') }
}

/** Version 1 keeps the memory of sockets apart, and counts it only where it has a limit of its own. */
function useOfV1(read: (path: string) => string, path: string): MemoryUse {
  const sockets = bytesIn(read(join(path, 'memory.kmem.tcp.usage_in_bytes')))
  const files = field(read(join(path, 'memory.stat')), 'total_inactive_file')
  return { used: bytesIn(read(join(path, 'memory.usage_in_bytes'))) - files + sockets, sockets }
}

/** @throws where it is no number */
function bytesIn(text: string): number {
  if (!/^\d+\s*$/.test(text)) throw new Error(`not a number of bytes: ${text}`)
  return Number(text)
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function field(stat: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0)
}

function ownPaths(read: (path: string) => string): { v1: string; v2: string } {
  const text = attempt(() => read('/proc/self/cgroup')) ?? ''
  const of = (pattern: RegExp) => pattern.exec(text)?.[1] ?? ''
  return { v2: of(/^0::(.*)$/m), v1: of(/^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m) }
}
