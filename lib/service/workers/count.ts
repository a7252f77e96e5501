import { availableParallelism } from 'node:os'

/** Memory required per worker: a Node process with the program, and some thousand connections. */
const MEMORY_PER_WORKER_BYTES = 192 * 1024 * 1024

/** Resources that a process may use. */
export interface Given {
  readonly cores: number
  /** Bytes; 0 if unknown or unlimited. */
  readonly memory: number
}

/**
 * The number of workers of a program.
 *
 * Cores are those of the process's affinity, limited by the CPU limit of its cgroup rounded down; Node reads both
 * (libuv reads `cpu.max` from the process's own cgroup up to the root). Without a CPU limit a container sees all cores
 * of its node, which may be many, while its memory is limited; so memory bounds the number too.
 *
 * @param wanted 0: as many as cores and memory allow, at least one
 */
export function workerCount(
  wanted: number,
  given: Given = { cores: availableParallelism(), memory: process.constrainedMemory() },
): number {
  if (wanted > 0) return wanted
  const fitting = given.memory > 0 ? Math.floor(given.memory / MEMORY_PER_WORKER_BYTES) : Number.POSITIVE_INFINITY
  return Math.max(1, Math.min(given.cores, fitting))
}
