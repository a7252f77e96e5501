import t, { type Test } from 'tap'
import { kubeClient } from '../../../../lib/routing/discovery/kube/client.ts'
import { kubernetesSource } from '../../../../lib/routing/discovery/kubernetes.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { FakeTiming } from './fake-timing.ts'
import { expectList, list, watchFrom } from './kube/expected-calls.ts'
import { StandInApi } from './kube/stand-in-api.ts'
import { record } from './recording-sink.ts'

const slice = (name: string, version: number, ...addresses: string[]) => ({
  metadata: { name, resourceVersion: String(version) },
  addressType: 'IPv4',
  ports: [{ name: 'ws-proxy', port: 3000 }],
  endpoints: addresses.map(address => ({ addresses: [address], conditions: { ready: true } })),
})

/** A source that follows a stand-in API server. */
async function follow(t: Test) {
  const api = await StandInApi.start(t)
  const get = kubeClient(api.config)
  const recorded = record(kubernetesSource('team-a/chat', { get, timing: new FakeTiming({ endAtOnce: true }) }))
  t.teardown(() => recorded.stop())
  const { answers, failures } = recorded
  return {
    ...recorded,
    api,
    answered: (text: string) => waitFor(() => answers.at(-1) === text, `members ${text}, now ${answers.at(-1)}`),
    failed: (count: number) => waitFor(() => failures.length >= count, `${count} failures`),
  }
}

t.test('it lists, then watches: events change the members', async t => {
  const { api, answers, answered, failures } = await follow(t)
  const first = await expectList(t, api)
  t.equal(first.path, '/apis/discovery.k8s.io/v1/namespaces/team-a/endpointslices')
  t.equal(first.query.get('labelSelector'), 'kubernetes.io/service-name=chat')
  t.strictSame(answers, [], 'a server that is slow to start: nothing is told before it answers')
  first.reply(200, list(10, slice('a', 9, '10.0.0.1')))
  await answered('10.0.0.1:3000')

  const watch = await watchFrom(t, api, 10)
  t.equal(watch.query.get('allowWatchBookmarks'), 'true')
  const seconds = Number(watch.query.get('timeoutSeconds'))
  t.ok(seconds >= 240 && seconds <= 300, `timeoutSeconds ${seconds}`)
  watch.event('MODIFIED', slice('a', 11, '10.0.0.1', '10.0.0.2'))
  await answered('10.0.0.1:3000,10.0.0.2:3000')
  watch.event('ADDED', slice('b', 12, '10.0.0.3'))
  await answered('10.0.0.1:3000,10.0.0.2:3000,10.0.0.3:3000')
  watch.event('DELETED', slice('a', 13, '10.0.0.1', '10.0.0.2'))
  await answered('10.0.0.3:3000')
  watch.event('DELETED', slice('b', 14, '10.0.0.3'))
  await answered('')
  t.strictSame(failures, [])
})

t.test('a pod that terminates is no member any more, and is told to leave', async t => {
  const { api, answers, leavings, answered } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(10, slice('a', 9, '10.0.0.1', '10.0.0.2')))
  const watch = await watchFrom(t, api, 10)
  await answered('10.0.0.1:3000,10.0.0.2:3000')
  t.equal(leavings.at(-1), '')
  const terminating = { addresses: ['10.0.0.2'], conditions: { ready: false, serving: true, terminating: true } }
  const { endpoints, ...rest } = slice('a', 11, '10.0.0.1')
  watch.event('MODIFIED', { ...rest, endpoints: [...endpoints, terminating] })
  await answered('10.0.0.1:3000')
  t.equal(leavings.at(-1), '10.0.0.2:3000')
  const before = answers.length
  watch.event('MODIFIED', slice('a', 12, '10.0.0.1'))
  await waitFor(() => answers.length > before, 'it has ended')
  t.equal(leavings.at(-1), '')
})

t.test('the token is read again for each watch', async t => {
  const { api } = await follow(t)
  const first = await expectList(t, api)
  t.equal(first.authorization, 'Bearer first')
  api.setToken('second')
  first.reply(200, list(10))
  const watch = await watchFrom(t, api, 10)
  t.equal(watch.authorization, 'Bearer second')
})

t.test('an endpoint that cannot be a member fails that answer and no more', async t => {
  const { api, failures, failed } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(10, slice('a', 9, '10.0.0.300')))
  await failed(1)
  t.match(failures, [/"10.0.0.300" is neither a host name nor an IP address/])
  await watchFrom(t, api, 10)
})

t.test('a failure names the Service, and the members known so far stay', async t => {
  const { api, answers, failures, failed } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(10, slice('a', 9, '10.0.0.1')))
  const watch = await watchFrom(t, api, 10)
  watch.reply(500, 'no')
  await failed(1)
  t.match(failures, [/^EndpointSlices of team-a\/chat: the API server answered 500: no$/])
  t.strictSame(answers, ['10.0.0.1:3000'])
})
