import { cpuSeconds } from '../machine/proc.ts'
import { delay } from './lane.ts'

/** What happened while it was measured. */
export interface Window {
  readonly count: number
  readonly seconds: number
  /** CPU time that the measured processes have used. */
  readonly cpu: number
}

/**
 * Lets the traffic warm up, then measures.
 *
 * @param count how much was done so far
 * @param onStart called when measuring begins
 */
export async function measure(
  { pids, warmupMs, measureMs }: { pids: readonly number[]; warmupMs: number; measureMs: number },
  count: () => number,
  onStart: () => void = () => {},
): Promise<Window> {
  await delay(warmupMs)
  onStart()
  const [count0, time0, cpu0] = [count(), performance.now(), cpuSeconds(pids)]
  await delay(measureMs)
  return { count: count() - count0, seconds: (performance.now() - time0) / 1000, cpu: cpuSeconds(pids) - cpu0 }
}

/** The figures that every kind of traffic has; those about CPU time only where a process is measured. */
export function rates({ count, seconds, cpu }: Window): Record<string, number> {
  return { perSecond: count / seconds, ...(cpu > 0 && { perCpuSecond: count / cpu, cpuShare: cpu / seconds }) }
}
