import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { parseMember } from '../../../lib/routing/members.ts'
import { Registry } from '../../../sidecar/connections/registry.ts'
import { ServedUsers } from '../../../sidecar/connections/served-users.ts'
import { LeavingConnections } from '../../../sidecar/receive/shadows/leaving.ts'

/** Users of a pod that knows the members `b:1` and `c:1`; what it has others told is kept. */
function setUp() {
  const told: string[] = []
  const registry = new Registry()
  const leaving = new LeavingConnections()
  const users = new ServedUsers({
    registry,
    leaving,
    locationCache: {
      announced: (member, names) => void told.push(`${names.join()} is at ${member}`),
      invalidate: (user, member) => void told.push(`${user} is not at ${member}`),
    },
    announcer: {
      connected: user => void told.push(`connected ${user}`),
      moved: (user, { name }) => void told.push(`moved ${user} to ${name}`),
    },
    confirm: async name => (/^[bc]:1$/.test(name) ? parseMember(name) : undefined),
  })
  const bridge = { state: 'open' } as unknown as Bridge
  const here = () => registry.connections('bob').map(({ pending }) => (pending ? 'pending' : 'here'))
  return { users, told, registry, leaving, bridge, here }
}

t.test('a client that connects is found here, and others are told', async t => {
  const { users, told, bridge, here } = setUp()
  users.connected('bob', bridge, 'k')
  t.strictSame([here(), told], [['here'], ['connected bob']])
  users.disconnected('bob', bridge)
  t.strictSame([here(), told], [[], ['connected bob']])
})

t.test('a client whose handshake was repeated here is told of only when it is served here', async t => {
  const { users, told, bridge, here } = setUp()
  users.pending('bob', bridge, 'k')
  t.strictSame([here(), told], [['pending'], []])
  users.taken('bob', bridge)
  t.strictSame([here(), told], [['here'], ['connected bob']])
})

t.test('a client that has moved gets no more messages here: its messages follow it', async t => {
  const { users, told, bridge, here, leaving, registry } = setUp()
  users.connected('bob', bridge, 'k')
  told.length = 0
  users.moved('bob', bridge, 'b:1')
  t.strictSame([here(), told], [[], ['bob is at b:1']])
  t.ok(registry.leftRecently('bob'))
  t.ok(leaving.of('bob'), 'its connection here is waited for')
  await turn()
  t.strictSame(told, ['bob is at b:1', 'moved bob to b:1'])
  users.disconnected('bob', bridge)
  t.equal(leaving.of('bob'), undefined)
})

t.test('a member that cannot be confirmed is remembered as the location, but nobody is told', async t => {
  const { users, told, bridge } = setUp()
  users.moved('bob', bridge, 'x:1')
  await turn()
  t.strictSame(told, ['bob is at x:1'])
})

t.test('a move that is cancelled is taken back: the client is here, and not there', async t => {
  const { users, told, bridge, here, leaving } = setUp()
  users.connected('bob', bridge, 'k')
  users.moved('bob', bridge, 'b:1')
  await turn()
  told.length = 0
  users.stayed('bob', bridge, 'k')
  t.strictSame([here(), told, leaving.of('bob')], [['here'], ['bob is not at b:1', 'connected bob'], undefined])
})

t.test('of several moves the last one is taken back', async t => {
  const { users, told, bridge } = setUp()
  users.moved('bob', bridge, 'b:1')
  users.moved('bob', bridge, 'c:1')
  await turn()
  told.length = 0
  users.stayed('bob', bridge, 'k')
  t.strictSame(told, ['bob is not at c:1', 'connected bob'])
})
