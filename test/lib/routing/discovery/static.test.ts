import t from 'tap'
import { staticSource } from '../../../../lib/routing/discovery/static.ts'
import { parseMembers } from '../../../../lib/routing/members.ts'
import { record } from './recording-sink.ts'

t.test('the configured members are the only answer', async t => {
  const { answers, failures, stop } = record(staticSource(parseMembers('b:1=2,a:1')))
  await stop()
  t.strictSame([answers, failures], [['a:1,b:1=2'], []])
})

t.test('no members are an answer too', async t => {
  const { answers, stop } = record(staticSource([]))
  await stop()
  t.strictSame(answers, [''])
})
