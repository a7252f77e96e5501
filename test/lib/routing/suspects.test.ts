import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { createMember, type Member, parseMembers } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'
import { Suspects } from '../../../lib/routing/suspects.ts'
import { accepts } from '../../../lib/service/tcp-probe.ts'
import { waitFor } from '../../helpers/wait.ts'
import { FakeTiming } from './discovery/fake-timing.ts'

const members = MemberSet.of(parseMembers('a:1,b:1,c:1,d:1,e:1'))
const member = (name: string) => members.get(name) as Member

/** Suspects whose probes end as the test says. */
function setUp(t: Test) {
  const timing = new FakeTiming()
  const probes: { readonly name: string; readonly end: (well: boolean) => void }[] = []
  let changes = 0
  const suspects = new Suspects({
    timing,
    probe: ({ name }) => {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      probes.push({ name, end: resolve })
      return promise
    },
    onChange: () => changes++,
  })
  t.teardown(() => suspects.close())
  return {
    suspects,
    timing,
    probes,
    changes: () => changes,
    /** Lets the pause end and answers the probe that follows. */
    async probed(well: boolean) {
      const before = probes.length
      timing.wake()
      await waitFor(() => probes.length > before, 'a probe')
      const slept = timing.sleeps.length
      probes.at(-1)?.end(well)
      if (!well) await waitFor(() => timing.sleeps.length > slept, 'the next pause')
    },
  }
}

t.test('a suspect is passed over at once: the next in the order of the key is chosen', async t => {
  const { suspects, changes } = setUp(t)
  for (let n = 0; n < 200; n++) {
    const key = `user-${n}`
    const [first, second, third, ...rest] = members.rank(key)
    t.equal(suspects.choose(members, key), first)
    suspects.suspect(first as Member)
    t.equal(suspects.choose(members, key), second)
    suspects.suspect(second as Member)
    t.equal(suspects.choose(members, key), third)
    t.equal(suspects.choose(members, key, new Set([third?.name ?? ''])), rest[0], 'nor one that is to be avoided')
    suspects.retain(MemberSet.empty)
  }
  t.equal(changes(), 0)
})

t.test('when all that may be chosen are suspects, the first of them is', async t => {
  const { suspects } = setUp(t)
  for (const { name } of members.members) suspects.suspect(member(name))
  t.equal(suspects.size, 5)
  const [first, second] = members.rank('alice')
  t.equal(suspects.choose(members, 'alice'), first)
  t.equal(suspects.choose(members, 'alice', new Set([first?.name ?? ''])), second)
})

t.test('nobody is chosen where all are to be avoided, or where there is nobody', async t => {
  const { suspects } = setUp(t)
  t.equal(suspects.choose(members, 'alice', new Set(members.members.map(({ name }) => name))), undefined)
  t.equal(suspects.choose(MemberSet.empty, 'alice'), undefined)
})

t.test('suspects and names to avoid that are no members any more hide nobody', async t => {
  const { suspects } = setUp(t)
  const [first, second] = members.rank('alice')
  suspects.suspect(createMember('gone', 1))
  suspects.suspect(first as Member)
  t.equal(suspects.choose(members, 'alice', new Set(['other:1', 'another:1'])), second)
})

t.test('a suspect is probed with pauses that grow up to 10 s, until it takes connections', async t => {
  const { suspects, timing, probes, changes, probed } = setUp(t)
  suspects.suspect(member('a:1'))
  suspects.suspect(member('a:1'))
  t.equal(suspects.size, 1)
  for (let n = 0; n < 6; n++) await probed(false)
  t.strictSame(
    timing.sleeps,
    [500, 1000, 2000, 4000, 8000, 10_000, 10_000].map(ms => ms * 0.75),
    'with a random number of 0.5; each suspect once',
  )
  t.equal(suspects.has('a:1'), true)
  t.equal(changes(), 0)
  await probed(true)
  await waitFor(() => !suspects.has('a:1'), 'it is well')
  t.equal(changes(), 1)
  t.ok(probes.every(({ name }) => name === 'a:1'))
  t.equal(timing.asleep, 0, 'and not probed any more')

  timing.sleeps.length = 0
  suspects.suspect(member('a:1'))
  t.strictSame(timing.sleeps, [375], 'the next time it begins anew')
})

t.test('pauses are spread over half of their length', async t => {
  for (const [random, pause] of [
    [0, 250],
    [0.999, 499.75],
  ] as const) {
    const timing = new FakeTiming({ random })
    const suspects = new Suspects({ timing, probe: async () => true })
    suspects.suspect(member('a:1'))
    t.strictSame(timing.sleeps, [pause])
    suspects.close()
  }
})

t.test('who is no member any more is forgotten, and its probing ends', async t => {
  const { suspects, timing, probes, changes } = setUp(t)
  for (const name of ['a:1', 'b:1', 'c:1']) suspects.suspect(member(name))
  suspects.retain(MemberSet.of(parseMembers('b:1,d:1')))
  t.strictSame(
    ['a:1', 'b:1', 'c:1', 'd:1'].filter(name => suspects.has(name)),
    ['b:1'],
  )
  await waitFor(() => timing.asleep === 1, 'one is still to be probed')
  timing.wake()
  await waitFor(() => probes.length > 0, 'its probe')
  t.strictSame(
    probes.map(({ name }) => name),
    ['b:1'],
  )
  t.equal(changes(), 0, 'the members have changed, and not what is known of one')
})

t.test('a late answer to a probe says nothing about a member that has gone, or is a suspect anew', async t => {
  const { suspects, timing, probes, changes } = setUp(t)
  suspects.suspect(member('a:1'))
  timing.wake()
  await waitFor(() => probes.length === 1, 'a probe')
  suspects.retain(MemberSet.empty)
  suspects.suspect(member('a:1'))
  probes[0]?.end(true)
  await new Promise(resolve => setImmediate(resolve))
  t.equal(suspects.has('a:1'), true)
  t.equal(changes(), 0)
})

t.test('a close ends all probing', async t => {
  const { suspects, timing, probes } = setUp(t)
  suspects.suspect(member('a:1'))
  suspects.suspect(member('b:1'))
  suspects.close()
  t.equal(suspects.size, 0)
  await waitFor(() => timing.asleep === 0, 'nothing sleeps')
  t.strictSame(probes, [])
})

t.test('with real probes: a port that nobody listens on, until somebody does', async t => {
  const server = createServer(socket => socket.destroy())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  const target = createMember('127.0.0.1', port)
  const timing = new FakeTiming({ endAtOnce: true })
  const suspects = new Suspects({ timing, probe: ({ host, port }) => accepts(host, port) })
  t.teardown(() => suspects.close())
  suspects.suspect(target)
  await waitFor(() => timing.sleeps.length > 3, 'probes that fail')
  t.equal(suspects.has(target.name), true)
  await once(server.listen(port, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  await waitFor(() => !suspects.has(target.name), 'it is well')
})
