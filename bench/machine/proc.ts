import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** A process and all its descendants, as Linux knows them now; empty when it has ended. */
export function processTree(pid: number): number[] {
  const tree = [pid]
  for (const member of tree) tree.push(...childrenOf(member))
  return tree
}

function childrenOf(pid: number): number[] {
  try {
    // Each thread lists the processes that it has started.
    return readdirSync(`/proc/${pid}/task`).flatMap(thread =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    )
  } catch {
    return []
  }
}

let ticks: number | undefined

/** Clock ticks a second, the unit of times in `/proc/PID/stat`. */
function ticksPerSecond(): number {
  ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return ticks
}

/**
 * CPU time in seconds that processes have used so far: user and system time of each and of its descendants, also of those that
 * have ended.
 *
 * @throws where one of `pids` has ended
 */
export function cpuSeconds(pids: readonly number[]): number {
  let sum = 0
  for (const pid of pids) for (const member of processTree(pid)) sum += parseCpuTicks(readProc(member, 'stat'))
  return sum / ticksPerSecond()
}

/** utime + stime + cutime + cstime of a `/proc/PID/stat` (proc(5), fields 14 to 17). */
export function parseCpuTicks(stat: string): number {
  // The second field is the program's name in parentheses, in which any character may occur.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
}

/**
 * How long processes and their descendants, of each the main thread, were ready to run without a core to run on, in milliseconds.
 *
 * @throws where one of `pids` has ended
 */
export function waitedMs(pids: readonly number[]): number {
  let sum = 0
  for (const pid of pids) for (const member of processTree(pid)) sum += parseWaitedMs(readProc(member, 'schedstat'))
  return sum
}

/** The second number of a `/proc/PID/schedstat`, which is in nanoseconds. */
export const parseWaitedMs = (schedstat: string): number => Number(schedstat.split(' ')[1]) / 1e6

/** Resident memory in bytes: RSS counts shared pages in full, PSS by the share of each process that has them. */
export interface Memory {
  readonly rss: number
  readonly pss: number
}

/**
 * Memory of processes and all their descendants.
 *
 * @throws where one of `pids` has ended
 */
export function memoryOf(pids: readonly number[]): Memory {
  let rss = 0
  let pss = 0
  for (const pid of pids) {
    for (const member of processTree(pid)) {
      const memory = parseSmapsRollup(readProc(member, 'smaps_rollup'))
      rss += memory.rss
      pss += memory.pss
    }
  }
  return { rss, pss }
}

/** Rss and Pss of a `/proc/PID/smaps_rollup`. */
export function parseSmapsRollup(text: string): Memory {
  const bytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024
  return { rss: bytes('Rss'), pss: bytes('Pss') }
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch (error) {
    throw new Error(`process ${pid} of the measured program has ended: ${(error as Error).message}`)
  }
}
