import { waitedMs } from '../machine/proc.ts'
import { percentile } from '../report/stats.ts'
import { type Errors, type Job, noErrors, type Report } from './job.ts'
import { closeLanes, delay, openLanes } from './lane.ts'
import { Slices } from './slices.ts'
import { measure, rates } from './window.ts'

/** Measuring goes on until half of the wanted time was calm, but not for more than so much longer; then an eighth does. */
const ENOUGH = 1 / 2
const LEAST = 1 / 8
const LONGER = 3
const MAX_LONGER_MS = 20_000

/**
 * Open loop: messages are sent at a steady rate, one client after the other, whether or not earlier ones have come back, so a proxy
 * that stalls is not spared. A message's time runs from its own sending. Timers have the grain of a millisecond, so the messages
 * of a millisecond go out together.
 *
 * A latency says something of the proxy only while every program of the benchmark gets its core when it needs it. Where others
 * run too, a core is gone for some milliseconds now and then, for the proxy or for the load generator and the apps, and a median
 * is then 0.4 or 10 ms by chance, whichever proxy is measured. So only messages count that were sent and came back in calm slices
 * ({@link Slices}), which have nothing to do with what the proxy does, and measuring goes on until there were enough of them. If
 * there are hardly any, all messages count, and the share of calm time says so.
 */
export async function openLoop(job: Extract<Job, { kind: 'open' }>): Promise<Report> {
  const errors: Errors = noErrors()
  const longerMs = Math.min(job.measureMs * LONGER, MAX_LONGER_MS)
  const total = Math.ceil((job.perSecond * (job.warmupMs + job.measureMs + longerMs)) / 1000) + job.perSecond
  const perClient = Math.ceil(total / job.clients.length)
  const sentAt = new Float64Array(perClient * job.clients.length)
  const indexOf = new Map<object, number>()
  /** Of the messages that have come back, in the order in which they came. */
  const sent = new Float64Array(sentAt.length)
  const latencies = new Float64Array(sentAt.length)
  let measured = 0
  let arrived = 0
  let slices: Slices | undefined
  let from = Number.POSITIVE_INFINITY
  const lanes = await openLanes(job.clients, { bytes: job.bytes, slots: perClient }, errors, {
    onArrival(lane, sequence) {
      arrived++
      const time = sequence < 0 ? undefined : sentAt[indexOf.get(lane)! * perClient + sequence]
      if (time === undefined || time < from || measured >= latencies.length) return
      sent[measured] = time
      latencies[measured++] = performance.now() - time
    },
  })
  for (const [index, lane] of lanes.entries()) indexOf.set(lane, index)

  const start = performance.now()
  let next = 0
  const timer = setInterval(() => {
    const now = performance.now()
    slices?.tick(now)
    const due = Math.min(total, Math.floor(((now - start) / 1000) * job.perSecond))
    for (; next < due; next++) {
      const index = next % lanes.length
      const lane = lanes[index]!
      sentAt[index * perClient + lane.sent] = performance.now()
      lane.send(1)
    }
  }, 1)
  const window = await measure(
    job,
    () => arrived,
    () => {
      from = performance.now()
      slices = new Slices(from, () => waitedMs(job.pids))
    },
  )
  const end = performance.now() + longerMs
  const calm = (share: number) => slices!.calmMs >= job.measureMs * share
  while (!calm(ENOUGH) && performance.now() < end) await delay(10)
  const calmShare = slices!.calmMs / (performance.now() - from)
  const calmOnly = calm(LEAST)
  clearInterval(timer)
  await closeLanes(lanes)
  const counted = latencies
    .subarray(0, measured)
    .filter((latency, n) => !calmOnly || slices!.calm(sent[n]!, sent[n]! + latency))
    .sort()
  if (counted.length === 0) throw new Error('no message came back')
  const [p50, p99] = [0.5, 0.99].map(share => percentile(counted, share) * 1000) as [number, number]
  return { figures: { ...rates(window), p50, p99, calmShare }, errors }
}
