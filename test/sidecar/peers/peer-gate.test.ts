import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { createMember } from '../../../lib/routing/members.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import { MEMBER_HEADER, SENDER_HEADER } from '../../../lib/service/names.ts'
import { MemberAddresses } from '../../../sidecar/peers/member-addresses.ts'
import { PeerGate } from '../../../sidecar/peers/peer-gate.ts'

const OWN = '10.0.0.1'
const STRANGER = '10.9.9.9'

function gate(token = '', tokenRequired = true, metrics = new Metrics()) {
  const addresses = new MemberAddresses({ self: createMember(OWN, 3000) })
  return new PeerGate({ addresses, token, tokenRequired, target: 'team-a/chat', metrics })
}

const request = (remoteAddress: string | undefined, headers: Record<string, string> = {}) =>
  ({ headers, socket: { remoteAddress } }) as unknown as IncomingMessage
const shown = (token: string) => ({ authorization: `Bearer ${token}` })

t.test('a stranger is a client, unless it says that it is a sidecar or shows the token', async t => {
  t.equal(gate().isPeer(request(OWN)), true)
  t.equal(gate().isPeer(request(`::ffff:${OWN}`)), true)
  t.equal(gate().isPeer(request(STRANGER)), false)
  t.equal(gate().isPeer(request(undefined)), false)
  t.equal(gate().isPeer(request(STRANGER, { [SENDER_HEADER]: 'x' })), true)
  t.equal(gate('s3cret').isPeer(request(STRANGER, shown('wrong'))), false, 'a token of the app')
  t.equal(gate('s3cret').isPeer(request(STRANGER, shown('s3cret'))), true)
})

t.test('who may send messages', async t => {
  t.equal(await gate().admit(request(OWN)), 'address')
  await t.rejects(gate().admit(request(STRANGER)), { code: 'WSO_ERR_UNKNOWN_PEER', statusCode: 503 })
  t.equal(await gate('new,old').admit(request(STRANGER, shown('old'))), 'token')
  await t.rejects(gate('s3cret').admit(request(OWN)), { code: 'WSO_ERR_UNAUTHORIZED' })
  t.equal(await gate('s3cret', false).admit(request(OWN)), 'address', 'while not all have one')
  await t.rejects(gate('s3cret', false).admit(request(OWN, shown('wrong'))), { code: 'WSO_ERR_UNAUTHORIZED' })
  await t.rejects(gate('s3cret', false).admit(request(STRANGER)), { code: 'WSO_ERR_UNKNOWN_PEER' })
})

t.test('who may call itself a member', async t => {
  const own = gate()
  t.equal(own.proves(request(STRANGER), 'unknown', `${STRANGER}:3000`), false, 'the list has to know it')
  t.throws(() => own.proves(request(STRANGER), 'unknown', `${OWN}:3000`), { code: 'WSO_ERR_BAD_MESSAGE' })
  t.throws(() => own.proves(request(OWN), 'address', '10.0.0.2:3000'), { code: 'WSO_ERR_BAD_MESSAGE' })
  t.equal(own.proves(request(STRANGER), 'token', `${STRANGER}:3000`), true)
  t.equal(own.proves(request(STRANGER), 'token', '10.0.0.2:3000'), false, 'the list decides')
})

t.test('who is not let in is counted, by the reason', async t => {
  const metrics = new Metrics()
  const checked = gate('good', false, metrics)
  const refused = async () => {
    const found = await metrics.registry.getSingleMetric('ws_operator_peers_refused_total')?.get()
    return Object.fromEntries(found?.values.map(({ labels, value }) => [labels['reason'], value]) ?? [])
  }
  const none = { no_token: 0, wrong_token: 0, wrong_target: 0, unknown_peer: 0, wrong_name: 0 }
  t.strictSame(await refused(), none, 'there from the beginning')
  await checked.admit(request(STRANGER, { ...shown('good'), 'x-ws-operator-target': 'team-a/chat' }))
  await t.rejects(checked.admit(request(OWN, shown('bad'))), { code: 'WSO_ERR_UNAUTHORIZED' })
  const foreign = { ...shown('good'), 'x-ws-operator-target': 'team-b/shop' }
  await t.rejects(checked.admit(request(OWN, foreign)), { code: 'WSO_ERR_WRONG_TARGET' })
  await t.rejects(checked.admit(request(STRANGER)), { code: 'WSO_ERR_UNKNOWN_PEER' })
  t.throws(() => checked.proves(request(STRANGER), 'unknown', `${OWN}:3000`), { code: 'WSO_ERR_BAD_MESSAGE' })
  t.strictSame(await refused(), { ...none, wrong_token: 1, wrong_target: 1, unknown_peer: 1, wrong_name: 1 })
})

t.test('one that the list does not have is asked about, under the name of its own address only', async t => {
  const asked: string[] = []
  const addresses = new MemberAddresses({ self: createMember(OWN, 3000) })
  const metrics = new Metrics()
  const confirm = async (name: string) => {
    asked.push(name)
    return name === `${STRANGER}:3000`
  }
  const late = new PeerGate({ addresses, token: '', tokenRequired: true, target: '', metrics, confirm })
  const named = (address: string, member: string) => request(address, { [MEMBER_HEADER]: member })
  t.equal(await late.admit(named(STRANGER, `${STRANGER}:3000`)), 'address')
  t.equal(await late.admit(named(OWN, `${OWN}:3000`)), 'address')
  t.strictSame(asked, [`${STRANGER}:3000`], 'a member that is listed is not asked about')
  await t.rejects(late.admit(named('10.9.9.8', '10.9.9.8:3000')), { code: 'WSO_ERR_UNKNOWN_PEER' })
  await t.rejects(late.admit(named('10.9.9.8', `${STRANGER}:3000`)), { code: 'WSO_ERR_UNKNOWN_PEER' })
  t.strictSame(asked, [`${STRANGER}:3000`, '10.9.9.8:3000'])
})
