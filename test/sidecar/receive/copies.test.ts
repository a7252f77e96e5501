import t from 'tap'
import type { Presence } from '../../../sidecar/connections/registry.ts'
import { Copies, readMark } from '../../../sidecar/receive/copies.ts'
import type { LocalMessage } from '../../../sidecar/receive/local-message.ts'
import { readServed } from '../../../sidecar/transport/link/link-frames.ts'

const SELF = 'self:1'

/** What a pod copies that believes members to have the user, and takes another one for their owner. */
function start({ owner = SELF as string | undefined, known = [] as string[], lacks = '', self = SELF } = {}) {
  const sent: string[] = []
  const copies = new Copies({
    self,
    owner: () => owner,
    locationCache: { members: () => known, hasRecentMiss: (_user, member) => member === lacks },
    relay: (member, { deliveredTo }) => void sent.push([member, ...(deliveredTo ?? ['no copy'])].join(' ')),
  })
  return { copies, sent }
}

const routed: LocalMessage = {
  user: 'bob',
  deliver: 'app',
  message: { data: Buffer.from('x'), binary: false },
  deliveredTo: undefined,
}

const at = (...keys: string[]) => keys.map(key => ({ key }) as Presence)

t.test('the owner of a user who is known nowhere else sends no copy', async t => {
  for (const owner of [SELF, undefined]) {
    const { copies, sent } = start({ owner })
    t.equal(copies.of(routed, at('k')), undefined)
    t.strictSame(sent, [])
  }
})

t.test('it sends one to each member that has them too, when the message is delivered', async t => {
  const { copies, sent } = start({ known: ['b:1', 'c:1'] })
  const send = copies.of(routed, at('k', '', 'l'))
  t.strictSame(sent, [])
  send?.()
  t.strictSame(sent, [`b:1 >${SELF} >b:1 >c:1 k l`, `c:1 >${SELF} >b:1 >c:1 k l`])
})

t.test('whoever does not own them sends one to the owner, to be sent on', async t => {
  const { copies, sent } = start({ owner: 'o:1' })
  copies.of(routed, at('k'))?.()
  t.strictSame(sent, [`o:1 > >${SELF} >o:1 k`])
  const more = start({ owner: 'o:1', known: ['o:1', 'b:1'] })
  more.copies.of(routed, at('k'))?.()
  t.strictSame(more.sent, [`b:1 >${SELF} >b:1 >o:1 k`, `o:1 > >${SELF} >b:1 >o:1 k`])
})

t.test('an owner that had nobody a moment ago is not asked', async t => {
  const { copies, sent } = start({ owner: 'o:1', lacks: 'o:1' })
  t.equal(copies.of(routed, at('k')), undefined)
  t.strictSame(sent, [])
})

t.test('the owner sends it on to those who do not have it, and no further than that', async t => {
  const { copies, sent } = start({ known: ['a:1', 'b:1', 'c:1'] })
  t.ok(copies.forward(routed, readMark(['>', '>a:1', '>b:1', `>${SELF}`, 'k']), at('l')))
  t.strictSame(sent, [`c:1 >a:1 >b:1 >${SELF} >c:1 k l`])
  t.notOk(copies.forward(routed, readMark(['>a:1', `>${SELF}`, 'k']), at('l')), 'this one has gone as far as it may')
  t.notOk(copies.forward(routed, readMark(['>', '>a:1', '>b:1', '>c:1']), at('l')))
  t.equal(sent.length, 1)
})

t.test('what does not fit in a copy is left out: keys first, and who cannot be named has nothing sent on', async t => {
  const keys = Array.from({ length: 40 }, (_, n) => `key-${n}`)
  const { copies, sent } = start({ owner: 'o:1' })
  copies.of(routed, at(...keys))?.()
  const list = sent[0]?.split(' ').slice(1) ?? []
  t.strictSame(list, ['>', `>${SELF}`, '>o:1', ...keys.slice(0, 29)])
  t.strictSame(readServed(list.join()), list, 'all of it is read')
  const long = start({ owner: 'o:1', self: `${'x'.repeat(63)}:1` })
  long.copies.of(routed, at('k'))?.()
  t.strictSame(long.sent, ['o:1 k'])
})
