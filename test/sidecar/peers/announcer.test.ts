import t, { type Test } from 'tap'
import { createMember, type Member } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'
import { Allotment } from '../../../lib/service/memory/allotment.ts'
import { MemoryBudget } from '../../../lib/service/memory/budget.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import { Announcer } from '../../../sidecar/peers/announcer.ts'
import { waitFor } from '../../helpers/wait.ts'

const [A, B, C] = [1, 2, 3].map(n => createMember('10.0.0.1', n)) as [Member, Member, Member]

/** An announcer at A; who hears it, the test decides. */
function start(
  t: Test,
  {
    users = [] as string[],
    settled = [A, B, C],
    refreshMs = 60_000,
    maxWaiting = 100_000,
    memory = new Allotment(1_000_000),
  } = {},
) {
  const heard: string[] = []
  const calls: number[] = []
  const world = {
    members: [A, B, C],
    settled,
    known: [] as Member[],
    unreachable: new Set<string>(),
    users: new Set(users),
  }
  const metrics = new Metrics()
  const announcer = new Announcer({
    self: A.name,
    members: () => MemberSet.of(world.members),
    settled: () => MemberSet.of(world.settled),
    known: () => world.known,
    registry: { names: () => world.users.values(), has: user => world.users.has(user) },
    transport: {
      async announce(member, names) {
        await new Promise(setImmediate)
        if (world.unreachable.has(member.name)) return false
        calls.push(names.length)
        heard.push(...names.map(name => `${name} ${member.name}`))
        return true
      },
    },
    metrics,
    times: { refreshMs, retryMs: 20, timeoutMs: 1000 },
    maxWaiting,
    memory,
  })
  t.teardown(() => announcer.stop())
  const metric = async (result: string) =>
    (await metrics.registry.getSingleMetric('ws_operator_announcements_total')?.get())?.values.find(
      ({ labels }) => labels['result'] === result,
    )?.value
  return { announcer, heard, calls, world, metric }
}

const owned = (member: Member, list: readonly Member[]) => {
  const set = MemberSet.of(list)
  for (let n = 0; ; n++) if (set.owner(`user-${n}`) === member) return `user-${n}`
}

t.test('a user whom another member owns is announced to it; one of our own to nobody', async t => {
  const mine = owned(A, [A, B, C])
  const theirs = owned(B, [A, B, C])
  const { announcer, heard, world, metric } = start(t, { users: [mine, theirs] })
  announcer.connected(mine)
  announcer.connected(theirs)
  await waitFor(() => heard.length > 0, 'it is heard')
  t.strictSame(heard, [`${theirs} ${B.name}`])
  t.equal(await metric('heard'), 1)
  announcer.connected(theirs)
  world.users.delete(theirs)
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  t.equal(heard.length, 1, 'who has left meanwhile is not')
})

t.test('one of our own is announced to those that have them too', async t => {
  const mine = owned(A, [A, B, C])
  const { announcer, heard, world } = start(t, { users: [mine] })
  world.known = [C]
  announcer.connected(mine)
  await waitFor(() => heard.length > 0, 'it is heard')
  t.strictSame(heard, [`${mine} ${C.name}`])
})

t.test('where members were added, also to the owner without them', async t => {
  const user = owned(A, [A, B, C])
  const { announcer, heard } = start(t, { users: [user], settled: [B, C] })
  announcer.connected(user)
  await waitFor(() => heard.length > 0, 'it is heard')
  t.strictSame(heard, [`${user} ${MemberSet.of([B, C]).owner(user)?.name}`])
})

t.test('in the first time after the start, to all who may be asked', async t => {
  const user = owned(A, [A, B, C])
  const { announcer, heard } = start(t, { users: [user], settled: [] })
  announcer.connected(user)
  await waitFor(() => heard.length === 2, 'both have heard it')
  t.strictSame(heard.sort(), [`${user} ${B.name}`, `${user} ${C.name}`])
})

t.test('after a change all users concerned are, in few requests; and again and again', async t => {
  const users = Array.from({ length: 5000 }, (_, n) => `user-${n}`)
  const { announcer, heard, calls, world } = start(t, { users, refreshMs: 300 })
  const concerned = users.filter(user => MemberSet.of([A, B]).owner(user) === B)
  world.members = [A, B]
  world.settled = [A, B]
  announcer.membersChanged()
  await waitFor(() => new Set(heard).size >= concerned.length, 'all are heard')
  t.strictSame(new Set(heard), new Set(concerned.map(user => `${user} ${B.name}`)))
  t.ok(calls.length < 20, `${calls.length} announcements`)
  await waitFor(() => heard.length >= 2 * concerned.length, 'the refresh')
})

t.test('a member that does not hear is tried again, and the next in rank is told meanwhile', async t => {
  const user = owned(B, [A, B, C])
  const { announcer, heard, world, metric } = start(t, { users: [user] })
  world.unreachable.add(B.name)
  announcer.connected(user)
  const next = MemberSet.of([A, C]).owner(user) === C
  await waitFor(async () => ((await metric('failed')) ?? 0) >= 2, 'it is tried again')
  t.strictSame(heard, next ? [`${user} ${C.name}`] : [])
  world.unreachable.clear()
  await waitFor(() => heard.includes(`${user} ${B.name}`), 'it is heard')
  world.unreachable.add(B.name)
  world.members = [A, C]
  world.settled = [A, C]
})

t.test('of a user who was moved, the connections that stayed are announced to the new member', async t => {
  const user = owned(A, [A, B, C])
  const { announcer, heard, world } = start(t, { users: [user] })
  announcer.moved(user, C)
  await waitFor(() => heard.length === 1, 'it is heard')
  t.strictSame(heard, [`${user} ${C.name}`])
  world.users.clear()
  announcer.moved(user, C)
  t.equal(heard.length, 1, 'there is nothing to say of who has none')
})

t.test('of more than may wait for a member, the rest is dropped and counted, until there is room again', async t => {
  const users: string[] = []
  for (let n = 0; users.length < 5; n++) if (MemberSet.of([A, B]).owner(`user-${n}`) === B) users.push(`user-${n}`)
  const { announcer, heard, world, metric } = start(t, { users, maxWaiting: 3 })
  world.members = [A, B]
  world.settled = [A, B]
  for (const user of users) announcer.connected(user)
  announcer.connected(users[0] as string)
  await waitFor(() => heard.length === 3, 'those that fit are heard')
  t.strictSame(
    heard,
    users.slice(0, 3).map(user => `${user} ${B.name}`),
  )
  t.equal(await metric('dropped'), 2, 'one that waits already is not dropped')
  for (const user of users.slice(3)) announcer.connected(user)
  await waitFor(() => heard.length === 5, 'the others are heard')
  t.equal(await metric('dropped'), 2)
})

t.test('what waits takes memory; where there is no more of it, the next refresh says the rest', async t => {
  const { messages } = new MemoryBudget(1).accounts
  const users = Array.from({ length: 100 }, (_, n) => `user-${n}`)
  const { announcer, heard, metric } = start(t, { users, settled: [], memory: new Allotment(4800, messages) })
  for (const user of users) announcer.connected(user)
  t.equal(messages.bytes, 4800, 'each is to be told to two others')
  t.equal(await metric('dropped'), 100)
  await waitFor(() => heard.length === 100, 'the others are told')
  await waitFor(() => messages.bytes === 0, 'and take nothing any more')
  for (const user of users) announcer.connected(user)
  announcer.stop()
  t.equal(messages.bytes, 0, 'nor does what is never said')
})
