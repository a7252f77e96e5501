import t from 'tap'
import { SendingProcess } from '../../../sidecar/transport/sending-process.ts'

t.test('a process names itself, its member and its Deployment, and shows its token', async t => {
  const { headers } = new SendingProcess({ self: '10.0.0.1:3000', token: 'secret', target: 'team-a/chat' })
  const { 'x-ws-operator-sender': sender, ...others } = headers
  t.match(sender, /^[0-9a-f-]{36}$/)
  t.strictSame(others, {
    'x-ws-operator-member': '10.0.0.1:3000',
    'x-ws-operator-target': 'team-a/chat',
    authorization: 'Bearer secret',
  })
})

t.test('what is not known is not said', async t => {
  const { headers } = new SendingProcess({ self: '10.0.0.1:3000', token: '', target: '' })
  t.strictSame(Object.keys(headers).sort(), ['x-ws-operator-member', 'x-ws-operator-sender'])
})

t.test('two processes of one member have different names, and each counts its own messages', async t => {
  const [one, two] = [1, 2].map(() => new SendingProcess({ self: 'a:1', token: '' })) as [
    SendingProcess,
    SendingProcess,
  ]
  t.not(one.headers['x-ws-operator-sender'], two.headers['x-ws-operator-sender'])
  t.strictSame([one.nextId(), one.nextId(), two.nextId()], [1, 2, 1])
})
