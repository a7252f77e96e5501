import type { Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { HOOKS_NAME } from '../../../lib/service/names.ts'
import type { Api, KubeObject } from '../api.ts'
import { type Cluster, connect, ensureMetacontrollerCrds } from '../cluster.ts'
import { dump } from '../dump.ts'
import { kubectl } from '../kubectl.ts'
import { type Metacontroller, startMetacontroller } from '../metacontroller.ts'
import { MANIFESTS, METACONTROLLER_RIGHTS } from '../operator.ts'
import { waitFor } from '../wait.ts'
import { type HookServer, startHookServer } from './hook-server.ts'
import { Place } from './place.ts'

/** Not a TAP comment, which most reporters hide. */
export const say = (line: string) => console.error(line)

/** ws-operator on a real API server, with its hooks in this process and Metacontroller as a process that can be stopped. */
export interface Bench {
  readonly cluster: Cluster
  readonly api: Api
  readonly hooks: HookServer
  /** Makes a namespace that enforces the restricted Pod Security Standard. */
  place(): Promise<Place>
  /** Ends Metacontroller; the hooks stay. */
  stop(): Promise<void>
  /** Starts it again. */
  start(): Promise<void>
  /** Makes it sync everything once more. @returns when the decorator's hook was called for each of these Deployments */
  resync(place: Place, names: readonly string[]): Promise<void>
}

/** Installs everything but the hooks' own Deployment, for one test file. */
export async function setUp(t: Test): Promise<Bench> {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const hooks = await startHookServer()
  cluster.undo(hooks.down)
  await ensureMetacontrollerCrds(cluster)
  await applyManifests(cluster, hooks.address)
  let metacontroller: Metacontroller | undefined
  const stop = async () => {
    await metacontroller?.stop()
    metacontroller = undefined
  }
  const start = async () => {
    metacontroller = await startMetacontroller()
  }
  cluster.undo(stop)
  await start()
  say(`the hooks run in this process; Metacontroller's part is played by: ${metacontroller!.name}`)
  const places: Place[] = []
  t.teardown(async () => {
    if (t.passing()) return
    say(await dump(places.map(({ namespace }) => namespace)))
    say(`--- Metacontroller\n${await metacontroller?.log()}`)
  })
  return {
    cluster,
    api: cluster.api,
    hooks,
    stop,
    start,
    async place() {
      const place = new Place(cluster.api, await cluster.namespace())
      places.push(place)
      return place
    },
    async resync({ namespace }, names) {
      const from = hooks.calls.length
      await metacontroller?.resync()
      await waitFor('the hook is called again for each', async () => {
        const called = hooks.calls.slice(from).filter(({ object }) => object.metadata.namespace === namespace)
        return names.every(name => called.some(({ path, object }) => isSync(path) && object.metadata.name === name))
      })
    },
  }
}

const isSync = (path: string) => path.startsWith('/decorator/')

/** What users apply, with the address of our hooks, and without the Deployment that runs hooks for them. */
async function applyManifests(cluster: Cluster, address: string): Promise<void> {
  const objects = await manifests()
  for (const { kind, spec } of objects) {
    if (!/^(Decorator|Composite)Controller$/.test(kind)) continue
    for (const { webhook } of Object.values(spec.hooks) as { webhook: { url: string } }[]) {
      webhook.url = `http://${address}${new URL(webhook.url).pathname}`
    }
  }
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  cluster.undo(() =>
    kubectl(['delete', '--ignore-not-found', '--timeout=120s', '-f', '-', '-f', METACONTROLLER_RIGHTS], {
      input,
      limitMs: 150_000,
    }),
  )
  // Controllers need what they look after, which a new CRD takes a moment to serve.
  await waitFor('all is applied', () => kubectl(['apply', '-f', '-'], { input }))
  await kubectl(['apply', '-f', METACONTROLLER_RIGHTS])
  await waitFor('the API server serves WebSocketBalancers', () =>
    cluster.api.resource('ws.operator/v1alpha1', 'WebSocketBalancer'),
  )
}

async function manifests(): Promise<KubeObject[]> {
  const rendered = await kubectl(['kustomize', MANIFESTS])
  return parseAllDocuments(rendered)
    .map(document => document.toJS() as KubeObject)
    .filter(({ kind, metadata }) => metadata.name !== HOOKS_NAME || kind === 'ServiceAccount')
}
