import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  IdleError,
  inClusterConfig,
  KubeError,
  kubeClient,
  readText,
} from '../../../../../lib/routing/discovery/kube/client.ts'
import { startBlackHole } from '../../../../helpers/black-hole.ts'
import { selfSigned } from '../../../../helpers/self-signed.ts'
import { StandInApi } from './stand-in-api.ts'

const never = new AbortController().signal

t.test('in a pod, the API server and the credentials are where Kubernetes puts them', async t => {
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }
  t.strictSame(inClusterConfig(env), {
    host: 'fd00::1',
    port: 443,
    tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    caFile: '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
  })
  t.throws(() => inClusterConfig({}), { message: /KUBERNETES_SERVICE_HOST .* not set: this is no pod/ })
})

t.test('the token is read again for each request', async t => {
  const api = await StandInApi.start(t)
  const get = kubeClient(api.config)
  for (const token of ['first', 'second']) {
    api.setToken(token)
    const answer = get('/apis?x=1', never)
    const call = await api.next()
    t.equal(call.authorization, `Bearer ${token}`)
    t.equal(call.path, '/apis')
    call.reply(200, { ok: token })
    t.equal(await readText(await answer, 1000), `{"ok":"${token}"}`)
  }
})

t.test('a server that our CA does not know is not spoken to', async t => {
  const api = await StandInApi.start(t)
  writeFileSync(api.config.caFile, selfSigned().cert)
  await t.rejects(kubeClient(api.config)('/', never), { message: /self-signed|unable to verify|signature/ })
})

t.test('a refusal says the status and what the server says of it', async t => {
  const api = await StandInApi.start(t)
  const get = kubeClient(api.config)
  for (const [status, body, said] of [
    [403, { kind: 'Status', message: 'endpointslices is forbidden' }, 'endpointslices is forbidden'],
    [502, 'bad gateway\n', 'bad gateway'],
    [500, {}, '{}'],
  ] as const) {
    const answer = get('/', never)
    const call = await api.next()
    call.reply(status, body)
    await t.rejects(answer, new KubeError(status, `the API server answered ${status}: ${said}`))
  }
})

t.test('a missing token names its file', async t => {
  const api = await StandInApi.start(t)
  const tokenFile = join(t.testdirName, 'elsewhere', 'token')
  await t.rejects(kubeClient({ ...api.config, tokenFile })('/', never), { code: 'ENOENT', path: tokenFile })
})

t.test('every wait has a limit: for the answer, for its next part, and by the signal', async t => {
  const api = await StandInApi.start(t)
  const late = kubeClient(api.config, { responseTimeoutMs: 200 })('/', never)
  await t.rejects(late, { message: 'no answer within 200 ms' })
  await api.next()

  const silent = kubeClient(api.config, { idleTimeoutMs: 50 })('/', never)
  const call = await api.next()
  call.event('BOOKMARK', {})
  await t.rejects(readText(await silent, 1000), new IdleError('silent for 50 ms'))

  const abort = new AbortController()
  const aborted = kubeClient(api.config)('/', abort.signal)
  await api.next()
  abort.abort()
  await t.rejects(aborted, { name: 'AbortError' })
})

t.test('the limit for the answer holds for connecting too', async t => {
  const port = await startBlackHole(t)
  const { config } = await StandInApi.start(t)
  const get = kubeClient({ ...config, host: '127.0.0.1', port }, { responseTimeoutMs: 50 })
  await t.rejects(get('/', AbortSignal.timeout(10_000)), { message: 'no answer within 50 ms' })
})

t.test('an answer that is too long is not read to its end', async t => {
  const api = await StandInApi.start(t)
  const answer = kubeClient(api.config)('/', never)
  const call = await api.next()
  call.reply(200, 'x'.repeat(1001))
  await t.rejects(readText(await answer, 1000), { message: 'the answer has more than 1000 characters' })
})
