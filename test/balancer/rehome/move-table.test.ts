import t from 'tap'
import type { Connection } from '../../../balancer/placement/placement.ts'
import { MoveTable } from '../../../balancer/rehome/move-table.ts'
import { waitFor } from '../../helpers/wait.ts'

/** A table whose moves end when the test says so. */
function start(perSecond = 1000) {
  const ends: (() => void)[] = []
  const begun: string[] = []
  const table = new MoveTable({
    perSecond,
    async run(connection, reason, queue) {
      begun.push(`${(connection as unknown as { name: string }).name} ${reason} ${queue}`)
      await new Promise<void>(resolve => ends.push(resolve))
      table.end(connection)
    },
    onError: error => t.fail(String(error)),
  })
  return { table, ends, begun }
}

const connection = (name: string) => ({ name }) as unknown as Connection

t.test('a connection that is being moved keeps its turn; the latest reason is recorded', async t => {
  const { table, ends, begun } = start()
  const ann = connection('ann')
  table.add(ann, 'rebalance', 'gradual')
  t.match(table.get(ann), { is: 'moving', next: undefined })
  table.add(ann, 'crash', 'lost')
  table.delete(ann)
  t.match(table.get(ann), { is: 'moving', next: 'crash' })
  t.equal(table.end(ann), 'crash')
  t.equal(table.get(ann), undefined)
  t.strictSame(begun, ['ann rebalance gradual'])
  ends[0]?.()
})

t.test('a connection waits in one queue only, and is dropped with its reason', async t => {
  const { table, ends, begun } = start(1)
  const [ann, bob, eve] = ['ann', 'bob', 'eve'].map(connection) as [Connection, Connection, Connection]
  for (const each of [ann, bob, eve]) table.add(each, 'rebalance', 'gradual')
  t.strictSame(begun, ['ann rebalance gradual'], 'the others wait for the next second')
  table.add(bob, 'drain', 'leaving')
  t.strictSame(begun, ['ann rebalance gradual', 'bob drain leaving'])
  t.equal(table.size, 3)
  table.dropWaiting('rebalance')
  t.equal(table.get(eve), undefined)
  t.equal(table.size, 2)
  for (const end of ends) end()
  await waitFor(() => table.size === 0, 'both have ended')
  table.clear()
})

t.test('news that does not come in time is not expected any more', async t => {
  const { table, begun } = start()
  const [ann, bob] = ['ann', 'bob'].map(connection) as [Connection, Connection]
  let over = 0
  table.expect(ann, 1, () => over++)
  table.expect(bob, 100_000, () => t.fail('it was dropped'))
  t.equal(table.size, 0, 'nobody waits for a move')
  await waitFor(() => over === 1, 'the time is over')
  t.equal(table.get(ann), undefined)
  t.strictSame(table.clear(), [bob])
  t.equal(table.get(bob), undefined)
  t.strictSame(begun, [])
})

t.test('a refusal holds until the members change', async t => {
  const { table } = start()
  const ann = connection('ann')
  table.refuse(ann)
  t.strictSame(table.get(ann), { is: 'refused' })
  table.forgetRefusals()
  t.equal(table.get(ann), undefined)
  table.refuse(ann)
  table.delete(ann)
  t.equal(table.get(ann), undefined)
})
