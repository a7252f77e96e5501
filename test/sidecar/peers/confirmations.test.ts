import t from 'tap'
import { Confirmations } from '../../../sidecar/peers/confirmations.ts'

t.test('each host is asked about once at a time, and not again at once where it is no member', async t => {
  let now = 0
  const answers: ((isMember: boolean) => void)[] = []
  const confirmations = new Confirmations(
    () => new Promise(resolve => answers.push(resolve)),
    () => now,
  )
  const both = Promise.all([confirmations.isMember('a'), confirmations.isMember('a')])
  t.equal(answers.length, 1)
  answers[0]?.(false)
  t.strictSame(await both, [false, false])
  t.equal(await confirmations.isMember('a'), false)
  t.equal(answers.length, 1)
  now = 1001
  const again = confirmations.isMember('a')
  answers[1]?.(true)
  t.equal(await again, true)
})

t.test('strangers cannot make any number of questions', async t => {
  let asked = 0
  const confirmations = new Confirmations(() => {
    asked++
    return new Promise(() => {})
  })
  for (let n = 0; n < 64; n++) void confirmations.isMember(`host ${n}`)
  t.equal(await confirmations.isMember('one more'), false)
  t.equal(asked, 64)
})
