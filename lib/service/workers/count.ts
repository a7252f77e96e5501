import { availableParallelism } from 'node:os'

/** Memory that has to be there for each worker: a Node process with the program in it, and some thousand connections. */
const MEMORY_PER_WORKER_BYTES = 192 * 1024 * 1024

/** What a process may use of its machine. */
export interface Given {
  readonly cores: number
  /** Bytes; 0 where nothing is known or limited. */
  readonly memory: number
}

/**
 * How many workers a program gets.
 *
 * Cores are those of the process's affinity, at most the CPU limit of its cgroup rounded down: Node reads both (libuv looks at
 * `cpu.max` from the process's own cgroup up to the root). Where a container has no CPU limit those are the cores of
 * its node, which may be many, while its memory is limited, so memory bounds them too.
 *
 * @param wanted 0: as many as the cores and the memory given allow, at least one
 */
export function workerCount(
  wanted: number,
  given: Given = { cores: availableParallelism(), memory: process.constrainedMemory() },
): number {
  if (wanted > 0) return wanted
  const fitting = given.memory > 0 ? Math.floor(given.memory / MEMORY_PER_WORKER_BYTES) : Number.POSITIVE_INFINITY
  return Math.max(1, Math.min(given.cores, fitting))
}
