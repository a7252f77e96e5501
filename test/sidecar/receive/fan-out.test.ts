import t from 'tap'
import type { SendResult } from '../../../lib/bridge/bridge.ts'
import type { Presence } from '../../../sidecar/connections/registry.ts'
import { fanOut } from '../../../sidecar/receive/fan-out.ts'
import { waitFor } from '../../helpers/wait.ts'

/** Connections with so much in their queues. */
const presences = (...queued: number[]): Presence[] =>
  queued.map(bytes => ({ bridge: { queuedBytes: () => bytes } }) as unknown as Presence)

t.test('a large message is copied to some at a time, first to those that read', async t => {
  const to = presences(...Array.from({ length: 200 }, (_, n) => (n < 3 ? 1_000_000 : 0)))
  let [open, most] = [0, 0]
  const begun: number[] = []
  const stuck: (() => void)[] = []
  const result = fanOut(to, 400_000, async (presence): Promise<SendResult> => {
    most = Math.max(most, ++open)
    const n = to.indexOf(presence)
    begun.push(n)
    if (n < 3) await new Promise<void>(resolve => stuck.push(resolve))
    open--
    return 'sent'
  })
  t.equal(await result, 'sent')
  t.ok(begun.length <= 4, 'the others of this machine have their turn')
  await waitFor(() => begun.length === 199, 'all that read have it')
  t.equal(most, 2, 'two of 400,000 bytes, not 200')
  t.equal(begun.length, 199, 'the slow ones hold up nobody but each other')
  for (let n = 0; n < 3; n++) {
    stuck.shift()?.()
  }
  await waitFor(() => begun.length === 200, 'and then the last one')
})

t.test('what became of it', async t => {
  const run = (...results: SendResult[]) => {
    let taken = 0
    const left = [...results]
    const to = presences(...results.map(() => 0))
    return fanOut(
      to,
      10,
      async () => left.shift() ?? 'closed',
      () => taken++,
    ).then(result => [result, taken])
  }
  t.strictSame(await run('closed', 'sent', 'sent'), ['sent', 1], 'it is told once')
  t.strictSame(await run('closed', 'full'), ['full', 0])
  t.strictSame(await run('closed', 'closed'), ['closed', 0])
})
