import t from 'tap'
import { createMember, type Member } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import type { Answer } from '../../lib/wire/outcome.ts'
import type { Letter, Transport } from '../../lib/wire/transport/transport.ts'
import { Acquaintances } from '../../sidecar/acquaintances.ts'
import { Finder, type Miss, type Target } from '../../sidecar/finder.ts'
import { Registry } from '../../sidecar/registry.ts'
import { Whereabouts } from '../../sidecar/whereabouts.ts'

const [SELF, A, B] = [1, 2, 3].map(n => createMember('10.0.0.1', n)) as [Member, Member, Member]
const STRANGER = '[2001:db8::9]:3000'

/** A finder that knows A and B; what each member answers is said by name, `offline` if nothing is. */
function start(members = [A, B], trusting = true) {
  const answers = new Map<string, Answer>()
  const asked: string[] = []
  const metrics = new Metrics()
  const registry = new Registry()
  const whereabouts = new Whereabouts({ self: SELF.name, metrics })
  const transport: Transport = {
    async send({ name }) {
      asked.push(name)
      return answers.get(name) ?? 'offline'
    },
    announce: async () => true,
    pipelines: () => true,
    close: () => {},
  }
  const set = MemberSet.of(members)
  const finder = new Finder({
    self: SELF.name,
    members: () => set,
    history: { changedWithin: () => false, formerOwners: () => [] },
    acquaintances: new Acquaintances({ members: () => set, history: { get: () => undefined }, trusting }),
    registry,
    whereabouts,
    delivery: { deliver: () => 'offline' },
    transport,
    timeoutMs: 60_000,
    metrics,
  })
  const user = 'bob'
  const owner = set.owner(user) as Member
  const letter: Letter = {
    user,
    deliver: 'app',
    message: { data: Buffer.from('x'), binary: false },
    lane: 1,
    start: true,
    served: undefined,
  }
  const ask = (target: Target) => finder.ask(target, letter, new AbortController().signal)
  const seek = (target: Target, miss: Miss, waitMs = 0) => {
    const now = performance.now()
    return finder.seek(finder.search(user, target, miss, waitMs), letter, now, now + 5000)
  }
  return { finder, answers, asked, whereabouts, registry, user, owner, other: owner === A ? B : A, ask, seek }
}

t.test('a message goes first to where its recipient is, is believed to be, or belongs', async t => {
  const { finder, whereabouts, registry, user, owner } = start()
  t.equal(finder.locate(user), owner)
  whereabouts.set(user, STRANGER)
  t.match(finder.locate(user), { name: STRANGER, host: '2001:db8::9', port: 3000 })
  whereabouts.set(user, 'no member at all')
  t.equal(finder.locate(user), owner)
  registry.add(user, { state: 'open' } as never)
  t.equal(finder.locate(user), 'here')
  t.equal(start([SELF]).finder.locate(user), 'here')
  t.equal(start([]).finder.locate(user), undefined)
})

t.test('where a message has reached its recipient, the next goes at once, and what was wrong is forgotten', async t => {
  const { answers, whereabouts, user, owner, other, seek } = start()
  answers.set(STRANGER, 'delivered')
  t.equal(await seek(owner, { member: STRANGER }), 'delivered')
  t.equal(whereabouts.get(user), STRANGER)
  answers.set(owner.name, 'delivered')
  t.equal(await seek({ ...other, name: STRANGER }, 'offline'), 'delivered')
  t.equal(whereabouts.get(user), undefined, 'the owner needs no note')
})

t.test('with a token: a name is no member, but one of us can name one', async t => {
  const { finder, answers, asked, whereabouts, user, owner, other, seek } = start([A, B], false)
  whereabouts.set(user, STRANGER)
  t.equal(finder.locate(user), owner)
  t.equal(await seek('here', { member: STRANGER }), 'offline')
  t.strictSame(asked.splice(0), [owner.name, other.name], 'what is known here proves nothing')
  answers.set(other.name, { member: STRANGER })
  answers.set(STRANGER, 'delivered')
  t.equal(await seek(owner, { member: other.name }), 'delivered')
  t.strictSame(asked, [other.name, STRANGER])
})

t.test('a member that could not be reached is not asked again for a second', async t => {
  const { answers, asked, owner, other, ask, seek } = start()
  answers.set(other.name, 'delivered')
  t.equal(await seek(owner, 'no_owner'), 'delivered')
  t.strictSame(asked, [other.name])
  t.equal(await ask(owner), 'no_owner')
  t.strictSame(asked, [other.name])
  const later = performance.now() + 1000
  while (performance.now() < later) await new Promise(resolve => setTimeout(resolve, later - performance.now()))
  t.equal(await ask(owner), 'offline')
  t.strictSame(asked, [other.name, owner.name])
})

t.test('nobody there: offline, if anybody could be asked; a bad name is nobody', async t => {
  const { answers, owner, other, seek } = start()
  t.equal(await seek(owner, 'offline'), 'offline')
  t.equal(await seek(owner, { member: 'no member at all' }), 'offline')
  answers.set(other.name, 'no_owner')
  t.equal(await seek(owner, 'no_owner'), 'no_owner')
  t.equal(await start([]).seek(undefined, 'no_owner'), 'no_owner')
})

t.test('what ends a search at once', async t => {
  for (const outcome of ['timeout', 'too_large', 'slow_consumer', 'rejected'] as const) {
    const { answers, other, owner, seek } = start()
    answers.set(other.name, outcome)
    t.equal(await seek(owner, 'no_owner', 1000), outcome)
  }
})
