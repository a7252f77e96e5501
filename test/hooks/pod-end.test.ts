import { readFileSync } from 'node:fs'
import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import t from 'tap'
import { balancerObjects } from '../../hooks/composite/children/balancer-objects.ts'
import type { BalancerSpec } from '../../hooks/composite/spec/balancer-spec.ts'
import { headlessServiceObject } from '../../hooks/decorator/attachments.ts'
import { planSidecar, type SidecarPlan } from '../../hooks/decorator/plan-sidecar.ts'
import type { DecoratorRequest } from '../../hooks/requests/schemas.ts'
import { readStage } from '../../scripts/image/dockerfile.ts'
import { rootfs } from '../../scripts/image/rootfs.ts'
import { config, recorded } from './helper.ts'

const root = new URL('../../', import.meta.url)
const stage = readStage(readFileSync(new URL('Dockerfile', root), 'utf8'), 'ws-operator')

t.test('a program has the time to start where it gets a hundredth of a core', async t => {
  const processorSeconds = 0.25
  for (const { startupProbe, resources } of [injection().sidecar, balancer().container]) {
    const { periodSeconds = 0, failureThreshold = 0 } = startupProbe ?? {}
    t.ok(periodSeconds * failureThreshold > 4 * (processorSeconds / 0.01))
    t.ok(
      processorSeconds / (Number.parseInt(String(resources?.requests?.['cpu']), 10) / 1000) < 30,
      'its request suffices',
    )
  }
})

function injection(annotations: Record<string, string> = {}, pod: object = {}): SidecarPlan {
  const { object } = recorded<DecoratorRequest>('decorator-sync-first')
  object.metadata.annotations = annotations
  Object.assign(object.spec.template.spec, pod)
  const planned = planSidecar(object, config)
  if (!planned.ok) throw new Error(planned.message)
  return planned.plan
}

function balancer(spec: Partial<BalancerSpec> = {}) {
  const objects = balancerObjects({ name: 'chat', namespace: 'team' }, { target: 'chat', ...spec }, config)
  const { spec: deployment } = objects.find(({ kind }) => kind === 'Deployment') as Deployment
  const pod = deployment!.template.spec!
  return { deployment: deployment!, pod, container: pod.containers[0]! }
}

const advice = (annotations: Record<string, string>, pod: object) => injection(annotations, pod).advice.join(' ')
const app = (lifecycle?: object) => ({ containers: [{ name: 'app', ports: [{ containerPort: 3001 }], lifecycle }] })

t.test('what runs before a container ends is in the image', async t => {
  const { lifecycle } = injection().sidecar
  t.strictSame(lifecycle?.preStop?.exec?.command, ['node', '/app/sidecar.js', 'drain'])
  for (const command of [lifecycle?.preStop?.exec?.command, balancer().container.lifecycle?.preStop?.exec?.command]) {
    t.equal(command?.[0], stage.entrypoint[0])
    for (const path of command?.filter(word => word.startsWith('/')) ?? []) t.ok(stage.files.has(path), path)
  }
})

const elsewhere = process.platform !== 'linux' && 'such images are packed on Linux only'

t.test('also in an image that was packed without an engine', { skip: elsewhere }, async t => {
  const own = { ...stage, files: new Map() }
  // In the PATH that container runtimes set where an image sets none.
  t.ok(rootfs(own, root.pathname).some(({ path }) => path === 'usr/local/bin/node'))
})

t.test('both kinds of sidecar are drained before they get SIGTERM', async t => {
  const classic = injection({ 'ws.operator/sidecar-mode': 'classic' })
  t.equal(classic.list, 'containers')
  t.strictSame(classic.sidecar.lifecycle, injection().sidecar.lifecycle)
})

t.test('advises a longer grace period exactly where draining and ending do not fit in', async t => {
  const text = (drain: string, grace?: number) =>
    advice({ 'ws.operator/drain-seconds': drain }, { terminationGracePeriodSeconds: grace })
  t.notMatch(text('25'), 'terminationGracePeriodSeconds')
  t.match(text('26'), 'Set terminationGracePeriodSeconds to 31 or more (it is 30)')
  t.notMatch(text('300', 305), 'terminationGracePeriodSeconds')
  t.match(text('300', 304), 'Set terminationGracePeriodSeconds to 305 or more (it is 304)')
  t.match(
    advice({}, { terminationGracePeriodSeconds: 10 }),
    '(it is 10), or ws.operator/drain-seconds to less (it is 20)',
  )
})

t.test('advises a pause before the app ends exactly where there is none', async t => {
  t.match(advice({}, app()), 'Add lifecycle.preStop.sleep of 5 s to container app: ')
  t.match(advice({}, app({ postStart: {} })), 'preStop')
  t.equal(advice({}, app({ preStop: { sleep: { seconds: 5 } } })), '')
  t.equal(advice({}, app({ preStop: { exec: { command: ['sleep', '5'] } } })), '')
})

t.test('says which port it assumes where the pod names none', async t => {
  const silent = { containers: [{ name: 'app', lifecycle: { preStop: {} } }] }
  t.match(
    advice({}, silent),
    'No container declares a TCP port, and no probe names one. ws-operator assumes that the app listens on 3001, and that 3000 and 9090 are free for the sidecar.',
  )
  t.equal(advice({ 'ws.operator/app-port': '8080' }, silent), '')
})

t.test('the grace period is never written: it is the user who says how long the app takes', async t => {
  const response = JSON.stringify(injection({ 'ws.operator/drain-seconds': '3600' }).sidecar)
  t.notMatch(response, 'terminationGracePeriodSeconds')
})

t.test('a balancer has the time that it takes to wait and to close its clients', async t => {
  for (const drainSeconds of [undefined, 1, 3600]) {
    const { pod, container } = balancer({ drainSeconds } as BalancerSpec)
    const [, , wait = ''] = container.lifecycle?.preStop?.exec?.command ?? []
    const [, waitMs] = /^setTimeout\(\(\) => \{\}, (\d+)\)$/.exec(wait) ?? []
    const shutdown = container.env?.find(({ name }) => name === 'WS_OPERATOR_SHUTDOWN_SECONDS')?.value
    t.equal(shutdown, String(drainSeconds ?? 20))
    t.ok(Number(waitMs) >= 3000)
    t.ok(pod.terminationGracePeriodSeconds! >= Number(waitMs) / 1000 + Number(shutdown) + 3)
  }
})

t.test('only pods that are ready own users, so the headless Service names no others', async t => {
  const { object } = recorded<DecoratorRequest>('decorator-sync-first')
  t.notOk('publishNotReadyAddresses' in headlessServiceObject(object, injection()).spec!)
})
