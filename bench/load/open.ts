import { percentile } from '../stats.ts'
import { type Errors, type Job, noErrors, type Report } from './job.ts'
import { closeLanes, openLanes } from './lane.ts'
import { measure, rates } from './window.ts'

/**
 * Open loop: messages are sent at a steady rate, one client after the other, whether or not earlier ones have come back, so a proxy
 * that stalls is not spared. A message's time runs from its own sending. Timers have the grain of a millisecond, so the messages
 * of a millisecond go out together.
 */
export async function openLoop(job: Extract<Job, { kind: 'open' }>): Promise<Report> {
  const errors: Errors = noErrors()
  const total = Math.ceil((job.perSecond * (job.warmupMs + job.measureMs)) / 1000) + job.perSecond
  const perClient = Math.ceil(total / job.clients.length)
  const sentAt = new Float64Array(perClient * job.clients.length)
  const indexOf = new Map<object, number>()
  const latencies = new Float64Array(sentAt.length)
  let measured = 0
  let arrived = 0
  let from = Number.POSITIVE_INFINITY
  const lanes = await openLanes(job.clients, { bytes: job.bytes, slots: perClient }, errors, {
    onArrival(lane, sequence) {
      arrived++
      const sent = sequence < 0 ? undefined : sentAt[indexOf.get(lane)! * perClient + sequence]
      if (sent !== undefined && sent >= from && measured < latencies.length) {
        latencies[measured++] = performance.now() - sent
      }
    },
  })
  for (const [index, lane] of lanes.entries()) indexOf.set(lane, index)

  const start = performance.now()
  let next = 0
  const timer = setInterval(() => {
    const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * job.perSecond))
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
    },
  )
  clearInterval(timer)
  await closeLanes(lanes)
  const sorted = latencies.subarray(0, measured).sort()
  if (sorted.length === 0) throw new Error('no message came back')
  return {
    figures: { ...rates(window), p50: percentile(sorted, 0.5) * 1000, p99: percentile(sorted, 0.99) * 1000 },
    errors,
  }
}
