import t from 'tap'
import { LeadingSearches } from '../../../sidecar/send/leading-searches.ts'

t.test('one search leads for each user; the others wait for its end, and one of them leads then', async t => {
  const searches = new LeadingSearches()
  const end = searches.tryLead('bob')
  t.ok(end)
  t.equal(searches.tryLead('bob'), undefined)
  t.ok(searches.tryLead('ann'), 'another user has another leader')
  let ended = false
  const waiting = searches.ended('bob').then(() => {
    ended = true
  })
  await Promise.resolve()
  t.notOk(ended)
  end?.()
  await waiting
  t.ok(searches.tryLead('bob'))
})

t.test('without a leading search there is no wait', async t => {
  await t.resolves(new LeadingSearches().ended('bob'))
})
