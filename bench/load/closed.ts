import { type Errors, type Job, noErrors, type Report } from './job.ts'
import { closeLanes, type Lane, openLanes } from './lane.ts'
import { measure, rates } from './window.ts'

/** Closed loop: what has arrived is replaced, so that each client has the same number of messages on their way. */
export async function closedLoop(job: Extract<Job, { kind: 'closed' }>): Promise<Report> {
  const errors: Errors = noErrors()
  let running = true
  let arrived = 0
  const lanes = await openLanes(job.clients, { bytes: job.bytes, slots: job.inFlight }, errors, {
    onArrival: () => void arrived++,
    onRead(lane: Lane) {
      const missing = job.inFlight - (lane.sent - lane.arrived)
      if (running && missing > 0) lane.send(missing)
    },
  })
  for (const lane of lanes) lane.send(job.inFlight)
  const window = await measure(job, () => arrived)
  running = false
  await closeLanes(lanes)
  return { figures: rates(window), errors }
}
