import { randomBytes } from 'node:crypto'
import { UnsecuredJWT } from 'jose'
import t from 'tap'
import { formatSecret } from '../../../lib/rehome/control-pings.ts'
import { CLIENT_REQUEST_HEADER, CONTROL_HEADER } from '../../../lib/service/names.ts'
import { startApp } from '../../helpers/app.ts'
import { connect, refusal } from '../../helpers/client.ts'
import { membersFile, startSidecar } from '../../helpers/stack.ts'

const token = (sub: string) => `Bearer ${new UnsecuredJWT({ sub }).encode()}`
const MARK = { [CLIENT_REQUEST_HEADER]: 'true' }

t.test('without a balancer only the routing key counts; a client that looks like one gains nothing', async t => {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile(), { ROUTING_KEY: 'jwt:sub' })
  const authorization = token('ann')
  await connect(t, sidecar.port, { headers: { authorization, 'ws-user-id': 'bob' } })
  t.equal(app.handshakes[0]?.headers['ws-user-id'], 'ann', 'a place that the chain does not name')
  const forged = await refusal(t, sidecar.port, { headers: { authorization, 'ws-user-id': 'bob', ...MARK } })
  t.match(forged, { status: 400, body: /WSO_ERR_AMBIGUOUS_USER/ })
  await connect(t, sidecar.port, { headers: { authorization, 'ws-user-id': 'ann', ...MARK } })
  t.equal(app.handshakes[1]?.headers['ws-user-id'], 'ann')
})

t.test('the app’s word for the user is taken off before a client sees it; a balancer is told', async t => {
  const app = await startApp(t)
  app.server.on('headers', lines => lines.push('ws-user-id: ann'))
  const sidecar = await startSidecar(t, app.port, await membersFile())
  const { response } = await connect(t, sidecar.port, { user: 'nobody' })
  t.equal(response.headers['ws-user-id'], undefined)
  t.match(
    sidecar.logs.find(({ msg }) => msg === 'connected'),
    { user: 'ann' },
  )
  const headers = { [CONTROL_HEADER]: formatSecret(randomBytes(16)), ...MARK }
  t.equal((await connect(t, sidecar.port, { headers })).response.headers['ws-user-id'], 'ann')
})
