import t from 'tap'
import type { BridgeEnd } from '../../../lib/bridge/bridge-options.ts'
import {
  endOf,
  finish,
  lossOf,
  OPEN,
  reveal,
  type State,
  socketGone,
  stateOf,
  upstreamLost,
  upstreamReplaced,
} from '../../../lib/bridge/state.ts'

const loss = { code: 1006, closed: false, ended: false, gone: false }
const byClient: BridgeEnd = { cause: 'client', code: 1000, reason: 'bye' }
const byUpstream: BridgeEnd = { cause: 'upstream', code: 1001, reason: '' }
const byUs: BridgeEnd = { cause: 'idle', code: 1001, reason: 'idle timeout' }

const states = {
  open: OPEN,
  orphaned: { is: 'orphaned', loss },
  final: { is: 'final' },
  ending: { is: 'ending', end: byClient, openSockets: 2 },
  'ending, one socket gone': { is: 'ending', end: byClient, openSockets: 1 },
  closing: { is: 'closing', end: byUs, openSockets: 2 },
  'closing, one socket gone': { is: 'closing', end: byUs, openSockets: 1 },
  closed: { is: 'closed', end: byUs },
} as const satisfies Record<string, State>
type Name = keyof typeof states

/** The same end, whichever state of those that pass messages it comes in. */
const fromPassing = (to: State) => ({ open: to, orphaned: to, final: to })

/** What may follow; all else leaves a state as it is. */
const next: Record<string, { happens(life: State): State; leads: Partial<Record<Name, State>> }> = {
  'the upstream is lost': { happens: life => upstreamLost(life, loss), leads: { open: states.orphaned } },
  'another upstream takes over': { happens: upstreamReplaced, leads: { orphaned: OPEN } },
  'the client is to learn it': { happens: reveal, leads: { orphaned: states.final } },
  'the client ends it': { happens: life => finish(life, byClient), leads: fromPassing(states.ending) },
  'the upstream ends it': {
    happens: life => finish(life, byUpstream),
    leads: fromPassing({ is: 'ending', end: byUpstream, openSockets: 2 }),
  },
  'we end it': { happens: life => finish(life, byUs), leads: fromPassing(states.closing) },
  'a socket is gone': {
    happens: socketGone,
    leads: {
      ending: states['ending, one socket gone'],
      'ending, one socket gone': { is: 'closed', end: byClient },
      closing: states['closing, one socket gone'],
      'closing, one socket gone': states.closed,
    },
  },
}

for (const [event, { happens, leads }] of Object.entries(next)) {
  for (const [name, life] of Object.entries(states)) {
    t.test(`${name}: ${event}`, async t => t.strictSame(happens(life), leads[name as Name] ?? life))
  }
}

t.test('what others see of it', async t => {
  const seen = Object.entries(states).map(([name, life]) => [name, stateOf(life), endOf(life), lossOf(life)])
  t.strictSame(seen, [
    ['open', 'open', undefined, undefined],
    ['orphaned', 'open', undefined, loss],
    ['final', 'open', undefined, undefined],
    ['ending', 'closing', byClient, undefined],
    ['ending, one socket gone', 'closing', byClient, undefined],
    ['closing', 'closing', byUs, undefined],
    ['closing, one socket gone', 'closing', byUs, undefined],
    ['closed', 'closed', byUs, undefined],
  ])
})
