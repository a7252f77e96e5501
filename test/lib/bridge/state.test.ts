import t from 'tap'
import type { BridgeEnd } from '../../../lib/bridge/bridge-options.ts'
import { adopt, bury, endOf, finish, type Life, lossOf, OPEN, orphan, stateOf } from '../../../lib/bridge/state.ts'

const loss = { code: 1006, closed: false, ended: false, gone: false }
const byClient: BridgeEnd = { cause: 'client', code: 1000, reason: 'bye' }
const byUpstream: BridgeEnd = { cause: 'upstream', code: 1001, reason: '' }
const byUs: BridgeEnd = { cause: 'idle', code: 1001, reason: 'idle timeout' }

const states: Record<Life['is'], Life> = {
  open: OPEN,
  orphaned: { is: 'orphaned', loss },
  ending: { is: 'ending', end: byClient },
  closing: { is: 'closing', end: byUs },
  closed: { is: 'closed', end: byUs },
}

/** What may follow; all else leaves a state as it is. */
const next: Record<string, { happens(life: Life): Life; leads: Partial<Record<Life['is'], Life>> }> = {
  'the upstream is lost': { happens: life => orphan(life, loss), leads: { open: states.orphaned } },
  'there is another upstream, or it is given up': { happens: adopt, leads: { orphaned: OPEN } },
  'the client ends it': {
    happens: life => finish(life, byClient),
    leads: { open: states.ending, orphaned: states.ending },
  },
  'the upstream ends it': {
    happens: life => finish(life, byUpstream),
    leads: { open: { is: 'ending', end: byUpstream }, orphaned: { is: 'ending', end: byUpstream } },
  },
  'we end it': { happens: life => finish(life, byUs), leads: { open: states.closing, orphaned: states.closing } },
  'both sockets are gone': {
    happens: bury,
    leads: { ending: { is: 'closed', end: byClient }, closing: states.closed },
  },
}

for (const [event, { happens, leads }] of Object.entries(next)) {
  for (const life of Object.values(states)) {
    t.test(`${life.is}: ${event}`, async t => t.strictSame(happens(life), leads[life.is] ?? life))
  }
}

t.test('what others see of it', async t => {
  const seen = Object.values(states).map(life => [life.is, stateOf(life), endOf(life), lossOf(life)])
  t.strictSame(seen, [
    ['open', 'open', undefined, undefined],
    ['orphaned', 'open', undefined, loss],
    ['ending', 'closing', byClient, undefined],
    ['closing', 'closing', byUs, undefined],
    ['closed', 'closed', byUs, undefined],
  ])
})
