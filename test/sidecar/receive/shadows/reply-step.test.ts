import t from 'tap'
import { replyStep } from '../../../../sidecar/receive/shadows/reply-step.ts'
import { A_MOMENT_AGO, type Answer } from '../../../../sidecar/transport/outcome.ts'

const [A, B] = ['a:1', 'b:1']
const NOTHING = { verdict: undefined, location: undefined }

/** What follows each answer of member A: for an unchanged location of the client, and for one that has become B meanwhile. */
const TABLE: readonly [Answer, object, object][] = [
  ['delivered', { outcome: 'delivered' }, { outcome: 'delivered' }],
  ['timeout', { outcome: 'timeout' }, { outcome: 'timeout' }],
  ['slow_consumer', { outcome: 'slow_consumer' }, { outcome: 'slow_consumer' }],
  ['offline', { outcome: 'offline' }, NOTHING],
  ['no_owner', { verdict: 'no_owner', location: undefined }, { verdict: 'no_owner', location: undefined }],
  [A_MOMENT_AGO, { verdict: 'offline', location: undefined }, { verdict: 'offline', location: undefined }],
  [{ member: A }, { outcome: 'offline' }, { outcome: 'offline' }],
  [{ member: 'c:1' }, { verdict: 'offline', location: 'c:1' }, { verdict: 'offline', location: undefined }],
]

for (const [answer, unchanged, changed] of TABLE)
  t.test(`${JSON.stringify(answer)} is final, or the search goes on`, async t => {
    t.strictSame(replyStep(answer, A, A), unchanged)
    t.strictSame(replyStep(answer, A, B), changed)
  })
