import t from 'tap'
import type { Bridge } from '../../../../lib/bridge/bridge.ts'
import { LeavingConnections } from '../../../../sidecar/receive/shadows/leaving.ts'

t.test('connections of clients that are deliveredTo elsewhere are waited for until they are gone, or stay', async t => {
  const leaving = new LeavingConnections()
  const [one, two] = [{} as Bridge, {} as Bridge]
  t.equal(leaving.of('bob'), undefined)
  leaving.add('bob', one)
  leaving.add('bob', two)
  const gone = leaving.of('bob')
  leaving.remove('bob', one)
  t.equal(await Promise.race([gone, 'waits']), 'waits')
  leaving.remove('bob', two)
  await gone
  t.equal(leaving.of('bob'), undefined)
  leaving.add('bob', one)
  await leaving.of('bob')
  t.equal(leaving.of('bob'), undefined, 'one that does not go is not waited for for ever')
})
