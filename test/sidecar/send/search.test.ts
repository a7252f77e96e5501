import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { createMember, type Member } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'
import { Search, type SearchView } from '../../../sidecar/send/search.ts'
import { A_MOMENT_AGO, type Answer } from '../../../sidecar/transport/outcome.ts'

const calm: SearchView = {
  cachedLocation: undefined,
  owner: 'a',
  membershipUnsettled: false,
  isNew: false,
  former: () => ['f'],
  ranked: () => ['a', 'b', 'c'],
}

/** Plays a search against answers, one list for each member, the last of which stays; returns who was asked, and the end. */
function play(view: SearchView, answers: Record<string, (Answer | undefined)[]>, waitMs = 1000, first?: string) {
  const search = new Search(() => view, waitMs)
  const log: string[] = []
  const answerOf = (name: string) => {
    const list = answers[name] ?? ['offline']
    return list.length > 1 ? list.shift() : list[0]
  }
  let clock = 0
  if (first !== undefined) search.answered(first, answerOf(first) as Answer)
  for (;;) {
    const step = search.next(clock)
    if ('outcome' in step) return { log, end: step.outcome, clock }
    if ('waitMs' in step) {
      log.push(`wait ${step.waitMs}`)
      clock += step.waitMs
      search.look()
      continue
    }
    log.push(`${step.ask}${step.reason ? ` (${step.reason})` : ''}`)
    const answer = answerOf(step.ask)
    if (answer === 'delivered') return { log, end: answer, clock }
    search.answered(step.ask, answer as Answer)
  }
}

t.test('in calm times the owner’s word is final', async t => {
  t.match(play(calm, { a: ['offline'] }), { log: ['a'], end: 'offline' })
  t.match(play(calm, { a: ['offline'] }, 1000, 'a'), { log: [], end: 'offline' }, 'also when it was asked before')
  t.match(
    play({ ...calm, cachedLocation: 'x' }, {}, 1000, 'x'),
    { log: ['a'], end: 'offline' },
    'somebody else’s word is not',
  )
  t.match(play({ ...calm, owner: undefined, ranked: () => [] }, {}), { log: [], end: 'no_owner' })
})

t.test('who has moved is followed, so far', async t => {
  const to = (member: string): Answer[] => [{ member }]
  t.match(play(calm, { a: to('x'), x: to('y'), y: ['delivered'] }), { log: ['a', 'x (moved)', 'y (moved)'] })
  t.match(play(calm, { a: to('v'), v: to('w'), w: to('x'), x: to('y'), y: to('z') }), {
    log: ['a', 'v (moved)', 'w (moved)', 'x (moved)', 'y (moved)'],
    end: 'offline',
  })
  t.match(play(calm, { a: to('x'), x: to('a') }), { log: ['a', 'x (moved)'], end: 'offline' }, 'not in circles')
})

t.test(
  'an owner who cannot be reached, or had the user a moment ago: the others are asked, again and again',
  async t => {
    const rounds = play(calm, { a: ['no_owner'], f: ['no_owner'], b: ['no_owner'], c: ['no_owner'] })
    t.strictSame(rounds.log.slice(0, 6), ['a', 'f (former)', 'b (rank)', 'c (rank)', 'wait 50', 'a (retry)'])
    t.strictSame(
      rounds.log.filter(line => line.startsWith('wait')),
      ['wait 50', 'wait 100', 'wait 200', ...Array(9).fill('wait 400'), 'wait 50'],
    )
    t.equal(rounds.end, 'no_owner')
    t.equal(rounds.clock, 4000, 'longer than where only the list has changed')
    t.match(play({ ...calm, membershipUnsettled: true }, {}), { end: 'offline', clock: 1000 })
    t.match(play(calm, { a: [A_MOMENT_AGO, 'delivered'] }), {
      log: ['a', 'f (former)', 'b (rank)', 'c (rank)', 'wait 50', 'a (retry)'],
      end: 'delivered',
    })
    t.match(play(calm, { a: ['no_owner'] }, 0), { end: 'offline', clock: 0 }, 'without waiting: each once')
  },
)

t.test('two who point to each other are asked again for a while, and nobody else is', async t => {
  const to = (member: string): Answer[] => [{ member }]
  const rounds = play(calm, { a: to('x'), x: to('a') })
  t.strictSame(rounds.log.slice(0, 5), ['a', 'x (moved)', 'wait 50', 'a (retry)', 'x (moved)'])
  t.strictSame(new Set(rounds.log.filter(line => !line.startsWith('wait'))), new Set(['a', 'a (retry)', 'x (moved)']))
  t.match(rounds, { end: 'offline', clock: 1000 }, 'not as long as for somebody who must be somewhere')
  t.match(
    play({ ...calm, membershipUnsettled: true }, { a: to('x'), x: to('a') }),
    { end: 'offline', clock: 4000 },
    'moved about',
  )
  t.match(play(calm, { a: to('x'), x: [{ member: 'a' }, A_MOMENT_AGO] }), { end: 'offline', clock: 4000 })
})

t.test('where the list of members is new, a recipient is waited for as one who must be somewhere', async t => {
  const first: SearchView = { ...calm, owner: undefined, isNew: true, former: () => [], ranked: () => [] }
  t.match(play(first, {}), { end: 'no_owner', clock: 4000 }, 'nobody is known yet')
  t.match(play({ ...calm, membershipUnsettled: true, isNew: true }, {}), { end: 'offline', clock: 4000 })
  t.match(play({ ...first, inVain: new Set() }, {}), { clock: 100 }, 'but not by each message')
  t.match(play(first, {}, 0), { clock: 0 }, 'and not where nobody is waited for')
})

t.test('while members change, all of this is done at once', async t => {
  t.match(play({ ...calm, membershipUnsettled: true }, { b: ['delivered'] }), { log: ['a', 'f (former)', 'b (rank)'] })
})

/** Members that some know and others do not. */
const ALL = Array.from({ length: 12 }, (_, n) => createMember('10.0.0.1', 3000 + n))

t.test('whatever the lists are, a connected user is found, if those who hold users announce them', async t => {
  const indexes = (max: number, min = 0) => fc.uniqueArray(fc.nat(ALL.length - 1), { minLength: min, maxLength: max })
  const pick = (list: readonly number[]) => list.map(n => ALL[n] as Member)
  let asked = 0
  let followed = 0
  fc.assert(
    fc.property(
      // What all know, what each may know more, and who has died without the others knowing it.
      indexes(6, 2),
      fc.array(indexes(3), { minLength: ALL.length, maxLength: ALL.length }),
      indexes(2),
      fc.nat(ALL.length - 1),
      fc.nat(ALL.length - 1),
      fc.string({ minLength: 1 }),
      (base, more, dead, holderIndex, senderIndex, user) => {
        // Everybody alive knows at least the members that have been there for long, some of the new ones, and some dead ones.
        const settled = MemberSet.of(pick(base))
        const viewOf = (n: number) => MemberSet.of(pick([...new Set([...base, ...(more[n] ?? [])])]))
        const alive = (name: string) => !dead.some(n => ALL[n]?.name === name)
        const holder = ALL[holderIndex] as Member
        const sender = ALL[senderIndex] as Member
        if (!alive(holder.name) || !alive(sender.name)) return
        // Whoever cannot be told is passed over for the next in rank.
        const audience = [viewOf(holderIndex), settled].map(
          list => list.rank(user).find(({ name }) => alive(name))?.name,
        )
        const answerOf = (name: string): Answer => {
          if (!alive(name)) return 'no_owner'
          if (name === holder.name) return 'delivered'
          if (audience.includes(name)) return { member: holder.name }
          const owner = viewOf(ALL.findIndex(member => member.name === name)).owner(user)?.name
          return owner === undefined || owner === name ? 'offline' : { member: owner }
        }
        if (!settled.members.some(({ name }) => alive(name))) return
        const own = viewOf(senderIndex)
        const result = play(
          {
            cachedLocation: undefined,
            owner: own.owner(user)?.name,
            membershipUnsettled: true,
            isNew: false,
            former: () => [],
            ranked: limit => own.rank(user, limit).map(({ name }) => name),
          },
          Object.fromEntries(ALL.map(({ name }) => [name, [answerOf(name)]])),
          1000,
        )
        asked++
        followed += result.log.length
        assert.equal(result.end, 'delivered', JSON.stringify({ ...result, holder: holder.name }))
        assert.ok(result.log.length <= 40, 'within bounds')
      },
    ),
    { numRuns: 2000 },
  )
  t.ok(asked > 500, `${asked} of them could be found, with ${followed} questions`)
})

/** Plays a search for a user who comes to a member at some time, and whom it announces to those that it takes for the owners. */
function playArrival(
  view: SearchView,
  { holder, at, told }: { holder: string; at: number; told: readonly string[] },
  waitMs: number,
) {
  const search = new Search(() => view, waitMs)
  let [clock, asked] = [0, 0]
  for (;;) {
    const step = search.next(clock)
    if ('outcome' in step) return { end: step.outcome, clock, asked }
    if ('waitMs' in step) {
      clock += step.waitMs
      search.look()
      continue
    }
    asked++
    if (clock >= at && step.ask === holder) return { end: 'delivered', clock, asked }
    search.answered(step.ask, clock >= at && told.includes(step.ask) ? { member: holder } : 'offline')
  }
}

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const
const unsettled: SearchView = { ...calm, membershipUnsettled: true, former: () => [], ranked: () => NAMES }

t.test('who is nowhere costs a few questions, however long it is searched for them', async t => {
  const nowhere = { holder: 'x', at: Number.POSITIVE_INFINITY, told: [] }
  t.match(playArrival(unsettled, nowhere, 3000), { end: 'offline', clock: 3000, asked: 34 }, 'all each time: 88')
  t.match(playArrival({ ...unsettled, inVain: new Set() }, nowhere, 3000), { end: 'offline', clock: 100, asked: 18 })
  t.match(playArrival({ ...unsettled, inVain: new Set(), membershipUnsettled: false }, nowhere, 3000), {
    clock: 0,
    asked: 1,
  })
})

t.test('whoever comes while it is searched for them is found, and soon where the owner is told', async t => {
  const seed = Number(process.env['SEED'] ?? 20_261_130)
  const property = fc.property(
    fc.nat(2999),
    fc.constantFrom(...NAMES, 'unknown'),
    fc.constantFrom(...NAMES),
    fc.boolean(),
    (at, holder, owner, quick) => {
      const view = { ...unsettled, ...(quick && { inVain: new Set<string>() }) }
      const limit = quick ? 100 : 3000
      const { end, clock } = playArrival(view, { holder, at: at % limit, told: [owner] }, 3000)
      if (end !== 'delivered') throw new Error('not found')
      if (owner === 'a' && clock > (at % limit) + 400) throw new Error(`found only after ${clock - at} ms`)
    },
  )
  t.doesNotThrow(() => fc.assert(property, { seed, numRuns: 1000 }))
})

t.test('a search in vain says nothing about what was not known to it', async t => {
  const view = { ...unsettled, inVain: new Set(['a']) }
  t.match(play(view, { a: ['no_owner'] }), { clock: 100 }, 'the same one cannot be reached')
  t.match(play(view, { a: ['no_owner'], b: ['no_owner'] }), { clock: 4000 }, 'another one')
  t.match(play(view, { b: [A_MOMENT_AGO, 'offline'] }), { clock: 4000 }, 'a trace')
})

t.test('an owner who cannot be reached: whoever takes its place is asked in each round', async t => {
  const { log } = play(unsettled, { a: ['no_owner'] })
  const rounds = log
    .join()
    .split(/wait \d+/)
    .slice(1)
  t.ok(rounds.length > 10)
  t.strictSame(
    rounds.filter(round => !round.includes('b (retry)')),
    [],
  )
})
