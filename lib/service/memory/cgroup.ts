import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Memory of the container, as reported to a process. Bytes. */
export interface MemoryUse {
  /** Memory that counts towards the container's limit, without reclaimable file cache. */
  readonly used: number
  /** The part that the kernel holds for sockets: unsent and unread bytes. */
  readonly sockets: number
}

/** Reads {@link MemoryUse}; `undefined` if the system does not report it. */
export type MemoryReader = () => MemoryUse | undefined

const V2_ROOT = '/sys/fs/cgroup'
const V1_ROOT = '/sys/fs/cgroup/memory'

/**
 * Makes the reader for this process's cgroup, version 2 or 1. A container sees its own cgroup as the root, or below the
 * path that `/proc/self/cgroup` names.
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

/** Version 1 reports socket memory separately, and counts it only if it has its own limit. */
function useOfV1(read: (path: string) => string, path: string): MemoryUse {
  const sockets = bytesIn(read(join(path, 'memory.kmem.tcp.usage_in_bytes')))
  const files = field(read(join(path, 'memory.stat')), 'total_inactive_file')
  return { used: bytesIn(read(join(path, 'memory.usage_in_bytes'))) - files + sockets, sockets }
}

/** @throws if the text is not a number */
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
