import { Connection } from './connection.ts'
import { type Client, type Errors, type Job, noErrors, type Report } from './job.ts'
import { Lane } from './lane.ts'
import { Messages } from './message.ts'
import { measure, rates } from './window.ts'

/** Longest time from the first byte to the end of one connection. */
const TIMEOUT_MS = 10_000

/** Connects, upgrades, gets one message back and closes, as often as can be. */
export async function handshakes(job: Extract<Job, { kind: 'handshakes' }>): Promise<Report> {
  const errors: Errors = noErrors()
  let running = true
  let done = 0
  const work = async (client: Client) => {
    const messages = new Messages(client.user, undefined, job.bytes, 1)
    while (running) {
      if (await one(client, messages, errors)) done++
    }
  }
  const workers = job.clients.map(work)
  const window = await measure(job, () => done)
  running = false
  await Promise.all(workers)
  return { figures: rates(window), errors }
}

/** @returns whether all of it went well; what did not is counted */
async function one(client: Client, messages: Messages, errors: Errors): Promise<boolean> {
  const before = total(errors)
  const ended = Promise.withResolvers<void>()
  const connection = new Connection(client, {
    onMessage(header, bytes, payload) {
      lane.receive(header, bytes, payload)
      connection.close()
    },
    onEnd(wanted) {
      if (!wanted) errors.cut++
      ended.resolve()
    },
  })
  const lane = new Lane(connection, messages, errors)
  const timer = setTimeout(() => {
    errors.cut++
    connection.destroy()
  }, TIMEOUT_MS)
  // A refusal is counted when the connection ends.
  connection.opened.then(
    () => lane.send(1),
    () => {},
  )
  await ended.promise
  clearTimeout(timer)
  lane.close()
  return total(errors) === before
}

const total = ({ lost, doubled, reordered, corrupt, cut }: Errors) => lost + doubled + reordered + corrupt + cut
