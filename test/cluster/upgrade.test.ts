import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  ENABLE_LABEL,
  SIDECAR_CONTAINER,
  SIDECAR_REVISION_ANNOTATION,
  STATUS_ANNOTATION,
  STATUS_MESSAGE_ANNOTATION,
} from '../../lib/service/names.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { IMAGE } from '../../scripts/image.ts'
import type { KubeObject } from './api.ts'
import { connect } from './cluster.ts'
import { dump } from './dump.ts'
import { loadImage } from './images.ts'
import { kubectl } from './kubectl.ts'
import { allPodsOf, install, MANIFESTS, SYSTEM_NAMESPACE } from './operator.ts'
import { rolledOut } from './rollout.ts'
import { stays, waitFor } from './wait.ts'

const say = (line: string) => console.error(line)

const CURRENT = `${IMAGE}:${packageJson.version}`

/** Two Deployments: one that waits for its next rollout, and one that will not. */
const CHAT = 'chat'
const EAGER = 'eager'

t.test('another default image restarts nobody, and is taken when it may be', async t => {
  const step = (name: string, body: (t: Test) => Promise<void>) =>
    t.test(name, { skip: t.passing() ? false : 'an earlier step failed' }, body)
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const { metacontroller, calls, useImage } = await install(cluster, say)
  const next = await loadImage(IMAGE, 'next', say)
  const namespace = await cluster.namespace()
  t.teardown(async () => {
    if (t.passing()) return
    say(await dump([namespace, SYSTEM_NAMESPACE]))
    say(`--- ${metacontroller.name}\n${await metacontroller.log()}`)
  })
  const { api } = cluster
  const deployments = await api.resource('apps/v1', 'deployments')
  const replicaSets = await api.resource('apps/v1', 'replicasets')
  const get = (name: string) => api.get(deployments, namespace, name)
  const here = (...args: string[]) => kubectl([...args, '-n', namespace])
  const annotation = ({ metadata }: KubeObject, name: string) => metadata.annotations?.[name]
  const message = async (name: string) => annotation(await get(name), STATUS_MESSAGE_ANNOTATION) ?? ''
  const imageOf = ({ spec }: KubeObject): string => {
    const { initContainers = [], containers } = spec.template?.spec ?? spec
    const ours = [SIDECAR_CONTAINER, 'balancer']
    return [...initContainers, ...containers].find(({ name }) => ours.includes(name))?.image
  }
  const podsOf = async (name: string) => [
    ...(await allPodsOf(cluster, namespace, `app=${name}`)),
    ...(await allPodsOf(cluster, namespace, `app.kubernetes.io/instance=${name}-balancer`)),
  ]
  const all = [CHAT, `${CHAT}-balancer`, EAGER, `${EAGER}-balancer`]
  /** Pods and how often their containers have started, of everything. */
  const running = async () =>
    (await Promise.all([CHAT, EAGER].map(podsOf)))
      .flat()
      .map(({ metadata, status }) => {
        const states = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
        return [metadata.name, metadata.uid, states.map(({ restartCount }) => restartCount).join()]
      })
      .sort()
  const settled = async (...names: string[]) => {
    for (const name of names) await rolledOut(cluster, namespace, name)
    await waitFor('the pods that ended are gone', async () =>
      (await Promise.all([CHAT, EAGER].map(podsOf))).flat().every(({ metadata }) => !metadata.deletionTimestamp),
    )
  }
  const resync = async () => {
    const hooks = ['/decorator/sync', '/composite/sync']
    const before = await Promise.all(hooks.map(calls))
    await metacontroller.resync()
    await waitFor('every object is synced again', async () => {
      const now = await Promise.all(hooks.map(calls))
      return now.every((count, index) => count >= (before[index] ?? 0) + 2)
    })
  }
  const example = readFileSync(join(MANIFESTS, 'examples/chat.yaml'), 'utf8').replace('replicas: 3', 'replicas: 2')
  for (const name of [CHAT, EAGER]) {
    const input = example.replaceAll(/^( +(?:name|app):) chat$/gm, `$1 ${name}`)
    await kubectl(['apply', '-n', namespace, '-f', '-'], { input })
    await here('annotate', 'deployment', name, 'ws.operator/balancer-replicas=1')
    await here('label', 'deployment', name, `${ENABLE_LABEL}=true`)
  }
  for (const name of [CHAT, EAGER]) {
    await waitFor(`${name} has its sidecar`, async () => annotation(await get(name), STATUS_ANNOTATION) === 'Injected')
    await waitFor(`${name} has its balancer`, () => get(`${name}-balancer`))
  }
  await settled(...all)

  await step('the first injection is one change, and its revision is written', async t => {
    for (const name of all) t.equal(imageOf(await get(name)), CURRENT, name)
    const sets = (await api.list(replicaSets, namespace, `app=${CHAT}`)).items
    t.equal(sets.length, 2, 'one ReplicaSet without the sidecar, one with it')
    t.match(annotation(await get(CHAT), SIDECAR_REVISION_ANNOTATION), new RegExp(`^${packageJson.version}-`))
  })

  await step('hooks with another default image restart no pod and change no template', async t => {
    const templates = async () => (await Promise.all(all.map(get))).map(({ spec }) => JSON.stringify(spec.template))
    const before = {
      pods: await running(),
      templates: await templates(),
      revision: annotation(await get(CHAT), SIDECAR_REVISION_ANNOTATION),
    }
    await useImage(next)
    await resync()
    for (const name of [CHAT, EAGER]) {
      await waitFor(`the status of ${name} says how to get it`, async () =>
        (await message(name)).includes(`has another sidecar (image ${next})`),
      )
    }
    await resync()
    t.ok(await stays('all pods', running, before.pods))
    t.same(await templates(), before.templates)
    t.equal(annotation(await get(CHAT), SIDECAR_REVISION_ANNOTATION), before.revision)
    const versions = async () => (await Promise.all(all.map(get))).map(({ metadata }) => metadata.resourceVersion)
    const quiet = await versions()
    await resync()
    t.ok(await stays('nothing is left to write', versions, quiet))
  })

  await step('the next rollout brings it, and the balancer follows', async t => {
    const others = async () => (await podsOf(EAGER)).map(({ metadata }) => metadata.uid).sort()
    const before = await others()
    await here('rollout', 'restart', `deployment/${CHAT}`)
    for (const name of [CHAT, `${CHAT}-balancer`]) {
      await waitFor(`${name} has the new image`, async () => imageOf(await get(name)) === next)
    }
    await settled(CHAT, `${CHAT}-balancer`)
    for (const pod of await podsOf(CHAT)) t.equal(imageOf(pod), next, pod.metadata.name)
    t.notMatch(await message(CHAT), 'another sidecar')
    t.same(await others(), before, 'nobody else is touched')
  })

  await step('`sidecar-upgrade: now` brings it at once, and the balancer follows', async t => {
    await here('annotate', 'deployment', EAGER, 'ws.operator/sidecar-upgrade=now')
    for (const name of [EAGER, `${EAGER}-balancer`]) {
      await waitFor(`${name} has the new image`, async () => imageOf(await get(name)) === next)
    }
    await settled(...all)
    for (const pod of await podsOf(EAGER)) t.equal(imageOf(pod), next, pod.metadata.name)
    const before = await running()
    await resync()
    t.ok(await stays('all pods', running, before))
  })

  await step('back to the older image: again nobody but who wants each version at once', async t => {
    const chat = async () => (await podsOf(CHAT)).map(({ metadata }) => metadata.uid).sort()
    const before = await chat()
    await useImage(CURRENT)
    await resync()
    await waitFor('the eager one has it', async () => imageOf(await get(EAGER)) === CURRENT)
    await resync()
    t.equal(imageOf(await get(CHAT)), next)
    t.equal(imageOf(await get(`${CHAT}-balancer`)), next)
    t.same(await chat(), before)
  })

  await step('a rollout that is stuck on the sidecar’s image is said', async t => {
    await here('patch', 'deployment', CHAT, '-p', '{"spec":{"progressDeadlineSeconds":5}}')
    await here('annotate', 'deployment', CHAT, `ws.operator/sidecar-image=${IMAGE}:absent`)
    await waitFor('Kubernetes gives up', async () =>
      (await get(CHAT))['status'].conditions.some(
        ({ reason }: { reason: string }) => reason === 'ProgressDeadlineExceeded',
      ),
    )
    await resync()
    await waitFor('the status says so', async () => (await message(CHAT)).startsWith('The rollout is stuck'))
    t.match(await message(CHAT), `check that its image ${IMAGE}:absent can be pulled`)
    await here('annotate', 'deployment', CHAT, 'ws.operator/sidecar-image-')
    await settled(CHAT)
    await resync()
    await waitFor('the status is well again', async () => !(await message(CHAT)).includes('stuck'))
    t.equal(
      imageOf(await get(CHAT)),
      CURRENT,
      'a setting that changes rolls the Deployment, and brings what is current',
    )
  })
})
