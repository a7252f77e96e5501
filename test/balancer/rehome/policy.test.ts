import t from 'tap'
import { newPlacement } from '../../../balancer/placement/placement.ts'
import { mayMove } from '../../../balancer/rehome/policy.ts'

const connection = (clientHasSpoken: boolean, protocol?: string) => {
  const context = newPlacement({ id: '1', user: 'ann', key: 'ann', member: 'a:1' })
  context.session = protocol === undefined ? undefined : { name: protocol }
  return { clientHasSpoken, context }
}

t.test('a client is moved as the policy says', async t => {
  for (const spoken of [false, true])
    for (const protocol of [undefined, 'mqtt']) {
      t.equal(mayMove('transparent', connection(spoken, protocol)), true)
      t.equal(mayMove('close', connection(spoken, protocol)), false)
      const isFree = !spoken && protocol === undefined
      t.equal(mayMove('auto', connection(spoken, protocol)), isFree, `auto, spoken: ${spoken}, ${protocol}`)
    }
})
