import t from 'tap'
import { MEMBER_HEADER } from '../../../lib/service/names.ts'
import { readMemberHeader } from '../../../sidecar/transport/member-header.ts'
import { startApp } from '../../helpers/app.ts'
import { refusal } from '../../helpers/client.ts'
import { membersFile, startSidecar } from '../../helpers/stack.ts'

t.test('a name is read in its one spelling', async t => {
  t.equal(readMemberHeader({ [MEMBER_HEADER]: 'Chat-0:3000' }), 'chat-0:3000')
  t.equal(readMemberHeader({ [MEMBER_HEADER]: 'fd00::5:3000' }), '[fd00::5]:3000', 'as older sidecars write it')
})

t.test('what is no name is refused at both doors: whoever is told of it would refuse the answer', async t => {
  const sidecar = await startSidecar(t, (await startApp(t)).port, await membersFile())
  for (const name of [`${'x'.repeat(300)}:1`, 'nobody', 'a b:1']) {
    const headers = { [MEMBER_HEADER]: name, 'x-ws-operator-sender': 'pod-a' }
    const announced = await fetch(`http://${sidecar.name}/message`, { method: 'PUT', headers, body: 'bob' })
    t.equal(announced.status, 400, name)
    const link = await refusal(t, sidecar.port, { path: '/message', protocols: ['ws-operator-link.v1'], headers })
    t.equal(link.status, 400, name)
    t.match(link.body, /x-ws-operator-member is no host:port/)
  }
  t.equal(await sidecar.metric('user_locations'), 0)
})
