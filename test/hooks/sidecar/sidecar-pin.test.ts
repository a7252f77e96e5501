import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { ANNOTATIONS, NOT_FOR_THE_SIDECAR } from '../../../hooks/annotations/annotations.ts'
import { loadHooksConfig } from '../../../hooks/config.ts'
import { finalizeDeployment, syncDeployment } from '../../../hooks/decorator/decorator.ts'
import { planSidecar } from '../../../hooks/decorator/plan-sidecar.ts'
import type { DecoratorRequest } from '../../../hooks/requests/schemas.ts'
import manifest from '../../../package.json' with { type: 'json' }
import { applyAnswer } from '../apply-model.ts'
import { fresh, holds } from '../deployments.ts'
import { mergePatch } from '../helper.ts'

/** Two installations of the operator: another default image stands for all that a new version may change. */
const image = (tag: string, more: Record<string, string> = {}) =>
  loadHooksConfig({ WS_OPERATOR_IMAGE: `ws-operator:${tag}`, ...more })
const A = image('a')
const B = image('b', { WS_OPERATOR_CLUSTER_DOMAIN: 'example.org' })

const REVISION = 'ws.operator/sidecar-revision'
const MESSAGE = 'ws.operator/status-message'

const once = (request: DecoratorRequest, rendering = A) =>
  applyAnswer(request, syncDeployment(request, rendering).response)

/** Syncs until nothing changes; every loop ends. */
function settle(request: DecoratorRequest, rendering = A): DecoratorRequest {
  let now = request
  for (let round = 0; round < 5; round++) {
    const next = once(now, rendering)
    try {
      assert.deepStrictEqual(next, now)
      return now
    } catch {
      now = next
    }
  }
  throw new Error('does not settle')
}

type Template = DecoratorRequest['object']['spec']['template'] & { metadata?: { annotations?: object } }
const template = ({ object }: DecoratorRequest): Template => object.spec.template
const sidecar = (request: DecoratorRequest) => {
  const { initContainers = [], containers } = template(request).spec
  return [...initContainers, ...containers].find(({ name }) => name === 'websocket-proxy') as unknown as {
    image: string
    env: { name: string; value?: string }[]
  }
}
const annotations = ({ object }: DecoratorRequest) => object.metadata.annotations as Record<string, string>
const balancer = (request: DecoratorRequest) =>
  request.attachments['WebSocketBalancer.ws.operator/v1alpha1']?.['chat']?.metadata.annotations?.[REVISION]
const restart = (request: DecoratorRequest) => {
  const next = structuredClone(request)
  Object.assign(template(next), { metadata: { ...template(next).metadata, annotations: { restartedAt: 'now' } } })
  return next
}
const change = (request: DecoratorRequest, edit: (next: DecoratorRequest) => void) => {
  const next = structuredClone(request)
  edit(next)
  return next
}

t.test('a new version changes no template, and says how to get the sidecar', async t => {
  holds(t, request => {
    const before = settle(request)
    const after = settle(before, B)
    assert.deepStrictEqual(after.object.spec, before.object.spec)
    assert.equal(annotations(after)[REVISION], annotations(before)[REVISION])
    assert.match(annotations(after)[MESSAGE]!, /has another sidecar \(image ws-operator:b\); .*kubectl rollout restart/)
    assert.equal(balancer(after), balancer(before))
    const scaled = change(after, ({ object }) => Object.assign(object.spec, { replicas: 40, paused: true }))
    assert.deepStrictEqual(template(settle(scaled, B)), template(before), 'scaling is no rollout')
  })
})

t.test("the user's next rollout takes it, once, and an older version does not take it back", async t => {
  holds(t, request => {
    const pinned = settle(settle(request), B)
    const taken = once(restart(pinned), B)
    assert.equal(sidecar(taken).image, 'ws-operator:b')
    const settled = settle(taken, B)
    assert.deepStrictEqual(template(settled), template(taken), 'in one step')
    assert.doesNotMatch(annotations(settled)[MESSAGE]!, /another sidecar/)
    if (balancer(pinned)) assert.notEqual(balancer(settled), balancer(pinned), 'the balancer may follow')
    // Hooks of two versions answer side by side while they are upgraded.
    assert.deepStrictEqual(template(once(taken, A)), template(taken), 'whoever comes next')
    assert.deepStrictEqual(template(settle(settled, A)), template(settled))
  })
})

t.test('what was left as it is can be removed as exactly as ever', async t => {
  holds(t, request => {
    let now = settle(settle(request), B)
    for (let phase = 1; phase <= 2; phase++) now = applyAnswer(now, finalizeDeployment(now).response)
    assert.deepStrictEqual(now.object.spec, request.object.spec)
    assert.deepStrictEqual(annotations(now), annotations(request))
  })
})

t.test('the first injection is one change of the template, whichever version answers next', async t => {
  holds(t, request => {
    const injected = once(request, A)
    assert.deepStrictEqual(template(once(injected, B)), template(injected))
    assert.deepStrictEqual(template(settle(once(injected, B), A)), template(injected))
    assert.equal(annotations(settle(injected))[REVISION], annotations(injected)[REVISION], 'and written down once')
  })
})

t.test('`now` takes each new version at once; a share of a namespace does, too, unless told otherwise', async t => {
  const before = settle(fresh())
  const set = (value: string) =>
    change(before, next => Object.assign(annotations(next), { 'ws.operator/sidecar-upgrade': value }))
  const all = image('b', { WS_OPERATOR_SIDECAR_UPGRADE_PERCENT: '*=100' })
  t.equal(sidecar(settle(set('now'), B)).image, 'ws-operator:b')
  t.equal(sidecar(settle(set('rollout'), B)).image, 'ws-operator:a')
  t.equal(sidecar(settle(before, all)).image, 'ws-operator:b')
  t.equal(sidecar(settle(set('rollout'), all)).image, 'ws-operator:a')
  const later = settle(settle(set('now'), B), image('c'))
  t.equal(sidecar(later).image, 'ws-operator:c')
  t.equal(sidecar(settle(set('now'), A)).image, 'ws-operator:a', 'where nothing is newer, nothing happens')
})

t.test(
  'with an image of the user’s own the balancer takes a new version when any other would, and no sooner',
  async t => {
    const own = settle(fresh({ 'ws.operator/sidecar-image': 'theirs:1' }))
    // Another default image and nothing else: of the sidecar nothing is new.
    const newer = image('b')
    const version = (request: DecoratorRequest) => balancer(request)!.replace(/-.*/, '')
    const older = change(own, ({ object, attachments }) => {
      for (const { metadata } of [object, attachments['WebSocketBalancer.ws.operator/v1alpha1']!['chat']!]) {
        metadata.annotations![REVISION] = metadata.annotations![REVISION]!.replace(/^[^-]+/, '0.0.9')
      }
    })
    t.strictSame(settle(older, newer), older, 'a new version by itself is nothing')
    t.equal(version(older), '0.0.9')
    const { version: now } = manifest
    const eager = change(older, next => Object.assign(annotations(next), { 'ws.operator/sidecar-upgrade': 'now' }))
    for (const [way, request, rendering] of [
      ['its rollout', restart(older), newer],
      ['now', eager, newer],
      ['its wave', older, image('b', { WS_OPERATOR_SIDECAR_UPGRADE_PERCENT: '*=100' })],
    ] as const) {
      const taken = settle(request, rendering)
      t.equal(version(taken), now, way)
      t.strictSame(template(taken), template(request), `${way}: the sidecar is what it was`)
      t.equal(balancer(once(request, rendering)), balancer(taken), `${way}: at once, and once`)
    }
  },
)

t.test('a setting of the sidecar takes it, one of the balancer alone does not', async t => {
  const samples = new Map<string, string>()
  for (const name of readdirSync(new URL('../golden/', import.meta.url))) {
    if (/^(refused|finalize|deleting)/.test(name)) continue
    const { patch } = JSON.parse(readFileSync(new URL(`../golden/${name}/request.json`, import.meta.url), 'utf8'))
    for (const [key, text] of Object.entries(patch?.object?.metadata?.annotations ?? {})) {
      samples.set(key.replace('ws.operator/', ''), String(text))
    }
  }
  // No value but the default, or one that changes nothing by itself.
  samples.set('routing-algorithm', 'rendezvous')
  samples.set('app-port', '8080')
  samples.set('headless-service', 'ws-proxy-headless')
  samples.set('sidecar-memory-request', '32Mi')
  const plain = settle(fresh())
  for (const name of Object.keys(ANNOTATIONS)) {
    // Where pings are off, an idle time alone is refused.
    const needed = name.replace(/^(app|sidecar-client)-idle-/, '$1-ping-')
    const before = needed === name ? plain : settle(fresh({ [`ws.operator/${needed}`]: samples.get(needed)! }))
    const set = change(before, next => {
      annotations(next)[`ws.operator/${name}`] = samples.get(name)!
    })
    const [old, now] = [before, set].map(({ object }) => {
      const planned = planSidecar(object, A)
      if (!planned.ok) throw new Error(`${name}: ${planned.message}`)
      return JSON.stringify([planned.plan.list, planned.plan.sidecar])
    })
    const forSidecar = !(NOT_FOR_THE_SIDECAR as readonly string[]).includes(name)
    t.equal(old !== now, forSidecar, `${name}: ${samples.get(name)}`)
    if (name === 'sidecar-image' || name === 'sidecar-upgrade') continue
    t.equal(sidecar(settle(set, B)).image, forSidecar ? 'ws-operator:b' : 'ws-operator:a', name)
  }
})

t.test('a sidecar that somebody has changed is made anew', async t => {
  const before = settle(fresh())
  const edited = change(before, next => {
    sidecar(next).image = 'theirs:1'
    // An update takes the field from whoever had applied it.
    const [ours] = next.object.metadata.managedFields!
    const text = JSON.stringify(ours!.fieldsV1).replace('"f:image":{},', '')
    t.not(text, JSON.stringify(ours!.fieldsV1))
    ours!.fieldsV1 = JSON.parse(text)
  })
  t.equal(sidecar(settle(edited, A)).image, 'ws-operator:a')
  t.equal(sidecar(settle(edited, B)).image, 'ws-operator:b')
})

t.test('what the API server, an admission policy or another manager adds is no change', async t => {
  const added = change(once(fresh()), next => {
    Object.assign(sidecar(next), { terminationMessagePath: '/dev/termination-log', image: 'mirror/ws-operator:a' })
    Object.assign(template(next).spec, { dnsPolicy: 'ClusterFirst' })
    const [ours] = next.object.metadata.managedFields!
    const { 'f:spec': spec } = ours!.fieldsV1 as Record<string, unknown>
    next.object.metadata.managedFields!.push({ manager: 'flux', operation: 'Apply', fieldsV1: { 'f:spec': spec } })
  })
  // The policy answers each apply in the same way.
  const mirrored = (request: DecoratorRequest) =>
    change(request, next => Object.assign(sidecar(next), { image: 'mirror/ws-operator:a' }))
  const seen = mirrored(once(mirrored(once(added))))
  t.strictSame(mirrored(once(seen)), seen, 'settled')
  t.equal(sidecar(settle(seen, B)).image, 'mirror/ws-operator:a')
})

t.test('a Deployment that has a sidecar and no revision keeps it, and gets its revision', async t => {
  const before = change(settle(fresh()), next => delete annotations(next)[REVISION])
  const same = settle(before, A)
  t.equal(annotations(same)[REVISION], annotations(settle(fresh()))[REVISION], 'made by this version')
  const older = settle(before, B)
  t.strictSame(template(older), template(before))
  t.match(annotations(older)[REVISION], /^unknown-/)
  t.equal(sidecar(settle(restart(older), B)).image, 'ws-operator:b')
})

t.test('a sidecar that nobody has on record as ours is applied, so that it is', async t => {
  const before = change(settle(fresh()), ({ object }) => delete object.metadata.managedFields)
  t.equal(sidecar(settle(before, B)).image, 'ws-operator:b')
})

t.test('a bad annotation, mended, is no rollout', async t => {
  const pinned = settle(settle(fresh()), B)
  const bad = once(
    change(pinned, next => Object.assign(annotations(next), { 'ws.operator/route': 'nowhere' })),
    B,
  )
  t.equal(annotations(bad)['ws.operator/status'], 'Refused')
  const mended = settle(
    change(bad, next => delete annotations(next)['ws.operator/route']),
    B,
  )
  t.strictSame(mended, pinned)
})

t.test('a revision that says what it likes is taken for none', async t => {
  const before = settle(fresh())
  mergePatch(before as never, { object: { metadata: { annotations: { [REVISION]: '__proto__' } } } } as never)
  t.match(annotations(settle(before, B))[REVISION], /^unknown-/)
})
