import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { waitFor } from '../helpers/wait.ts'
import type { AppEvent } from './events.ts'
import { padding, readNote } from './messages.ts'
import { movesOf } from './moves.ts'
import { commandOf, parseOptions } from './options.ts'
import { readOutcomes, sumOutcomes } from './outcomes.ts'
import { Random } from './random.ts'
import { Relay } from './relay.ts'
import { View } from './views.ts'

t.test('random numbers: the same for a seed, spread over the range, and forks do not touch each other', async t => {
  const take = (random: Random) => Array.from({ length: 1000 }, () => random.int(1, 6))
  t.strictSame(take(new Random(5)), take(new Random(5)))
  t.notSame(take(new Random(5)), take(new Random(6)))
  t.strictSame([...new Set(take(new Random(5)))].sort(), [1, 2, 3, 4, 5, 6])
  const random = new Random(5)
  const before = take(random.fork('a'))
  random.next()
  t.strictSame(take(random.fork('a')), before)
  t.notSame(take(random.fork('b')), before)
})

t.test('a note is only one if no byte of it is changed', async t => {
  const text = JSON.stringify({ t: 'up', c: 'u1/0.0', n: 3, pad: padding(3, 50) })
  t.match(readNote(Buffer.from(text)), { t: 'up', n: 3 })
  t.equal(readNote(Buffer.from(text.replace('dddd', 'ddxd'))), undefined)
  t.equal(readNote(Buffer.from(text.slice(1))), undefined)
})

t.test('options: defaults, a command that runs the same again, and what is wrong with others', async t => {
  const options = parseOptions(['--seed', '9', '--schedule', 'mixed', '--users', '7'])
  t.match(options, { seed: 9, schedule: 'mixed', users: 7, seconds: 20, fault: 'none' })
  t.strictSame(parseOptions(commandOf(options!).split(' ').slice(3)), options)
  t.equal(parseOptions(['--help']), undefined)
  t.throws(() => parseOptions(['--seed', 'x']), { message: /--seed x: expected a whole number/ })
  t.throws(() => parseOptions(['--schedule', 'x']), { message: /--schedule x: expected one of rolling, / })
})

t.test('outcomes are read from a page of metrics and added up', async t => {
  const page = `# HELP ws_operator_messages_routed_total x
ws_operator_messages_routed_total{outcome="delivered"} 12
ws_operator_messages_routed_total{outcome="offline"} 0
ws_operator_users 3`
  t.strictSame(
    [...readOutcomes(page)],
    [
      ['delivered', 12],
      ['offline', 0],
    ],
  )
  t.equal(sumOutcomes([readOutcomes(page), readOutcomes(page)]).get('delivered'), 24)
})

t.test('a view follows the true list late, may be wrong for a while, and is right in the end', async t => {
  const read = async (view: View) => JSON.parse(await readFile(view.path, 'utf8')) as string[]
  const folder = mkdtempSync(join(tmpdir(), 'ws-operator-view-'))
  const staleness = { leastMs: 0, mostMs: 60, disorder: true, forget: 1 }
  const view = await View.create(folder, new Random(1), staleness, ['a'])
  t.strictSame(await read(view), ['a'])
  const seen = new Set<string>()
  for (let n = 2; n < 8; n++) view.update(Array.from({ length: n }, (_, i) => `m${i}`))
  await waitFor(async () => {
    seen.add((await read(view)).join())
    return view.settled
  }, 'it is settled')
  await waitFor(async () => (await read(view)).length === 7, 'it is right')
  t.ok(seen.size > 2, `${seen.size} different lists`)
})

t.test('moves: who had to go to another pod, and how long 95 % of them took', async t => {
  const [one, two] = ['127.0.0.1:3000', '127.0.0.2:3000']
  const truths = [
    { at: 0, members: new Map([[one, 'p1']]) },
    {
      at: 1000,
      members: new Map([
        [one, 'p1'],
        [two, 'p2'],
      ]),
    },
  ]
  const set = MemberSet.of([one, two].map(parseMember))
  const users = Array.from({ length: 40 }, (_, i) => `u${i}`)
  const moving = users.filter(user => set.owner(user)?.name === two)
  const open = (user: string, pod: string, at: number): AppEvent => ({
    e: 'app-open',
    at,
    link: `${pod}/1#${user}`,
    c: `${user}/0.0`,
  })
  const apps = users.map(user => open(user, 'p1', 1))
  const [first] = movesOf(truths, [...apps, ...moving.map((user, i) => open(user, 'p2', 1100 + i))])
  t.match(first, { added: ['p2'], removed: [], moved: moving.length, arrived: moving.length })
  t.ok(first?.p95Ms !== undefined && first.p95Ms > 100 && first.p95Ms <= 100 + moving.length)
  t.match(movesOf(truths, apps)[0], { moved: moving.length, arrived: 0, p95Ms: undefined })
})

t.test('relay: passes on, delays, cuts one kind of connection', async t => {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket.on('error', () => {}))
    socket.on('data', data => socket.write(data))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const relay = await Relay.listen('127.0.0.1', 0, { host: '127.0.0.1', port })
  t.teardown(() => {
    relay.close()
    server.close()
  })
  const client = async (hello: string) => {
    const socket = connect(relay.port, '127.0.0.1')
    const state = { text: '', closed: '' }
    socket.on('data', data => {
      state.text += data
    })
    socket.on('error', error => {
      state.closed = (error as NodeJS.ErrnoException).code ?? ''
    })
    socket.write(hello)
    await waitFor(() => state.text === hello, 'it comes back')
    t.teardown(() => socket.destroy())
    return { socket, state }
  }
  const user = await client('GET /?user=a HTTP/1.1\r\n')
  const link = await client('GET /message HTTP/1.1\r\n')
  relay.delay(60)
  let isLate = false
  // A little less than the delay of both ways, on the clock of the relay's own timers.
  setTimeout(() => {
    isLate = true
  }, 110)
  user.socket.write('1')
  user.socket.write('2')
  await waitFor(() => user.state.text.endsWith('12'), 'it comes late, in order')
  t.ok(isLate, 'late both ways')
  relay.delay(0)
  t.equal(relay.cut('links'), 1)
  await waitFor(() => link.state.closed === 'ECONNRESET', 'the link is cut')
  user.socket.write('3')
  await waitFor(() => user.state.text.endsWith('123'), 'the user is not')
  t.equal(relay.cut('clients'), 1)
  await waitFor(() => user.state.closed === 'ECONNRESET', 'now it is')
  await waitFor(() => sockets.every(socket => socket.destroyed), 'and so is the other side')
})
