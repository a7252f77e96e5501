import { type Memory, memoryOf } from '../machine/proc.ts'
import { type Errors, type Job, noErrors, type Report } from './job.ts'
import { closeLanes, delay, type Lane, openLanes } from './lane.ts'

/** Longest time that all the answers may take. */
const ECHO_MS = 10_000

/** Memory counts as settled when it has changed by less than this between two looks; it is waited for no longer than that many. */
const SETTLED_BYTES = 65_536
const LOOK_MS = 250
const MAX_LOOKS = 20

/**
 * Memory of connections that do nothing: what the measured processes have more than before, for each connection. A first few
 * connections, closed again, keep what a program allocates once out of it.
 */
export async function idle(job: Extract<Job, { kind: 'idle' }>): Promise<Report> {
  const errors: Errors = noErrors()
  const message = { bytes: job.bytes, slots: 1 }
  const echoOnce = async (lanes: readonly Lane[]) => {
    for (const lane of lanes) lane.send(1)
    const deadline = performance.now() + ECHO_MS
    while (lanes.some(lane => lane.arrived < lane.sent) && performance.now() < deadline) await delay(10)
  }
  const first = await openLanes(job.clients.slice(0, job.warm), message, errors, {})
  await echoOnce(first)
  await closeLanes(first)
  const before = await settled(job.pids)
  const lanes = await openLanes(job.clients, message, errors, {})
  const connected = await settled(job.pids)
  await echoOnce(lanes)
  const echoed = await settled(job.pids)
  await closeLanes(lanes)
  const each = (bytes: number) => bytes / job.clients.length
  return {
    figures: {
      pssConnected: each(connected.pss - before.pss),
      rssConnected: each(connected.rss - before.rss),
      pssEchoed: each(echoed.pss - before.pss),
      rssEchoed: each(echoed.rss - before.rss),
    },
    errors,
  }
}

async function settled(pids: readonly number[]): Promise<Memory> {
  let memory = memoryOf(pids)
  for (let look = 0; look < MAX_LOOKS; look++) {
    await delay(LOOK_MS)
    const now = memoryOf(pids)
    const change = Math.abs(now.pss - memory.pss)
    memory = now
    if (change < SETTLED_BYTES) break
  }
  return memory
}
