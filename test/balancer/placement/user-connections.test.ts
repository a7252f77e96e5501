import t from 'tap'
import { type Connection, newPlacement } from '../../../balancer/placement/placement.ts'
import { UserConnections } from '../../../balancer/placement/user-connections.ts'

function connect(user: string | undefined, member: string) {
  const context = newPlacement({ id: `${user} at ${member}`, user, key: user ?? 'random', member })
  const puppet = { state: 'open', context }
  return { puppet, connection: puppet as unknown as Connection }
}

t.test("a user's home is the member of their open connections", async t => {
  const users = new UserConnections()
  t.equal(users.home('ann'), undefined)
  const [first, second] = [connect('ann', 'a:1'), connect('ann', 'a:1')]
  for (const { connection } of [first, second]) users.add(connection)
  t.equal(users.home('ann'), 'a:1')
  t.equal(users.home('bob'), undefined)
  users.delete(first.connection)
  t.equal(users.home('ann'), 'a:1')
  users.delete(second.connection)
  t.equal(users.home('ann'), undefined, 'the last one is gone')
})

t.test('a connection that is closing is no home; one that has moved is where it is now', async t => {
  const users = new UserConnections()
  const [closing, open] = [connect('ann', 'a:1'), connect('ann', 'b:1')]
  for (const { connection } of [closing, open]) users.add(connection)
  closing.puppet.state = 'closing'
  t.equal(users.home('ann'), 'b:1')
  open.puppet.context.member = 'c:1'
  t.equal(users.home('ann'), 'c:1')
  open.puppet.state = 'closed'
  t.equal(users.home('ann'), undefined)
})

t.test('a connection without a user is nobody\u2019s, and one that is unknown is deleted in vain', async t => {
  const users = new UserConnections()
  const unnamed = connect(undefined, 'a:1')
  users.add(unnamed.connection)
  users.delete(unnamed.connection)
  users.add(connect('ann', 'a:1').connection)
  users.delete(connect('ann', 'a:1').connection)
  t.equal(users.home('ann'), 'a:1')
})
