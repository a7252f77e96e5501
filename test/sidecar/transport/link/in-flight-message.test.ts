import t from 'tap'
import type { DeadlineTask } from '../../../../sidecar/transport/deadline.ts'
import { InFlightMessage } from '../../../../sidecar/transport/link/in-flight-message.ts'
import { LinkDecoder } from '../../../../sidecar/transport/link/link-decoder.ts'
import type { Answer } from '../../../../sidecar/transport/outcome.ts'
import type { RoutedMessage } from '../../../../sidecar/transport/transport.ts'

const message = (more: Partial<RoutedMessage> = {}): RoutedMessage => ({
  user: 'bob',
  deliver: 'app',
  message: { data: Buffer.from('hello'), binary: false },
  lane: 5,
  start: false,
  deliveredTo: undefined,
  ...more,
})

/** A message with a deadline that a test lets pass. */
function begin(content: RoutedMessage | Buffer) {
  const tasks = new Set<DeadlineTask>()
  const answers: unknown[] = []
  const forgotten: InFlightMessage[] = []
  const deadline = {
    aborted: false,
    addEventListener: (_type: 'abort', task: DeadlineTask) => void tasks.add(task),
    removeEventListener: (_type: 'abort', task: DeadlineTask) => void tasks.delete(task),
  }
  const holder = { forget: (inFlight: InFlightMessage) => void forgotten.push(inFlight) }
  const inFlight = new InFlightMessage(content, holder, deadline, (answer: Answer | Promise<Answer>) =>
    answers.push(answer),
  )
  const pass = () => {
    for (const task of tasks) task.handleEvent()
  }
  return { inFlight, answers, forgotten, tasks, pass }
}

/** What the other end reads of its frame. */
function frameOf(inFlight: InFlightMessage, id: number) {
  const bytes = Buffer.alloc(inFlight.bytes)
  t.equal(inFlight.write(bytes, 0, id), bytes.length, 'its size is that of its frame')
  return new LinkDecoder(1000).push(bytes)[0]
}

t.test('a message that was never sent has no owner when its time is over: it may go elsewhere', async t => {
  const { inFlight, answers, forgotten, pass } = begin(message())
  pass()
  t.strictSame([answers, forgotten], [['no_owner'], [inFlight]])
})

t.test('one that was sent may have arrived: its outcome is a timeout', async t => {
  const { inFlight, answers, forgotten, pass } = begin(message())
  frameOf(inFlight, 7)
  pass()
  t.strictSame([answers, forgotten], [['timeout'], [inFlight]])
})

t.test('its answer ends it: its deadline is not waited for any more', async t => {
  const { inFlight, answers, tasks } = begin(message())
  t.equal(tasks.size, 1)
  inFlight.settle('delivered')
  t.strictSame([answers, tasks.size], [['delivered'], 0])
})

t.test('its frame has its id, and says from the second link on that it may be a repetition', async t => {
  const { inFlight } = begin(message())
  t.match(frameOf(inFlight, 7), { type: 'deliver', id: 7, lane: 5, user: 'bob', repeated: false })
  t.equal(inFlight.id, 7)
  inFlight.uncertain = true
  t.match(frameOf(inFlight, 7), { id: 7, repeated: true })
})

t.test('an announcement is a frame of users, and depends on no lane', async t => {
  const { inFlight } = begin(Buffer.from('ann\nbob'))
  t.match(frameOf(inFlight, 3), { type: 'here', id: 3, users: Buffer.from('ann\nbob') })
  t.ok(inFlight.startsLane)
  t.notOk(begin(message()).inFlight.startsLane)
  t.ok(begin(message({ start: true })).inFlight.startsLane)
})

t.test('the other end must read its version and its size', async t => {
  const { inFlight } = begin(message())
  t.equal(inFlight.refusal(1, 5), undefined)
  t.equal(inFlight.refusal(1, 4), 'too_large')
  const sender = begin(message({ deliver: 'sender', origin: { id: '0'.repeat(32), handshake: undefined } })).inFlight
  t.equal(sender.refusal(1, 1000), 'rejected', 'version 1 knows no messages in the name of a connection')
  t.equal(sender.refusal(2, 1000), undefined)
  t.equal(begin(Buffer.from('ann')).inFlight.refusal(1, 1), undefined, 'an announcement has its own limit')
})
