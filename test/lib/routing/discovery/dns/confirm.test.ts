import { Resolver } from 'node:dns/promises'
import t, { type Test } from 'tap'
import { createConfirm, dnsConfirm } from '../../../../../lib/routing/discovery/dns/confirm.ts'
import { startDnsServer, type Zone } from '../dns-server.ts'

const RECORD = '_ws-proxy._tcp.chat.team.svc.cluster.local'
const SERVICE = 'chat.team.svc.cluster.local'

async function start(t: Test, zone: Zone, record = RECORD, search: readonly string[] = []) {
  const server = await startDnsServer(t, zone)
  const resolver = new Resolver({ timeout: 500, tries: 1 })
  resolver.setServers([server.address])
  return { confirm: dnsConfirm(record, { resolver, search }), asked: server.asked }
}

t.test('a pod is a member when the Service has the name that its address spells', async t => {
  const zone: Zone = {
    [`10-0-0-7.${SERVICE} A`]: ['10.0.0.7'],
    [`fd00--7.${SERVICE} AAAA`]: ['fd00:0000:0000:0000:0000:0000:0000:0007'],
  }
  const { confirm, asked } = await start(t, zone)
  t.equal(await confirm('10.0.0.7'), true)
  t.equal(await confirm('fd00::7'), true)
  t.equal(await confirm('10.0.0.8'), false)
  t.equal(await confirm('chat-0.example'), false, 'a name is not asked for')
  t.strictSame(asked, [`10-0-0-7.${SERVICE} A`, `fd00--7.${SERVICE} AAAA`, `10-0-0-8.${SERVICE} A`])
  zone[`10-0-0-8.${SERVICE} A`] = ['10.0.0.8']
  t.equal(await confirm('10.0.0.8'), true, 'as soon as it is there')
})

t.test('a name that stands for another address, a failure, and silence confirm nothing', async t => {
  const zone: Zone = {
    [`10-0-0-1.${SERVICE} A`]: ['10.0.0.2'],
    [`10-0-0-3.${SERVICE} A`]: ['SERVFAIL'],
    [`10-0-0-4.${SERVICE} A`]: ['IGNORE'],
  }
  const { confirm } = await start(t, zone)
  for (const host of ['10.0.0.1', '10.0.0.3', '10.0.0.4']) t.equal(await confirm(host), false, host)
})

t.test('a record without a final dot lies in a domain of the search list', async t => {
  const zone: Zone = { [`10-0-0-7.${SERVICE} A`]: ['10.0.0.7'] }
  const { confirm } = await start(t, zone, '_ws-proxy._tcp.chat', ['other.example', 'team.svc.cluster.local'])
  t.equal(await confirm('10.0.0.7'), true)
})

t.test('what other sources do not list is not confirmed', async t => {
  t.equal(await createConfirm({ DISCOVERY: 'kubernetes', SRV_DNS_RECORD: '' })('10.0.0.7'), false)
})
