import { readFileSync } from 'node:fs'

/**
 * Fields of `/proc/<pid>/stat` between the process's name and its CPU time (proc(5): the name is field 2, utime 14,
 * stime 15).
 */
const UTIME_AFTER_NAME = 11

/**
 * CPU time of all threads of a process, user and system, in clock ticks; `undefined` if the system does not report it.
 */
export function cpuTicks(pid: number): number | undefined {
  try {
    return parseCpuTicks(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return undefined
  }
}

/** Parses `/proc/<pid>/stat`; the process name may contain blanks and parentheses. */
export function parseCpuTicks(stat: string): number | undefined {
  const fields = stat
    .slice(stat.lastIndexOf(')') + 1)
    .trim()
    .split(' ')
  const ticks = Number(fields[UTIME_AFTER_NAME]) + Number(fields[UTIME_AFTER_NAME + 1])
  return Number.isSafeInteger(ticks) ? ticks : undefined
}
